"""The reviewed plan: proposals, what people decided about them, and the order of integration (S3, S4, S6).

Belongs here: decisions over proposals, the order key, who may be integrated. Does not belong here: scores and
proposals themselves.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure, ProjectError
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.scoring import Decision, Decisions, Disposition, ScoringConfig, Strategy
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.scoring.dispositions import Proposal, has_file_drop, is_inaccessible, propose
from cx_orchestration.scoring.scores import DECIMALS, score

Status = Literal["approved", "proposed", "undeclared", "later", "not_integrated"]

#: The order of the plan's three parts: what is integrated, what is integrated later, and what never is.
_PART = {Disposition.INTEGRATE: 0, Disposition.INTEGRATE_LATER: 1}


@dataclass(frozen=True)
class PlanRow:
    """One service in the order of the strategy.

    ``priority`` (0 to 100) is the order key, ``tie_break`` says what put the service behind the one before it where
    both have the same priority.
    """

    rank: int
    service: str
    disposition: Disposition
    decided_by: str | None
    decided_on: dt.date | None
    status: Status
    reason: str
    impact_score: float
    complexity_score: float
    tie_break: str
    priority: float


@dataclass(frozen=True)
class Plan:
    """What becomes of every service, and in which order.

    ``scores`` is what ``scores.score`` gave, ``names`` each service's name as people call it.
    """

    strategy: Strategy
    config: ScoringConfig
    scores: pd.DataFrame
    proposals: tuple[Proposal, ...]
    decisions: Mapping[str, Decision]
    names: Mapping[str, str]
    rows: tuple[PlanRow, ...]

    def approved(self) -> list[str]:
        """The services that may be integrated, in rank order."""
        return [row.service for row in self.rows if row.status == "approved"]

    def to_integrate(self) -> list[str]:
        """The services whose integration is decided, declared or not, in rank order."""
        return [row.service for row in self.rows if row.status in ("approved", "undeclared")]

    def refusal(self, service: str) -> str | None:
        """Why a service may not be integrated, and what to do; ``None`` when it may."""
        row = next((row for row in self.rows if row.service == service), None)
        if row is None:
            return f"{service} is not integrated: inventory.csv has no system of that name. Add its row, then decide."
        return None if row.status == "approved" else f"{service} is not integrated. {row.reason}"

    def service_scores(self) -> pd.DataFrame:
        """Rows of ``tables.SERVICE_SCORES``: scores, values and shares, with the proposed disposition and why."""
        proposals = pd.DataFrame(
            {
                "disposition": [proposal.disposition.value for proposal in self.proposals],
                "why": [proposal.why for proposal in self.proposals],
            },
            index=self.scores.index,
        )
        return pd.concat([self.scores, proposals], axis="columns")

    def disposition_plan(self) -> pd.DataFrame:
        """Rows of ``tables.DISPOSITION_PLAN``: what was proposed for each service, and what was decided."""
        records = []
        for proposal in self.proposals:
            decision = self.decisions.get(proposal.service)
            records.append(
                {
                    "service": proposal.service,
                    "proposed": proposal.disposition.value,
                    "disposition": (decision or proposal).disposition.value,
                    "decided_by": decision.decided_by if decision else None,
                    "role": decision.role if decision else None,
                    "decided_on": decision.decided_on if decision else None,
                    "reason": decision.reason if decision else proposal.why,
                    "status": "decided" if decision else "proposed",
                }
            )
        return pd.DataFrame.from_records(records, columns=tables.DISPOSITION_PLAN.schema.names)

    def integration_plan(self) -> pd.DataFrame:
        """Rows of ``tables.INTEGRATION_PLAN``, in rank order."""
        records = [{**asdict(row), "disposition": row.disposition.value} for row in self.rows]
        return pd.DataFrame.from_records(records, columns=tables.INTEGRATION_PLAN.schema.names)


def build_plan(
    rows: Sequence[InventoryRow],
    config: ScoringConfig,
    decisions: Decisions,
    declared: Mapping[str, ServiceDeclaration],
    strategy: Strategy,
) -> Plan:
    """Scores, proposes, applies the newest decision about each service, and orders.

    The order: first what is to be integrated (decided or, without a decision, proposed), then what is integrated later,
    then everything else. Within each part the key is ``priority = (impact + 100 - complexity) / 2``, so a point of
    impact weighs as much as a point of complexity:

    - highest impact and least complexity first: priority descending; equal ones by higher impact, then by more
      customers a year, then by name;
    - lowest impact and highest complexity first: priority ascending; equal ones by lower impact, then by fewer
      customers a year, then by name.

    Raises ``PermanentFailure`` when services cannot be scored, or for decisions that ``validate_decisions`` refuses
    whatever the day is.
    """
    if errors := _decision_errors(decisions, {row.service for row in rows}):
        raise PermanentFailure("decisions cannot be applied:\n" + "\n".join(f"  {error}" for error in errors))
    scores = score(rows, config)
    proposals = tuple(propose(rows, scores, config, declared))
    newest = {decision.service: decision for decision in sorted(decisions.decisions, key=lambda each: each.decided_on)}
    services: dict[str, list[InventoryRow]] = {}
    for row in rows:
        services.setdefault(row.service, []).append(row)
    candidates = [
        _candidate(
            proposal,
            newest.get(proposal.service),
            services[proposal.service],
            declared.get(proposal.service),
            impact=float(record["impact_score"]),
            complexity=float(record["complexity_score"]),
            customers=int(record["customers_per_year"]),
        )
        for proposal, record in zip(proposals, scores.to_dict("records"), strict=True)
    ]
    candidates.sort(key=lambda candidate: candidate.key(strategy))
    return Plan(
        strategy=strategy,
        config=config,
        scores=scores,
        proposals=proposals,
        decisions=newest,
        names={name: found[0].system for name, found in services.items()},
        rows=tuple(
            candidate.ranked(rank, candidates[rank - 2] if rank > 1 else None, strategy)
            for rank, candidate in enumerate(candidates, start=1)
        ),
    )


def validate_decisions(decisions: Decisions, rows: Iterable[InventoryRow], *, today: dt.date) -> list[ProjectError]:
    """Decisions about services that the inventory lacks, two of one day about one service, and dates after ``today``.

    Of several decisions about one service the one of the latest date counts.
    """
    errors = _decision_errors(decisions, {row.service for row in rows})
    for index, decision in enumerate(decisions.decisions):
        if decision.decided_on > today:
            expected = f"expected a day up to today, {today}: what nobody has decided yet is left out"
            errors.append(_error(index, "decided_on", str(decision.decided_on), expected))
    return errors


def _decision_errors(decisions: Decisions, services: set[str]) -> list[ProjectError]:
    errors = []
    seen: dict[tuple[str, dt.date], int] = {}
    for index, decision in enumerate(decisions.decisions):
        if decision.service not in services:
            known = ", ".join(sorted(services))
            errors.append(_error(index, "service", decision.service, f"expected a service of the inventory: {known}"))
        first = seen.setdefault((decision.service, decision.decided_on), index)
        if first != index:
            expected = (
                f"expected one decision a day about {decision.service}; decisions[{first}] has the same date, "
                "so neither is the newer: delete the one that does not hold"
            )
            errors.append(_error(index, "decided_on", str(decision.decided_on), expected))
    return errors


def _error(index: int, key: str, value: str, expected: str) -> ProjectError:
    return ProjectError("decisions.yaml", f"decisions[{index}].{key}", value, expected)


# --- status ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    """A service before it has a rank."""

    service: str
    disposition: Disposition
    decision: Decision | None
    status: Status
    reason: str
    impact: float
    complexity: float
    customers: int

    @property
    def part(self) -> int:
        return _PART.get(self.disposition, 2)

    @property
    def priority(self) -> float:
        return round((self.impact + 100 - self.complexity) / 2, DECIMALS)

    def key(self, strategy: Strategy) -> tuple[int, float, float, int, str]:
        sign = -1 if strategy == Strategy.HIGHEST_IMPACT_FIRST else 1
        return self.part, sign * self.priority, sign * self.impact, sign * self.customers, self.service

    def ranked(self, rank: int, before: "_Candidate | None", strategy: Strategy) -> PlanRow:
        return PlanRow(
            rank=rank,
            service=self.service,
            disposition=self.disposition,
            decided_by=self.decision.decided_by if self.decision else None,
            decided_on=self.decision.decided_on if self.decision else None,
            status=self.status,
            reason=self.reason,
            impact_score=self.impact,
            complexity_score=self.complexity,
            tie_break=self._tie_break(before, strategy) if before else "",
            priority=self.priority,
        )

    def _tie_break(self, before: "_Candidate", strategy: Strategy) -> str:
        if (before.part, before.priority) != (self.part, self.priority):
            return ""
        more, less = ("higher", "more") if strategy == Strategy.HIGHEST_IMPACT_FIRST else ("lower", "fewer")
        if before.impact != self.impact:
            by = f"which has the {more} impact"
        elif before.customers != self.customers:
            by = f"which has {less} customers a year"
        else:
            by = "by name, as all else is equal"
        return f"same priority {self.priority:g} as {before.service}, {by}"


def _candidate(
    proposal: Proposal,
    decision: Decision | None,
    rows: Sequence[InventoryRow],
    declaration: ServiceDeclaration | None,
    *,
    impact: float,
    complexity: float,
    customers: int,
) -> _Candidate:
    status, reason = _status(proposal, decision, rows, declaration)
    return _Candidate(
        service=proposal.service,
        disposition=(decision or proposal).disposition,
        decision=decision,
        status=status,
        reason=reason,
        impact=impact,
        complexity=complexity,
        customers=customers,
    )


def _status(
    proposal: Proposal,
    decision: Decision | None,
    rows: Sequence[InventoryRow],
    declaration: ServiceDeclaration | None,
) -> tuple[Status, str]:
    service = proposal.service
    if decision is None:
        return "proposed", (
            f"Proposed is {proposal.disposition}, and nobody has decided: not integrated until somebody decides; "
            f"add a decision about {service} to decisions.yaml."
        )
    decided = f"Decided on {decision.decided_on}: {decision.disposition}"
    if decision.disposition == Disposition.INTEGRATE_LATER:
        return "later", f"{decided}. A newer decision in decisions.yaml brings it forward."
    if decision.disposition != Disposition.INTEGRATE:
        return "not_integrated", f"{decided}. A newer decision in decisions.yaml would change that."
    if declaration is None:
        kind = " with kind: files, as the system is inaccessible" if is_inaccessible(rows) else ""
        return "undeclared", f"{decided}, but services/{service}.yaml is missing: declare the service{kind}."
    if is_inaccessible(rows) and not has_file_drop(declaration):
        return "undeclared", (
            f"{decided}, but inventory.csv calls the system Inaccessible and services/{service}.yaml is of kind "
            f"{declaration.kind}: declare a file drop (kind: files), or correct the inventory."
        )
    return "approved", f"{decided}, and declared in services/{service}.yaml."
