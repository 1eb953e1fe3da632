"""``cx demo``: what it holds against the truth, and when that is a failure."""

import dataclasses
import os
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.commands.company import DemoCompany
from cx_orchestration.commands.demo import Comparison, wrong_findings
from cx_orchestration.demo.causes import PLANTED
from cx_orchestration.demo.compare import compare_findings
from cx_orchestration.demo.traces import trace
from cx_orchestration.demo.truth import PlantedFinding, Truth
from cx_orchestration.identity.labels import Labels, evaluate

WHO = pd.DataFrame({"service": ["crm"], "entity": ["c1"], "person": [1], "customer_id": ["x"]})


def compared(*findings: tuple[str, str, str, str]) -> Comparison:
    truth = Truth(who=WHO[["service", "entity", "person"]], planted=PLANTED, people=1, seed=1, null=False)
    rows = pd.DataFrame(findings, columns=["analysis", "step", "segment", "segment_value"])
    keys = pd.DataFrame(columns=["service", "entity", "namespace", "value"])
    identity, traces = evaluate(WHO, Labels(who=truth.who)), trace(truth.who, keys, WHO)
    return Comparison(identity, traces, compare_findings(rows, truth))


def as_found(planted: PlantedFinding) -> tuple[str, str, str, str]:
    return planted.analysis, planted.step or "", planted.segment, planted.value


def test_nothing_is_wrong_when_every_planted_finding_is_found() -> None:
    assert wrong_findings(compared(*map(as_found, PLANTED))) == []


@pytest.mark.parametrize("missing", PLANTED, ids=lambda planted: planted.id)
def test_a_planted_finding_that_is_missed_is_wrong(missing: PlantedFinding) -> None:
    found = [as_found(planted) for planted in PLANTED if planted is not missing]
    assert wrong_findings(compared(*found)) == [f"missed {missing.analysis}: {missing.segment} = {missing.value}"]


def test_a_finding_that_nothing_planted_explains_is_wrong() -> None:
    chance = ("abandonment_hotspots", "registered", "shoe_size", "44")
    assert wrong_findings(compared(*map(as_found, PLANTED), chance)) == [
        "explained by nothing: abandonment_hotspots registered shoe_size 44"
    ]


def test_the_default_company_and_larger_ones_are_judged_and_smaller_ones_are_not() -> None:
    default = DemoCompany()
    assert default.is_judged
    assert dataclasses.replace(default, customers=default.customers + 1, days=default.days + 1).is_judged
    assert not dataclasses.replace(default, customers=default.customers - 1).is_judged
    assert not dataclasses.replace(default, days=default.days - 1).is_judged


def test_a_small_company_shows_what_is_missed_and_is_no_failure(tmp_path: Path) -> None:
    with mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["demo", "--customers", "50", "--days", "10", "--dir", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    assert f"Planted findings: 0 of {len(PLANTED)} found" in done.stdout
    assert done.stdout.count("missed") >= len(PLANTED)
    phases = ("Starting a company", "Landing and mapping", "Identity, journeys and exploration ...", "Integration plan")
    places = [done.stdout.index(phase) for phase in phases]
    assert places == sorted(places)
    assert "a company is too small to judge" in " ".join(done.stdout.split())
