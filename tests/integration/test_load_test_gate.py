"""Which load tests count for a service as it is declared now."""

import dataclasses
import datetime as dt

import pyarrow as pa
import pytest
from rehearsals import NOW, WINDOW, billing, charges, rehearsed, tampering

from cx_orchestration.integration.loadtest.gate import declaration_digest, falls_short, gate
from cx_orchestration.integration.loadtest.verdict import Verdict
from cx_orchestration.model import tables
from cx_orchestration.model.quality import Quality
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import LoadTest, Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

SETTINGS = Settings(
    name="x", start_date=dt.date(2026, 1, 1), busy_season_factor=2, load_test={"seconds": 3, "min_history_days": 1}
)


def kept(lake: Lake, verdict: Verdict) -> None:
    lake.append(tables.LOAD_TESTS, verdict.row(), run_id="t")


def test_a_service_passes_the_gate_with_a_passed_test_of_its_declaration_as_it_is_now(
    lake: Lake, engine: Engine
) -> None:
    declaration = billing(charges(**WINDOW))
    assert gate(lake, engine, declaration, SETTINGS).why == (
        "billing is not tested for the busy season: it has no load test yet; run 'cx loadtest billing'."
    )
    verdict = rehearsed(declaration, per_second=40, page_size=100)
    kept(lake, verdict)
    passed = gate(lake, engine, declaration, SETTINGS)
    assert (passed.passed, passed.why) == (True, "")
    assert passed.test is not None
    assert (passed.test["offered"], passed.test["latency_p99"]) == (120, verdict.latency and verdict.latency.p99)
    for changed in (
        (billing(charges(**WINDOW), rate={"per_second": 5}), SETTINGS),
        (billing(charges({"type": "last_id"}, **WINDOW)), SETTINGS),
        (declaration, SETTINGS.model_copy(update={"busy_season_factor": 3})),
        (declaration, SETTINGS.model_copy(update={"load_test": LoadTest(seconds=60)})),
    ):
        refused = gate(lake, engine, *changed)
        assert not refused.passed
        assert "its load test is of another declaration, of a smaller factor than" in refused.why


TOO_LITTLE = "factor 0.5 < 2, 50 of 100 records"
BELOW = "a busiest hour of 72000 < the 72001 of its history"


@pytest.mark.parametrize(
    ("seconds", "factor", "known", "why"),
    [
        (3, 2, 0, ""),
        (60, 5, 72_000, ""),
        (2.9, 2, 0, "2.9 s < 3 s"),
        (6, 1, 0, "factor 1 < 2"),
        (2.5, 0.5, 0, f"2.5 s < 3 s, {TOO_LITTLE.replace('50 of', '25 of')}"),
        (5, 0.5, 0, TOO_LITTLE),
        (3, 2, 72_001, BELOW),
    ],
)
def test_a_test_that_the_gate_will_not_count_is_known_by_its_load(
    lake: Lake, engine: Engine, seconds: float, factor: float, known: float, why: str
) -> None:
    declaration = billing(charges(**WINDOW))
    verdict = rehearsed(declaration, per_second=40, page_size=100)
    load = dataclasses.replace(verdict.load, seconds=seconds, factor=factor, known_per_hour=known)
    kept(lake, dataclasses.replace(verdict, load=load, offered=load.records))
    assert falls_short(load, SETTINGS) == why
    assert gate(lake, engine, declaration, SETTINGS).passed == (not why)


def test_the_newest_test_decides(lake: Lake, engine: Engine) -> None:
    declaration = billing(charges(**WINDOW))
    drop = tampering(lambda records: records[1:])
    kept(lake, rehearsed(declaration, per_second=40, page_size=100))
    lost = rehearsed(declaration, per_second=40, page_size=100, between=drop)
    later = lost.row().set_column(1, "tested_at", pa.array([NOW + dt.timedelta(hours=1)], tables.UTC_MICROSECONDS))
    lake.append(tables.LOAD_TESTS, later, run_id="t")
    assert gate(lake, engine, declaration, SETTINGS).why == (
        "billing is not fit for the busy season: the load test of 2026-11-02 01:00 UTC was not passed: "
        "3 records lost; mend that and run 'cx loadtest billing'."
    )


def test_words_about_a_service_and_defaults_written_out_need_no_new_test() -> None:
    plain = billing(charges(**WINDOW))
    described = plain.model_copy(
        update={
            "description": "Money",
            "owner": "team:money",
            "freshness_hours": 5,
            "quality": Quality(max_rejected_share=1),
        }
    )
    written_out = ServiceDeclaration.model_validate({**plain.model_dump(), "owner": "team:x"})
    assert declaration_digest(described) == declaration_digest(written_out) == declaration_digest(plain)
    assert declaration_digest(billing(charges())) != declaration_digest(plain)
