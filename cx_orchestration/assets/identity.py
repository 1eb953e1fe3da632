"""Phase 3, identity: which customers of which services are one person, and what is known of them (R3, R4)."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from cx_orchestration.assets.edge import NOTE, markdown_table, row_count, table_asset
from cx_orchestration.assets.identity_checks import (
    IDENTITY_CHECKS,
    KNOWN_RECORDS,
    decisions_check_result,
    identity_check_results,
)
from cx_orchestration.identity.clusters import Linkage
from cx_orchestration.identity.customers import EXPORTS, build_customers, export_documents
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.matching.nights import Matched, update_matches
from cx_orchestration.identity.overrides import of_no_effect, unknown_records, update_decisions
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.identity.publish_gate import NotPublished
from cx_orchestration.identity.publish_gate import gate as publish_gate
from cx_orchestration.identity.quality import identity_quality, keep_scorecard
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.identity.review import fill_queue
from cx_orchestration.identity.vetoes import unique_keys
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.model import tables
from cx_orchestration.model.identity import Matching
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

IDENTITY_MAP_KEY = dg.AssetKey(tables.IDENTITY_MAP.path.split("/"))

#: The check that stops a new identity map: its publish gate.
PUBLISHABLE = "may_be_published"


class Publishing(dg.Config):
    """``accept`` names the bounds of publish_gate that this one run need not keep, after somebody has looked."""

    accept: list[str] = []


@table_asset(
    tables.PROFILES, kinds={"duckdb", "deltalake"}, deps=[["integration", "customer_events"]], pool="customers"
)
def profiles(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """Every customer of every service with normalised identity keys."""
    # Before they are read: what lands meanwhile is for the next run.
    as_of = {"events": lake.state(tables.EVENTS) or ""}
    mapped = map_profiles(engine, lake, project.services)
    run_id = context.run.run_id
    update = update_profiles(lake, engine, mapped.profiles, mapped.keys, project.identity, note=as_of, run_id=run_id)
    dropped = markdown_table(update.dropped.to_pylist())
    return dg.MaterializeResult(
        metadata=row_count(update.profiles, changed=update.changed, gone=update.gone, keys_that_do_not_link=dropped)
    )


class MatchingRun(dg.Config):
    """What somebody asks of one run."""

    retrain: bool = Field(default=False, description="Train a new model on today's profiles, and go by it from now on")


@table_asset(
    tables.LINKS,
    kinds={"duckdb", "deltalake"},
    deps=[["identity", "profiles"]],
    pool="customers",
    check_specs=[KNOWN_RECORDS],
)
def links(
    context: dg.AssetExecutionContext,
    config: MatchingRun,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
    analytics: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """The ledger of links between records that are one person; entries are added, never changed."""
    now, run_id = dt.datetime.now(dt.UTC), context.run.run_id
    decided = update_decisions(lake, engine, project.overrides, now=now, run_id=run_id)
    unknown = unknown_records(lake, engine, project.overrides)
    change = update_links(lake, engine, project.identity, now=now, run_id=run_id)
    matched = update_matches(
        lake, engine, project.identity, comparing=analytics, retrain=config.retrain, now=now, run_id=run_id
    )
    decisions = {"decisions_made": decided.made, "decisions_retracted": decided.retracted}
    return dg.MaterializeResult(
        metadata=row_count(
            lake.rows(tables.LINKS),
            made=change.made,
            retracted=change.retracted,
            **decisions,
            **({NOTE: of_no_effect(unknown)} if unknown else {}),
            **_matching(matched, project.identity.matching),
        ),
        check_results=[decisions_check_result(unknown)],
    )


def _matching(matched: Matched, asked: Matching) -> dict[str, str | int | float]:
    """What the model did, for the run's page: numbers and names of fields."""
    facts: dict[str, str | int | float] = {
        "matching": matched.outcome,
        "model_pairs_made": matched.ledger.made,
        "model_pairs_retracted": matched.ledger.retracted,
    }
    if matched.outdated:
        facts["model_replaced"] = (
            f"model {matched.outdated} is of a release that compared records otherwise, so a new one was trained; "
            "pairs near the threshold stayed on their side (matching.margin_bits)"
        )
    if matched.model_version:
        facts |= {"model_version": matched.model_version, "pairs_compared": matched.compared}
        facts |= {"model_trained": str(matched.trained), "pairs_kept_by_margin": matched.kept_by_margin}
    if matched.drift:
        drift = {name: value for name, value in vars(matched.drift).items() if isinstance(value, float | str)}
        facts |= {f"drift_{name}": value for name, value in drift.items()}
        facts["train_again"] = str(matched.drift.is_large(asked.drift_warning))
    return facts


