"""How far the integration of every service of the inventory is, and what became of it over time (I3).

Belongs here: statuses, their history, what is left. Does not belong here: which days a service owes and which it has;
both are handed in. Pictures are in ``progress_report.py``.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.scoring import Disposition
from cx_orchestration.storage.lake import Lake

Status = Literal["inventoried", "scored", "decided", "integrating", "integrated", "closed", "retired"]

#: Every service goes this way; the last three are where integration ends: it is there, or people decided against it.
STATUSES: tuple[Status, ...] = ("inventoried", "scored", "decided", "integrating", "integrated", "closed", "retired")
DONE = ("integrated", "closed", "retired")

#: Decisions that leave a service alone, as far as its integration goes, and what it is from then on.
_LEFT_ALONE: Mapping[Disposition | None, Status] = {
    Disposition.KEEP: "closed",
    Disposition.CONSOLIDATE: "closed",
    Disposition.REPLACE: "closed",
    Disposition.RETIRE: "retired",
}

#: In the history alone: the inventory has the service no more.
REMOVED = "removed"


@dataclass(frozen=True)
class Standing:
    """What is known of one service of the inventory.

    ``disposition`` is the decided one, ``refusal`` says why it is not integrated (by decision or by the rollout) and is
    empty when it is. ``days_due`` are those it owes by now, ``days_done`` those of them that landed and were mapped,
    ``left_out`` the streams that the rollout leaves out.
    """

    rank: int
    service: str
    scored: bool
    disposition: Disposition | None
    refusal: str
    days_due: int
    days_done: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """The rows of ``integration/integration_progress`` and ``integration/progress_history`` as they are now."""

    rows: tuple[Mapping[str, Any], ...]
    history: tuple[Mapping[str, Any], ...]

    @property
    def services_left(self) -> int:
        """Services that are neither integrated nor, by decision, closed or retired."""
        return sum(row["status"] not in DONE for row in self.rows)

    @property
    def days_left(self) -> int:
        """Days that services owe and do not have."""
        return sum(row["days_due"] - row["days_done"] for row in self.rows)


def consumed_services() -> frozenset[str]:
    """The services whose events at least one subscriber consumes: none, as events are not delivered to anybody yet."""
    return frozenset()


def status_of(standing: Standing, consumed: Collection[str]) -> tuple[Status, str]:
    """The status of a service, and why it is not further."""
    missing = standing.days_due - standing.days_done
    if (left_alone := _LEFT_ALONE.get(standing.disposition)) is not None:
        return left_alone, standing.refusal
    if not standing.scored:
        return "inventoried", "It has no scores yet: they follow with the next run of the job catalog_and_scoring."
    if standing.disposition is None:
        return "scored", standing.refusal
    if standing.refusal:
        return "decided", standing.refusal
    if standing.days_done == 0:
        return "decided", "None of its days is due yet." if not missing else "None of its days is there yet."
    if missing:
        return "integrating", f"{missing} of its {standing.days_due} days are missing."
    if standing.service not in consumed:
        return "integrating", "All its days are there, but no subscriber consumes its events yet."
    return "integrated", "All its days are there, and its events are consumed."


def update_progress(
    lake: Lake, standings: Sequence[Standing], *, consumed: Collection[str], now: dt.datetime, run_id: str
) -> Progress:
    """Write what has changed to the history, then the progress of every service.

    The history grows by the services that are not as its newest row about them says, so a rerun adds nothing. ``since``
    is when the service came to the status that it has.
    """
    history = sorted(lake.read(tables.PROGRESS_HISTORY).to_pylist(), key=lambda row: row["changed_at"])
    current = [_row(standing, consumed) for standing in standings]
    changes = list(_changes(history, current, now))
    lake.append(tables.PROGRESS_HISTORY, pa.Table.from_pylist(changes, tables.PROGRESS_HISTORY.schema), run_id=run_id)
    history += changes
    ranks = {standing.service: standing.rank for standing in standings}
    rows = [{**row, "rank": ranks[row["service"]], "since": _since(history, row["service"])} for row in current]
    lake.replace(tables.PROGRESS, pa.Table.from_pylist(rows, tables.PROGRESS.schema), run_id=run_id)
    return Progress(tuple(rows), tuple(history))


def _row(standing: Standing, consumed: Collection[str]) -> dict[str, Any]:
    status, reason = status_of(standing, consumed)
    if standing.left_out and not standing.refusal:
        reason += f" The rollout leaves out {', '.join(standing.left_out)}."
    return {
        "service": standing.service,
        "status": status,
        "days_done": standing.days_done,
        "days_due": standing.days_due,
        "reason": reason,
    }


def _changes(
    history: Sequence[Mapping[str, Any]], current: Sequence[Mapping[str, Any]], now: dt.datetime
) -> list[dict[str, Any]]:
    newest = {row["service"]: row for row in history}
    known = {row["service"] for row in current}
    gone = {"status": REMOVED, "days_done": 0, "days_due": 0, "reason": "inventory.csv has it no more."}
    states = [*current, *({**gone, "service": service} for service in sorted(newest.keys() - known))]
    return [
        {**state, "changed_at": now}
        for state in states
        if state["service"] not in newest or any(newest[state["service"]][name] != state[name] for name in state)
    ]


def _since(history: Sequence[Mapping[str, Any]], service: str) -> dt.datetime:
    since: dt.datetime | None = None
    status = None
    for row in history:
        if row["service"] == service and row["status"] != status:
            since, status = row["changed_at"], row["status"]
    if since is None:
        raise ValueError(f"the history has no row about {service}")
    return since
