"""``cx identity review``: the pairs that people should look at, side by side, with the command that decides."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from cx_orchestration.commands.identity.explain import deciding, fields_table
from cx_orchestration.commands.options import LakeToRead, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.identity.review import OpenPair, open_pairs
from cx_orchestration.integration.failed import Folders
from cx_orchestration.model.identity_overrides import Verdict
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def review(
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    limit: Annotated[int, typer.Option(min=1, help="How many pairs")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Write them to standard output as JSON")] = False,
) -> None:
    """Show the pairs that people should look at, the most valuable first, and the command that decides each.

    Shows values of the persons. A decided pair leaves the queue with the next run of identity.
    """
    pairs = list(open_pairs(Lake(lake or CXProject.load(project).lake_root), Engine(), limit))
    if json:
        sys.stdout.write(orjson.dumps([asdict(pair) for pair in pairs], option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = terminal()
    for number, pair in enumerate(pairs, start=1):
        _print(console, number, pair, Folders(project, lake))
    if not pairs:
        console.print("Nobody has to look at anything: every scored pair is clear or decided.")


def _print(console: Console, number: int, pair: OpenPair, folders: Folders) -> None:
    now = "one customer now" if pair.together else "two customers now"
    console.print(f"[bold]{number}.[/bold] {now}; {pair.stake:,} records and events at stake", highlight=False)
    said = f"   {pair.says} ({pair.weight:+.1f} bits: {pair.odds})"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    if pair.forbidden_by:
        doubt = f"   {pair.forbidden_by} forbids it, and differs by a slip of the pen: is it one person's?"
        console.print(doubt, markup=False, highlight=False, soft_wrap=True)
    console.print(fields_table(pair.left, pair.right, pair.fields))
    decisions: tuple[Verdict, ...] = ("always", "never")
    for decision in decisions:
        command = deciding(pair.left, pair.right, decision, folders)
        console.print(f"   {command}", markup=False, highlight=False, soft_wrap=True)
    console.print()
