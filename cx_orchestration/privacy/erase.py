"""Erasing persons: tombstones first, then every table, its history, and the files beside the tables.

Belongs here: the order that makes a killed erasure harmless. Does not belong here: which rows are whose
(``judging.py``), what is known of a person (``person.py``).

The tombstones alone say what goes, so that an erasure that was killed is completed without knowing any more who it was
about: whatever they recognise is removed, by as many runs as it takes. From the first tombstone on nobody lands who
is erased; until the last file is gone nobody else commits (``storage.fence``).
"""

import datetime as dt
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from cx_orchestration.identity.customers import EXPORTS, export_documents
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.persons import NOBODY
from cx_orchestration.model.tables import CUSTOMER_ALIASES, IDENTITY_MAP, Table, table_at
from cx_orchestration.model.tombstones import Kind, Tombstones, digest, joined, number
from cx_orchestration.privacy.judging import TableJudge, names_somebody
from cx_orchestration.privacy.person import Person, graves_of
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.erasures import Erasures, Grave
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.orphans import SPILL
from cx_orchestration.storage.rewriting import Rewritten, judged, remove_history, rewrite

#: Why a former customer id leads to nobody.
ERASED = "erased"

#: Beside the tables: what may be a page or a list about persons.
_WRITTEN = {".html", ".htm", ".json", ".jsonl", ".csv", ".txt", ".md", ".svg"}


@dataclass
class Erased:
    """What an erasure removed: rows by table, and mentions in rows about others, which stay.

    ``files`` counts those of earlier versions; ``pages`` are files beside the tables that went as a whole.
    ``undeclared`` are landed tables whose service or stream the project does not declare any more: there a person is
    recognised by record ids and mentions alone.
    """

    removed: dict[str, int] = field(default_factory=dict)
    blotted: dict[str, int] = field(default_factory=dict)
    files: int = 0
    pages: list[str] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """Who has whom erased, in which role, and why; neither may name the person."""

    role: str
    reason: str


def erase_persons(
    lake: Lake,
    engine: Engine,
    erasures: Erasures,
    project: CXProject,
    persons: Iterable[Person],
    order: Order,
    *,
    now: dt.datetime,
) -> Erased:
    """Remove persons for good, and complete what an earlier erasure left undone; without persons only that, and
    whatever has come back since, as from a backup.

    Raises ``PermanentFailure`` when the order names the person, ``TransientFailure`` when the lake is held by others.
    """
    meant = list(persons)
    graves = {grave for person in meant for grave in graves_of(lake, engine, project, person)}
    _refuse_names(order, graves)
    _refuse_decisions(project, meant)
    personal_tables(lake)  # a table that nobody knows stops an erasure before it begins
    begin = partial(
        erasures.begin,
        graves,
        subjects=[person.subject for person in meant],
        notices=sorted({entity for person in meant for entity in person.entities}),
        role=order.role,
        reason=order.reason,
        environ=project.environ,
        now=now,
    )
    with lake.fence.erasing(now, begin) as erasure:
        tombstones = erasures.tombstones(project.environ)
        done = _remove(
            lake, engine, tombstones, project, run_id=f"erasure-{erasure}", tell=partial(_count, erasures, erasure)
        )
        erasures.finish(dt.datetime.now(dt.UTC))
    return done


def preview(lake: Lake, engine: Engine, project: CXProject, persons: Iterable[Person]) -> Erased:
    """What ``erase`` would remove; nothing is written."""
    graves = {grave for person in persons for grave in graves_of(lake, engine, project, person)}
    tombstones = tombstones_of(graves)
    done = Erased(undeclared=_undeclared(lake, project))
    for table in personal_tables(lake):
        judge = TableJudge(table, tombstones, project.services)
        _note(done, table, judged(lake, table, judge.columns, judge))
    return done


def refuse_the_unseen(
    lake: Lake, engine: Engine, erasures: Erasures, project: CXProject, persons: Sequence[Person], *, ahead: bool
) -> None:
    """Raises ``PermanentFailure`` for the first person of whom the lake holds nothing, unless that is meant: ``ahead``.

    Who was erased and has not come back is refused whatever is meant. Messages repeat no id, but the place in the list.
    """
    for place, person in enumerate(persons, start=1):
        if person.customer_id is not None:
            continue
        found = preview(lake, engine, project, [person])
        if found.removed or found.blotted:
            continue
        who = "that customer" if len(persons) == 1 else f"customer {place} of the {len(persons)} named"
        ((service, entity),) = person.entities
        tombstones = erasures.tombstones(project.environ, service=service)
        erased_at = tombstones.when(Kind.ENTITY, service, entity)
        if erased_at is not None and tombstones.lifted_at(service, entity) is None:
            day = dt.datetime.fromtimestamp(erased_at / 1e6, dt.UTC)
            raise PermanentFailure(f"{who} was erased on {day:%Y-%m-%d}, and nothing of them has come back")
        if not ahead:
            raise PermanentFailure(
                f"the lake holds nothing of {who}: give the id as it is in {service}, or, to keep out somebody who has "
                "not landed yet, say --ahead"
            )


def tombstones_of(graves: Iterable[Grave]) -> Tombstones:
    """Tombstones that are kept nowhere."""
    key = b"kept nowhere"
    return Tombstones(key, {number(digest(key, grave.kind, joined(*grave.parts))): 2**62 for grave in graves})


