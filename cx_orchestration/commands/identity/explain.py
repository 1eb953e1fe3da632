"""``cx identity explain`` and ``cx identity why-not``: why records are one customer, and why they are not."""

import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cx_orchestration.commands.options import LakeToRead, ProjectFolder
from cx_orchestration.commands.terminal import harmless, shown, terminal
from cx_orchestration.identity import explain as explaining
from cx_orchestration.identity.explain import Explanation, Record
from cx_orchestration.identity.explain_evidence import Evidence, evidence_of, joining
from cx_orchestration.identity.explain_page import render_page
from cx_orchestration.identity.why_not import Compared, WhyNot
from cx_orchestration.identity.why_not import why_not as find_why_not
from cx_orchestration.integration.failed import Folders
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity_overrides import Verdict
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

#: So many records are listed, and pieces of evidence of a kind, unless all are asked for.
_MOST = 12

_NAME = "A customer id, also a former one, or SERVICE/ENTITY"


def explain(
    name: Annotated[str, typer.Argument(metavar="ID|SERVICE/ENTITY", help=_NAME, show_default=False)],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    json: Annotated[bool, typer.Option("--json", help="Write it to standard output as JSON")] = False,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write it as a page that needs no network")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List all records and all pairs, where else the strongest are shown")
    ] = False,
) -> None:
    """Why records are one customer: their keys, links and weights in words, decisions, former ids.

    Of a customer of many records the strongest evidence is shown, and the rest counted. Shows values of the person, and
    so does the page, which only its owner may read: it is personal data.
    """
    found = explaining.explain(Lake(lake or CXProject.load(project).lake_root), Engine(), name)
    if page is not None:
        _write_page(page, render_page(found))
    if json:
        sys.stdout.write(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif page is not None:
        typer.echo(f"Wrote {page}: it holds values of the person, so delete it when it has served its purpose")
    else:
        _print(terminal(), found, math.inf if everything else _MOST)


def why_not(
    left: Annotated[str, typer.Argument(metavar="A", help=_NAME, show_default=False)],
    right: Annotated[str, typer.Argument(metavar="B", help=_NAME, show_default=False)],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    json: Annotated[bool, typer.Option("--json", help="Write it to standard output as JSON")] = False,
) -> None:
    """Why two records are not one customer: what was compared, what forbids it, and what would be needed.

    Shows values of the persons.
    """
    loaded = CXProject.load(project)
    found = find_why_not(Lake(lake or loaded.lake_root), Engine(), loaded.identity, left, right)
    if json:
        sys.stdout.write(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print_why_not(terminal(), found, Folders(project, lake))


def _write_page(path: Path, html: str) -> None:
    """Only the owner of the file may read it."""
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(html)
    except OSError as error:
        raise PermanentFailure(f"--page {path}: the page cannot be written there: {error.strerror}") from None


def _print(console: Console, found: Explanation, most: float) -> None:
    """At most so many records, and pieces of evidence of a kind; with no limit also scored pairs that nothing needs."""
    services = len({record.name.split("/")[0] for record in found.records})
    records = "1 record" if len(found.records) == 1 else f"{len(found.records)} records"
    console.print(f"[bold]Customer {found.customer_id}[/bold]", highlight=False)
    of = "1 service" if services == 1 else f"{services} services"
    console.print(f"  {records} of {of}, first seen {found.since:%Y-%m-%d}", highlight=False)
    for former in found.former_ids:
        console.print(f"  formerly also {former.customer_id}: {former.why} {former.since:%Y-%m-%d}", highlight=False)
    _section(console, "Records", _first([_record(record) for record in found.records], most))
    evidence = evidence_of(link for link in found.links if link.stands)
    uniting = [each for each in evidence if each.kind in ("exact", "model")]
    told = joining(uniting) if most < math.inf else uniting
    also = [each.first.weight for each in uniting if each not in told]
    _section(
        console,
        "What makes them one person",
        [*_first([_told(each, most) for each in told], most), *_say_so_too(also)],
    )
    against = [_told(each, most) for each in evidence if each.kind == "against"]
    _section(console, "What argues against it", _first(against, most))
    outside = evidence_of(link for link in found.outside if link.stands)
    decided = [_told(each, most) for each in (*evidence, *outside) if each.first.side == "decided"]
    _section(console, "Decisions of people", decided)
    near = [_told(each, most) for each in outside if each.first.side != "decided"]
    _section(console, "Others that were compared, and are other customers", _first(near, most))
    happened = [
        f"{each.at:%Y-%m-%d} {each.event}{f', {each.other}' if each.other else ''} (records: {each.records})"
        for each in found.history
    ]
    _section(console, "What happened to this customer", happened)
    gone = evidence_of(link for link in (*found.links, *found.outside) if not link.stands)
    _section(console, "What was taken back", _first([_told(each, most) for each in gone], most))


def _first(lines: list[str], most: float) -> list[str]:
    """The first lines, and how many more there are: one more than may be is shown, as saying so takes a line too."""
    if len(lines) <= most + 1:
        return lines
    shown_lines = lines[: int(most)]
    return [*shown_lines, f"and {len(lines) - len(shown_lines)} more, which --all lists"]


def _say_so_too(weights: list[float]) -> list[str]:
    if not weights:
        return []
    many = "1 more pair of them was" if len(weights) == 1 else f"{len(weights)} more pairs of them were"
    bits = " to ".join(dict.fromkeys(f"{weight:+.1f}" for weight in (max(weights), min(weights))))
    return [f"{many} scored, {bits} bits, which --all lists"]


def _section(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n[bold]{title}[/bold]")
        for line in lines:
            console.print(f"  {escape(harmless(line))}", highlight=False, soft_wrap=True)


def _record(record: Record) -> str:
    fields = ", ".join(shown(value) for value in dict.fromkeys(record.fields.values()))
    keys = ", ".join(f"{key.namespace} {shown(key.value)}" for key in record.keys)
    return f"{record.name} (since {record.since:%Y-%m-%d}): {'; '.join(part for part in (fields, keys) if part)}"


def _told(evidence: Evidence, most: float = math.inf) -> str:
    link = evidence.first
    said = evidence.says
    if link.side != "decided":
        said += f" ({link.weight:+.1f} bits: {link.odds})"
    until = "" if link.retracted_at is None else f" until {link.retracted_at:%Y-%m-%d}: {link.retracted_why}"
    names = evidence.records if len(evidence.records) <= most + 1 else evidence.records[: int(most)]
    more = "" if len(names) == len(evidence.records) else f" and {len(evidence.records) - len(names)} more"
    return f"{said}, since {link.since:%Y-%m-%d}{until}\n    {', '.join(names)}{more}"


def _print_why_not(console: Console, found: WhyNot, folders: Folders) -> None:
    if found.together:
        see = shlex.join(["cx", "identity", "explain", found.left, *folders.options])
        said = f"They are one customer, {found.left_customer}: see {see}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        return
    title = f"{found.left} is customer {found.left_customer}, {found.right} is {found.right_customer}"
    console.print(title, highlight=False, soft_wrap=True)
    console.print(fields_table(found.left, found.right, found.fields))
    _section(console, "What forbids that they are one person", list(found.vetoes))
    compared = evidence_of(link for link in found.links if link.stands and link.side != "decided")
    gone = evidence_of(link for link in found.links if not link.stands)
    _section(console, "What was compared", [_told(each) for each in compared])
    _section(console, "What was taken back", [_told(each) for each in gone])
    _section(console, "What does not link them", list(found.missing))
    decision = [] if found.to_decide is None else [deciding(*found.to_decide, "always", folders)]
    _section(console, "What would be needed", [*found.needed, *(f"  {command}" for command in decision)])


def deciding(left: str, right: str, decision: Verdict, folders: Folders) -> str:
    """The command that decides two records, to be pasted into a shell; the lake is no part of a decision."""
    told = ["cx", "identity", "decide", left, right, decision, "--by", "ROLE", "--why", "WHY"]
    return shlex.join([*told, "--project", str(folders.project)])


def fields_table(left: str, right: str, fields: Sequence[Compared]) -> Table:
    """Two sides field by field, and whether they agree."""
    table = Table("", escape(left), escape(right), "")
    verdicts = {True: "same", False: "different", None: "one side only"}
    for each in fields:
        sides = (escape(" | ".join(shown(value) for value in values)) for values in (each.left, each.right))
        table.add_row(each.field, *sides, verdicts[each.same])
    return table