@table_asset(
    tables.IDENTITY_MAP,
    deps=[["identity", "links"]],
    pool="customers",
    check_specs=[
        dg.AssetCheckSpec(
            PUBLISHABLE,
            asset=["identity", "identity_map"],
            blocking=True,
            description="The new map is within the bounds of publish_gate; else the former one stays.",
        ),
        *IDENTITY_CHECKS,
    ],
)
def identity_map(
    context: dg.AssetExecutionContext,
    config: Publishing,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Who is who: the customer that each record belongs to, under an id that stays."""
    matching = project.identity.matching
    linkage = Linkage(threshold=matching.union_bits, absent=matching.absent_bits)
    gate = publish_gate(project.identity.publish_gate, config.accept)
    unique = unique_keys(lake, engine, project.identity)
    now, run_id = dt.datetime.now(dt.UTC), context.run.run_id
    try:
        change = resolve(lake, engine, linkage=linkage, unique=unique, gate=gate, now=now, run_id=run_id)
    except NotPublished as stopped:
        bounds = markdown_table([vars(breach) for breach in stopped.breaches])
        yield dg.AssetCheckResult(check_name=PUBLISHABLE, passed=False, metadata={"bounds": bounds})
        raise
    accepted = {"accepted": ", ".join(config.accept)}
    quality = identity_quality(lake, engine, project.identity)
    keep_scorecard(lake, quality, run_id=run_id)
    yield dg.MaterializeResult(
        metadata=row_count(
            int(quality.services["entities"].sum()),
            **vars(change),
            services=markdown_table(quality.services.to_dict("records")),
            scorecard=markdown_table(quality.scorecard.round(3).to_dict("records")),
            values_that_are_nobodys=markdown_table(quality.refused.to_dict("records")),
            **quality.numbers,
        ),
        check_results=[
            dg.AssetCheckResult(check_name=PUBLISHABLE, passed=True, metadata=accepted),
            *identity_check_results(quality, project.identity.alarms),
        ],
    )


@table_asset(
    tables.CUSTOMERS,
    kinds={"duckdb", "deltalake"},
    deps=[["identity", "identity_map"], ["integration", "customer_events"]],
    pool="customers",
)
def customers(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """One Customer document a person: identity, surviving profile and ordered events; also as files.

    `exports/customers.jsonl` in the lake's folder holds what the table's column `document` does, and
    `exports/customers.parquet` the table in one file.
    """
    built = build_customers(lake, engine, project.identity, now=dt.datetime.now(dt.UTC), run_id=context.run.run_id)
    facts = {name: count for name, count in vars(built).items() if name != "customers"}
    lines, parquet = export_documents(lake, engine, lake.root / EXPORTS)
    exported = {"documents": dg.MetadataValue.path(str(lines)), "parquet": dg.MetadataValue.path(str(parquet))}
    return dg.MaterializeResult(metadata=row_count(built.customers, **exported, **facts))


@table_asset(tables.REVIEW_QUEUE, kinds={"duckdb", "deltalake"}, deps=[["identity", "identity_map"]], pool="customers")
def review_queue(
    context: dg.AssetExecutionContext,
    project: dg.ResourceParam[CXProject],
    lake: dg.ResourceParam[Lake],
    engine: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """Scored pairs that are neither clear nor decided, the most valuable first: `cx identity review` shows them."""
    waiting = fill_queue(lake, engine, project.identity, run_id=context.run.run_id)
    return dg.MaterializeResult(metadata=row_count(waiting))


ASSETS = [profiles, links, identity_map, review_queue, customers]
