"""The checks of landing and events assets: what each is called, and what a result of the domain looks like in the UI.

Belongs here: specs and results. Does not belong here: judging; each result comes from a domain function. Metadata
carries names that people declared, counts, days and JSON paths, and no value of any record.

All of them are checks *in* their asset: a check that stands apart would be rerun alone after a failure, and the data
that it guards would not. A failed ``contract`` fails the asset's step itself, so nothing downstream runs on those days.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from cx_orchestration.assets.edge import markdown_table
from cx_orchestration.integration.landed_contract import Contract
from cx_orchestration.integration.loadtest.gate import Gate
from cx_orchestration.integration.rejections import Rejections, rejected_share
from cx_orchestration.integration.schema_drift import MOST_NAMES, Drift
from cx_orchestration.integration.volume import Volumes
from cx_orchestration.model.quality import Quality

WARN = dg.AssetCheckSeverity.WARN


def landing_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a landing asset: one that blocks, and two that warn."""
    return [
        dg.AssetCheckSpec(
            "contract",
            asset=key,
            blocking=True,
            description="The days hold what their readers rely on; else nothing maps them.",
        ),
        dg.AssetCheckSpec("volume", asset=key, description="Warns of days with unusually few or many records."),
        dg.AssetCheckSpec("schema_drift", asset=key, description="Warns of JSON paths that are new or missing."),
    ]


def events_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of an events asset: two that warn, and the one of the load test."""
    return [
        dg.AssetCheckSpec("rejected_share", asset=key, description="Warns of too many records that gave no event."),
        dg.AssetCheckSpec(
            "transition_metadata",
            asset=key,
            description="Warns of events without the metadata that the maps' transitions on them require.",
        ),
        dg.AssetCheckSpec(
            "load_tested", asset=key, description="Is the service tested for the busy season, as declared now?"
        ),
    ]


def nothing_judged(specs: Sequence[dg.AssetCheckSpec], why: str) -> Iterator[dg.AssetCheckResult]:
    """Results for a step that left its days alone: Dagster wants one of each check, and none has anything to object."""
    for spec in specs:
        yield dg.AssetCheckResult(
            check_name=spec.name, passed=True, severity=WARN, description=f"Skipped: {why}", metadata={"skipped": why}
        )


def contract_broken(key: dg.AssetKey, contract: Contract) -> dg.AssetCheckEvaluation:
    """The evaluation of a broken contract, to be told before the step fails for it."""
    broken = [{"day": str(day), "what is wrong": "; ".join(what)} for day, what in contract.broken.items()]
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name="contract",
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        blocking=True,
        metadata={"days": len(contract.days), "broken": markdown_table(broken)},
    )


def contract_kept(contract: Contract) -> dg.AssetCheckResult:
    """The result of a contract that every day keeps."""
    return dg.AssetCheckResult(
        check_name="contract",
        passed=True,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"days": len(contract.days), "payloads_for_quarantine": contract.not_json},
    )


def volume_result(volumes: Volumes) -> dg.AssetCheckResult:
    """The result of judging the days' numbers of records."""
    rows = [
        {
            "day": f"{each.day:%a} {each.day}",
            "records": each.records,
            "usual": f"{each.usual:g}",
            "expected": f"{each.low:.0f} to {each.high:.0f}",
            "days compared": each.weeks,
        }
        for each in volumes.unusual
    ]
    facts: dict[str, Any] = {"days_judged": volumes.judged, "days_without_history": volumes.without_history}
    if rows:
        facts["unusual"] = markdown_table(rows)
    return dg.AssetCheckResult(check_name="volume", passed=not rows, severity=WARN, metadata=facts)


def drift_result(drift: Drift) -> dg.AssetCheckResult:
    """The result of comparing the days' JSON paths with those before; at most so many names of each kind are shown."""
    facts: dict[str, Any] = {"sampled_records": drift.records, "sampled_before": drift.records_before}
    for name, paths in (("new_paths", drift.new), ("missing_paths", drift.missing)):
        if paths:
            more = f" and {len(paths) - MOST_NAMES} more" if len(paths) > MOST_NAMES else ""
            facts[name] = ", ".join(paths[:MOST_NAMES]) + more
    passed = not (drift.new or drift.missing)
    return dg.AssetCheckResult(check_name="schema_drift", passed=passed, severity=WARN, metadata=facts)


def rejected_result(
    rejections: list[Rejections], reasons: Mapping[str, int], unmapped: int, quality: Quality
) -> dg.AssetCheckResult:
    """The result of counting what went to quarantine, with the reasons."""
    share = rejected_share(rejections)
    streams = [vars(each) for each in rejections if each.rejected]
    return dg.AssetCheckResult(
        check_name="rejected_share",
        passed=share <= quality.max_rejected_share,
        severity=WARN,
        metadata={
            "share": share,
            "max_share": quality.max_rejected_share,
            "rejected": dict(reasons),
            "unmapped": unmapped,
            **({"streams": markdown_table(streams)} if streams else {}),
        },
    )


def metadata_result(carried: Sequence[Mapping[str, Any]], quality: Quality) -> dg.AssetCheckResult:
    """The result of looking for required metadata; ``carried`` are rows of ``event_metadata``."""
    lacking = [dict(row) for row in carried if row["share"] < quality.min_metadata_share]
    facts: dict[str, Any] = {"names_judged": len(carried), "min_share": quality.min_metadata_share}
    if lacking:
        facts["lacking"] = markdown_table(lacking)
    return dg.AssetCheckResult(check_name="transition_metadata", passed=not lacking, severity=WARN, metadata=facts)


def load_tested_result(found: Gate, *, required: bool) -> dg.AssetCheckResult:
    """The state of a service's load test; where one is required, no further day lands without it either."""
    return dg.AssetCheckResult(
        check_name="load_tested",
        passed=found.passed,
        severity=dg.AssetCheckSeverity.ERROR if required else WARN,
        description=found.why or None,
        metadata=found.figures,
    )
