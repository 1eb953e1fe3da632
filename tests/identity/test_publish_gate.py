"""The publish gate: which map may take the place of the one that stands."""

import dataclasses

import dagster as dg
import pytest

from cx_orchestration.assets.identity import customers, identity_map
from cx_orchestration.identity.publish_gate import NotPublished, Proposal, find_breaches, gate
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import IdentityConfig, PublishGate
from cx_orchestration.model.tables import CUSTOMERS, IDENTITY_MAP
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template

QUIET = Proposal(
    records_before=20_000,
    customers_before=10_000,
    renumbered=100,
    merged=50,
    split=5,
    largest_cluster=40,
    new_records=2_000,
    candidates=9_000,
)


@pytest.mark.parametrize(
    ("bound", "change"),
    [
        ("largest_cluster", {"largest_cluster": 501}),
        ("churn", {"renumbered": 2_001}),
        ("merges", {"merged": 1_001}),
        ("splits", {"split": 501}),
        ("candidates", {"candidates": 400_001}),
    ],
)
def test_each_bound_stops_what_leaves_it_and_nothing_else(bound, change) -> None:
    assert find_breaches(QUIET, PublishGate()) == []
    loud = dataclasses.replace(QUIET, **change)
    assert [breach.bound for breach in find_breaches(loud, PublishGate())] == [bound]
    assert find_breaches(loud, PublishGate.model_validate({bound: None})) == []
    gate(PublishGate(), [bound])(loud)


def test_a_first_map_has_nothing_to_be_compared_with(company) -> None:
    first = dataclasses.replace(QUIET, records_before=0, customers_before=0, merged=0, renumbered=0)
    assert find_breaches(first, PublishGate(from_customers=1)) == []


def test_few_customers_are_no_measure_of_shares() -> None:
    small = dataclasses.replace(QUIET, customers_before=10, records_before=12, merged=5, new_records=3, candidates=999)
    assert find_breaches(small, PublishGate()) == []
    assert len(find_breaches(small, PublishGate(from_customers=3))) == 4


def test_what_is_told_names_bound_value_and_way_out() -> None:
    with pytest.raises(NotPublished) as caught:
        gate(PublishGate(), ["churn"])(dataclasses.replace(QUIET, merged=3_000, renumbered=9_000))
    assert "merges is 0.3, more than 0.1 (3,000 of 10,000 customers would be merged into others)" in str(caught.value)
    assert "cx identity publish --accept merges'" in str(caught.value)
    assert "churn" not in str(caught.value)


def test_a_bound_to_accept_that_there_is_not_is_refused() -> None:
    with pytest.raises(PermanentFailure, match="no bound 'merge'; there are largest_cluster, churn, merges"):
        gate(PublishGate(), ["merge"])


def test_a_map_that_is_stopped_is_not_written_and_what_depends_on_it_does_not_run(new_company, config, tmp_path):
    strict = config.model_dump() | {"publish_gate": {"from_customers": 1, "merges": 0.1, "churn": None}}
    company = new_company(IdentityConfig.model_validate(strict))
    write_template(tmp_path / "project")
    project = dataclasses.replace(CXProject.load(tmp_path / "project"), identity=company.config)

    def materialize(**run_config):
        resources = {"project": project, "lake": company.lake, "engine": company.engine}
        ops = {"ops": {"identity__identity_map": {"config": run_config}}}
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [identity_map, customers], resources=resources, instance=instance, run_config=ops, raise_on_error=False
            )

    apart = {f"crm/{n}": {"login": f"u{n}"} for n in range(4)}
    company.links(apart)
    assert materialize().success
    before = company.lake.version(IDENTITY_MAP), company.lake.version(CUSTOMERS)

    company.links(apart | {"shop/1": {"login": ["u0", "u1", "u2"]}})
    stopped = materialize()
    assert not stopped.success
    (failure,) = [event for event in stopped.all_events if event.is_step_failure]
    assert "merges is 0.5, more than 0.1" in failure.step_failure_data.user_failure_data.description
    (check,) = [each for each in stopped.get_asset_check_evaluations() if each.check_name == "may_be_published"]
    assert not check.passed
    assert stopped.get_asset_materialization_events() == []
    assert (company.lake.version(IDENTITY_MAP), company.lake.version(CUSTOMERS)) == before

    accepted = materialize(accept=["merges"])
    assert accepted.success
    assert company.lake.version(IDENTITY_MAP) > before[0]
    assert company.lake.version(CUSTOMERS) > before[1]
    assert materialize().success
