import pytest

from cx_orchestration.identity.quality import identity_quality
from cx_orchestration.model.identity import SERVICE_IDS

ENTITIES = {
    "crm/1": {"email": "a@example.com", "account": "1"},
    "crm/2": {"email": "b@example.com"},
    "crm/3": {"phone": "212 555 0123"},
    "crm/4": {"email": "c@example.com"},
    "desk/1": {"email": "a@example.com"},
    "desk/2": {"email": "d@example.com", "phone": "212 555 0123"},
    "survey/1": {"card": "4242"},
    "survey/2": {},
}


@pytest.fixture
def quality(company):
    company.night(ENTITIES)
    return identity_quality(company.lake, company.engine, company.config)


def test_coverage_is_the_share_of_a_services_entities_that_have_the_key(quality) -> None:
    coverage = quality.scorecard.set_index(["service", "namespace"])["coverage"].to_dict()
    assert coverage["crm", "email"] == 0.75
    assert coverage["desk", "email"] == 1
    assert coverage["survey", "card"] == 0.5
    assert coverage["survey", "email"] == 0
    assert SERVICE_IDS not in set(quality.scorecard["namespace"])


def test_shared_is_the_share_whose_value_another_service_has_too(quality) -> None:
    shared = quality.scorecard.set_index(["service", "namespace"])["shared"].to_dict()
    assert (shared["crm", "email"], shared["desk", "email"]) == (0.25, 0.5)
    assert shared["crm", "phone"] == 0, "weak keys link nobody"


def test_a_service_that_no_other_shares_a_customer_with_is_a_silo(quality) -> None:
    shares = quality.services.set_index("service")["linked_share"].to_dict()
    assert shares == {"crm": 0.25, "desk": 0.5, "survey": 0}
    assert quality.silos == ["survey"]


def test_the_largest_cluster_and_refused_values_are_counted(company) -> None:
    shared = {f"crm/{n}": {"account": "A-1", "login": "jane"} for n in range(5)}
    company.night(shared | {"desk/1": {"account": "A-1"}})
    quality = identity_quality(company.lake, company.engine, company.config)
    assert quality.largest_cluster == 5
    assert quality.clusters.to_dict("records") == [{"entities": 1, "customers": 1}, {"entities": 5, "customers": 1}]
    assert quality.refused.to_dict("records") == [
        {"namespace": "account", "why": "shared by more than 3 entities", "values": 1, "most_entities": 6}
    ]
    assert quality.silos == ["crm", "desk"], "a refused value connects no service"


def test_links_inside_one_service_do_not_end_its_isolation(company) -> None:
    company.night({"crm/1": {"login": "u"}, "crm/2": {"login": "u"}, "desk/1": {"login": "v"}})
    quality = identity_quality(company.lake, company.engine, company.config)
    assert quality.silos == ["crm", "desk"]
    assert set(quality.scorecard["shared"]) == {0}


def test_an_only_service_is_no_silo(company) -> None:
    company.night({"crm/1": {"login": "u"}, "crm/2": {}})
    assert identity_quality(company.lake, company.engine, company.config).silos == []


def test_an_empty_company_has_empty_frames(company) -> None:
    company.night({})
    quality = identity_quality(company.lake, company.engine, company.config)
    assert (len(quality.scorecard), len(quality.services), len(quality.refused)) == (0, 0, 0)
    assert (quality.largest_cluster, quality.silos) == (0, [])
