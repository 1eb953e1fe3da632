"""What ``cx loadtest`` shows of a load test.

Belongs here: words and tables on a terminal. Does not belong here: judging (``integration/loadtest/verdict.py``).
"""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cx_orchestration.integration.loadtest.verdict import LEAST_RECORDS, Load, Percentiles, Verdict

_SHOWN_COMMITS = 10
#: Of fewer records no percentiles are shown.
_TOO_FEW = 20


def announcement(load: Load) -> str:
    """What is about to be replayed, in one line."""
    return (
        f"Replaying {load.service}: {_records(load.peak_per_hour)} in the busiest hour ({load.peak_from}) times "
        f"{load.factor:,g} is {_rate(load.per_second)} a second, for {load.seconds:g} s ..."
    )


def print_verdict(verdict: Verdict, console: Console, *, falls_short: str) -> None:
    """Show a verdict on a terminal, and with it why the test does not count for the gate, if it does not."""
    figures = Table(box=None, pad_edge=False, show_header=False)
    for what, value in _figures(verdict):
        figures.add_row(what, value)
    console.print(figures)
    console.print()
    if verdict.offered >= _TOO_FEW:
        console.print(_times(verdict))
        console.print()
    waiting = Table("at second", "records waiting before the commit", "after it", box=None, pad_edge=False)
    for moment in verdict.backlog[:: -(-len(verdict.backlog) // _SHOWN_COMMITS) or 1]:
        waiting.add_row(f"{moment.second:.1f}", f"{moment.before:,}", f"{moment.after:,}")
    console.print(waiting)
    for note in verdict.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    if verdict.offered < LEAST_RECORDS:
        few = (
            "percentiles mean nothing, and none are shown" if verdict.offered < _TOO_FEW else "percentiles mean little"
        )
        console.print(f"note: of {_records(verdict.offered)} {few}; --factor or --seconds brings more", highlight=False)
    if not verdict.passed:
        console.print(f"[red]failed[/red]  {verdict.load.service}: {escape(verdict.why)}")
    elif falls_short:
        console.print(
            f"[yellow]passed, but does not count for load_tested[/yellow]: {falls_short}  {verdict.load.service}",
            highlight=False,
        )
    else:
        console.print(f"[green]passed[/green]  {verdict.load.service}")


def _times(verdict: Verdict) -> Table:
    times = Table("seconds", "p50", "p95", "p99", box=None, pad_edge=False)
    for what, each in (
        ("record arrived to event committed", verdict.latency),
        ("a batch: extraction and landing", verdict.landing),
        ("a batch: mapping", verdict.mapping),
    ):
        times.add_row(what, *_percentiles(each))
    return times


def _figures(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "records offered", f"{verdict.offered:,} ({_rate(verdict.offered_per_second)} a second)"
    yield "records committed", f"{verdict.committed:,} ({_rate(verdict.achieved_per_second)} a second)"
    yield "batches", f"{verdict.batches:,}; the pipeline worked {verdict.busy:.0%} of the time"
    yield "largest backlog", _records(verdict.max_backlog)
    yield "time to drain", f"{verdict.drain_seconds:.2f} s after the last arrival"
    yield "lost, doubled", f"{verdict.lost:,}, {verdict.doubled:,}"
    yield "attempts made again", f"{verdict.retried:,}"


def _records(number: float) -> str:
    return "1 record" if f"{number:,.0f}" == "1" else f"{number:,.0f} records"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def _percentiles(each: Percentiles | None) -> list[str]:
    return ["", "", ""] if each is None else [f"{value:.3f}" for value in (each.p50, each.p95, each.p99)]
