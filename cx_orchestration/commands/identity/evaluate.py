"""``cx identity evaluate``: customers held against labels that say who is who."""

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cx_orchestration.commands.options import LakeToRead, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.identity.evaluation import Measure, Scores
from cx_orchestration.identity.labels import Evaluation, evaluate_lake, read_labels
from cx_orchestration.model.words import counted
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_MOST_ROWS = 20


def evaluate(
    labels: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV or Parquet: service, entity, person; or left_service, left_entity, right_service, right_entity, "
            "same.",
        ),
    ],
    project: ProjectFolder = Path(),
    lake: LakeToRead = None,
    json: Annotated[bool, typer.Option("--json", help="Write the result to standard output as JSON")] = False,
) -> None:
    """How right it is, by labels: precision, recall and F1 of pairs, whole customers and records, with 95% intervals.

    And what each threshold would do to the pairs that the model scored.
    """
    judged = read_labels(labels)
    result = evaluate_lake(Lake(lake or CXProject.load(project).lake_root), Engine(), judged)
    if json:
        sys.stdout.write(orjson.dumps(_as_json(result), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(terminal(), result)


def _measures(result: Evaluation) -> dict[str, Scores]:
    whole = result.whole
    more = {} if whole is None else {"clusters": whole.clusters, "b_cubed": whole.b_cubed}
    return {"pairs": result.pairs} | more


def _as_json(result: Evaluation) -> dict[str, Any]:
    counts = {name: getattr(result, name) for name in ("labelled", "absent", "unlabelled", "customers", "people")}
    scores = {name: asdict(scores) for name, scores in _measures(result).items()}
    return counts | scores | {"curve": result.curve.to_dict("records")}


def _print(console: Console, result: Evaluation) -> None:
    of = "pairs" if result.whole is None else "entities"
    console.print(f"{result.labelled:,} labelled {of} in {counted(result.customers, 'customer')}", end="")
    console.print(f" of {result.people:,} people" if result.people else "")
    if result.absent:
        console.print(f"  {_absent(result)}", soft_wrap=True)
    if result.unlabelled:
        console.print(f"  {result.unlabelled:,} further entities of the map have no label and are not judged")
    words = {"pairs": "pairs of records", "clusters": "whole customers", "b_cubed": "records (B-cubed)"}
    table = Table("", "precision", "recall", "F1")
    for name, scores in _measures(result).items():
        table.add_row(words[name], *(_shown(each) for each in (scores.precision, scores.recall, scores.f1)))
    console.print(table)
    if len(result.curve):
        console.print("Pairs that the model scored, by the weight from which they would count, each judged alone:")
        console.print(_curve(result))


def _absent(result: Evaluation) -> str:
    """What is said of labels of which the map knows nothing."""
    of_them = f"{result.absent:,} of them {'is' if result.absent == 1 else 'are'} not in the identity map"
    if result.whole is None:
        return f"{of_them} with both ends: not put together, which is a miss where the label says one person"
    return f"{of_them}: in no customer, which is a miss, and lowers recall"


def _shown(measure: Measure) -> str:
    if measure.judges_nothing:
        return "nothing to judge"
    return f"{measure.value:.4f} ({measure.low:.4f} to {measure.high:.4f})"


def _curve(result: Evaluation) -> Table:
    """The curve in at most ``_MOST_ROWS`` even steps; as JSON it is whole."""
    table = Table("from bits", "pairs", "right", "precision", "recall", "F1")
    even = result.curve.iloc[:: math.ceil(len(result.curve) / _MOST_ROWS)]
    for threshold, pairs, right, *shares in even.itertuples(index=False, name=None):
        table.add_row(f"{threshold:.0f}", f"{pairs:,}", f"{right:,}", *(f"{share:.4f}" for share in shares))
    return table