def personal_tables(lake: Lake) -> list[Table]:
    """The tables of the lake whose rows lead to persons: former customer ids first, which the map must still explain.

    Raises ``PermanentFailure`` for a table that is none of ours: whom it is about nobody knows.
    """
    found = []
    for path in lake.paths():
        try:
            found.append(table_at(path))
        except KeyError:
            raise PermanentFailure(
                f"{path} in the lake is no table of this version: whether it names the person cannot be told; take it "
                "out of the lake's folder"
            ) from None
    return sorted((table for table in found if table.persons != NOBODY), key=lambda table: not table.persons.stays)


def _remove(
    lake: Lake,
    engine: Engine,
    tombstones: Tombstones,
    project: CXProject,
    *,
    run_id: str,
    tell: Callable[[Table, Rewritten], None],
) -> Erased:
    done = Erased(undeclared=_undeclared(lake, project))
    for table in personal_tables(lake):
        if table.persons.stays:
            tell(table, _note(done, table, _retire(lake, tombstones, run_id=run_id)))
            continue
        judge = TableJudge(table, tombstones, project.services)
        tell(table, _note(done, table, rewrite(lake, table, judge.columns, judge, run_id=run_id)))
    if (exports := lake.root / EXPORTS).exists():
        shutil.rmtree(exports)
        export_documents(lake, engine, exports)
    done.pages = _remove_pages(lake, tombstones)
    done.files = sum(remove_history(lake, table) for table in personal_tables(lake))
    return done


def _retire(lake: Lake, tombstones: Tombstones, *, run_id: str) -> Rewritten:
    """Former ids of erased customers, and their present ones, lead to nobody: they stay, as no id is given twice.

    An id that somebody else bears in the map is no former one, whatever a run that was killed has written.
    """
    aliases = lake.read(CUSTOMER_ALIASES)
    living = set(lake.read(IDENTITY_MAP, columns=["customer_id"])["customer_id"].unique().to_pylist())
    known = living | {
        *aliases["old_customer_id"].unique().to_pylist(),
        *aliases["customer_id"].unique().to_pylist(),
    } - {None}
    erased = {each for each in known if tombstones.when(Kind.CUSTOMER, each) is not None}
    if not erased:
        return Rewritten()
    rows, now, changed = [], dt.datetime.now(dt.UTC), 0
    for row in aliases.to_pylist():
        is_former = row["old_customer_id"] in erased or row["old_customer_id"] not in living
        if row["why"] != ERASED and is_former and {row["old_customer_id"], row["customer_id"]} & erased:
            row |= {"customer_id": None, "why": ERASED, "since": now}
            changed += 1
        rows.append(row)
    fresh = sorted(erased - {row["old_customer_id"] for row in rows})
    rows += [{"old_customer_id": each, "customer_id": None, "why": ERASED, "since": now} for each in fresh]
    if changed or fresh:
        lake.replace(CUSTOMER_ALIASES, pa.Table.from_pylist(rows, schema=CUSTOMER_ALIASES.schema), run_id=run_id)
    return Rewritten(changed=changed + len(fresh))


def _remove_pages(lake: Lake, tombstones: Tombstones) -> list[str]:
    """Spilled queries, and every page or list beside the tables that names somebody erased; exports were made anew."""
    tables = [lake.root / path for path in (*lake.paths(), EXPORTS)]
    gone = []
    for path in sorted(lake.root.rglob("*")):
        if not path.is_file() or any(table in path.parents for table in tables):
            continue
        inside = path.relative_to(lake.root)
        unfinished = inside.parts[0] == SPILL or any(part.startswith(".unfinished-") for part in inside.parts)
        if unfinished or (path.suffix in _WRITTEN and names_somebody(tombstones, _text(path))):
            path.unlink()
            gone.append(inside.as_posix())
    return gone


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _undeclared(lake: Lake, project: CXProject) -> list[str]:
    landed = [path.split("/") for path in lake.paths() if path.startswith("landing/")]
    return [
        "/".join(parts)
        for parts in landed
        if parts[1] not in project.services or parts[2] not in project.services[parts[1]].streams
    ]


def _refuse_names(order: Order, graves: Iterable[Grave]) -> None:
    tombstones = tombstones_of(graves)
    words = [word.strip(".,;:()") for word in f"{order.role} {order.reason}".split()]
    telling = any(tombstones.when(kind, word.casefold()) for kind in (Kind.VALUE, Kind.BESIDE) for word in words)
    if telling or names_somebody(tombstones, f"{order.role} {order.reason}"):
        raise PermanentFailure(
            "--by or --reason names the person to be erased, and both are kept for ever; name the role and the request "
            "instead, such as the number of a ticket"
        )


def _refuse_decisions(project: CXProject, persons: Iterable[Person]) -> None:
    entities = {entity for person in persons for entity in person.entities}
    named = sum(not entities.isdisjoint(override.pair) for override in project.overrides)
    if named:
        raise PermanentFailure(
            f"{project.folder}/identity_overrides.yaml names the person in {named} of its decisions, from where the "
            "ledger would have them again; take these out of the file, and out of its history, then erase"
        )


def _note(done: Erased, table: Table, rewritten: Rewritten) -> Rewritten:
    if rewritten.removed:
        done.removed[table.path] = rewritten.removed
    if rewritten.changed:
        done.blotted[table.path] = rewritten.changed
    return rewritten


def _count(erasures: Erasures, erasure: str, table: Table, rewritten: Rewritten) -> None:
    if rewritten.removed or rewritten.changed:
        erasures.count(erasure, table.path, removed=rewritten.removed, blotted=rewritten.changed)


def entities_by_service(persons: Iterable[Person]) -> Mapping[str, int]:
    """How many entities of each service persons are made of."""
    services = [service for person in persons for service, _ in person.entities]
    return {service: services.count(service) for service in sorted(set(services))}
