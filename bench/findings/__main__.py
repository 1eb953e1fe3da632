"""Explores companies with and without planted findings, and prints what was found, missed, and found without a cause.

make bench-findings    or    python -m bench.findings [--seeds 50] [--first 1000]

Recall of an analysis: the share of companies in which its planted finding is found. Precision: of all its findings, the
share that is the planted one or follows from a planted cause (``Consequence``). Null companies: the share with any
finding, with its Clopper-Pearson interval, beside the error rate that the project declares.
"""

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated

import pandas as pd
import typer
from statsmodels.stats.proportion import proportion_confint

from bench.findings.companies import ANALYSES, Explored, explore
from cx_orchestration.demo.causes import PLANTED
from cx_orchestration.demo.compare import compare_findings
from cx_orchestration.demo.truth import Truth

#: Both, of each analysis.
TARGET = 0.9
ERROR_RATE = 0.05


def main(
    seeds: Annotated[int, typer.Option(help="Companies with planted findings, and as many without")] = 50,
    first: Annotated[int, typer.Option(help="The first seed")] = 1000,
    customers: int = 5_000,
    days: int = 90,
    processes: int = 2,
) -> None:
    """Exits 1 when recall or precision is below its target, or null companies have more findings than chance allows."""
    wanted = [(seed, null) for null in (False, True) for seed in range(first, first + seeds)]
    explored = list(_explored(wanted, customers, days, processes))
    planted, null = ([one for one in explored if one.null is kind] for kind in (False, True))
    missed = _print_planted(planted)
    missed |= _print_null(null)
    cpu = pd.DataFrame([(one.prepared, one.explored) for one in explored], columns=["prepared", "explored"]).mean()
    print(f"\nCPU-seconds a company: up to the fold {cpu['prepared']:.1f}, exploration {cpu['explored']:.1f}")
    if missed:
        raise typer.Exit(1)


def _explored(wanted: list[tuple[int, bool]], customers: int, days: int, processes: int) -> Iterator[Explored]:
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(explore, seed, customers, days, null=null) for seed, null in wanted]
        for task in as_completed(tasks):
            one = task.result()
            found = int(one.rows["is_finding"].sum())
            print(
                f"seed {one.seed} {'null' if one.null else 'planted'}: {found} findings of {len(one.rows)} candidates",
                flush=True,
            )
            yield one


def _print_planted(companies: list[Explored]) -> bool:
    found, right, wrong = Counter[str](), Counter[str](), Counter[str]()
    causes = Counter[tuple[str, ...]]()
    for one in companies:
        compared = compare_findings(one.rows, _truth(one))
        found.update(planted.analysis for planted in compared.found)
        right.update(planted.analysis for planted in compared.found)
        for kind, rows in (("follows", compared.consequences), ("unplanted", compared.unplanted)):
            (right if kind == "follows" else wrong).update(rows["analysis"])
            causes.update((kind, *row) for row in rows.itertuples(index=False, name=None))
    print(f"\n{len(companies)} companies with planted findings\n")
    print("| analysis | recall | precision | found | follow from planted | without a cause |")
    print("|---|---:|---:|---:|---:|---:|")
    missed = False
    for name in ANALYSES:
        recall = found[name] / len(companies)
        precision = right[name] / (right[name] + wrong[name]) if right[name] + wrong[name] else 1.0
        missed |= min(recall, precision) < TARGET
        follow = right[name] - found[name]
        print(f"| {name} | {recall:.2f} | {precision:.3f} | {found[name]} | {follow} | {wrong[name]} |")
    _print_causes(causes)
    return missed


def _print_null(companies: list[Explored]) -> bool:
    with_any, causes = 0, Counter[tuple[str, ...]]()
    for one in companies:
        rows = compare_findings(one.rows, _truth(one)).unplanted
        with_any += len(rows) > 0
        causes.update(("null", *row) for row in rows.itertuples(index=False, name=None))
    low, high = proportion_confint(with_any, len(companies), method="beta")
    print(
        f"\n{len(companies)} null companies: {with_any} with any finding, {with_any / len(companies):.3f} "
        f"[{low:.3f}, {high:.3f}]; declared at most {ERROR_RATE}"
    )
    _print_causes(causes)
    return bool(low > ERROR_RATE)


def _print_causes(causes: Counter[tuple[str, ...]]) -> None:
    for (kind, analysis, step, segment, value), count in sorted(causes.items()):
        print(f"  {kind}: {analysis} {segment} = {value}{f' at {step}' if step else ''}: {count}")


def _truth(one: Explored) -> Truth:
    who = pd.DataFrame(columns=["service", "entity", "person"])
    return Truth(who=who, planted=() if one.null else PLANTED, people=0, seed=one.seed, null=one.null)


if __name__ == "__main__":
    typer.run(main)
