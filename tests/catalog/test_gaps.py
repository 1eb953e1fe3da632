"""What counts as a gap, on synthetic events and profiles."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from cx_orchestration.catalog.gaps import HOST_ATTRIBUTES, NAME_ATTRIBUTES, find_gaps
from cx_orchestration.model import tables
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Catalog
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

RowOf = Callable[..., InventoryRow]
DAY = dt.date(2026, 11, 1)


@pytest.fixture
def write_events(lake: Lake) -> Callable[..., None]:
    def write(service: str, *attributes: dict[str, Any] | None, first: int = 0) -> None:
        rows = [
            {
                "event_id": f"{service}-{n}",
                "type": "page.viewed",
                "service": service,
                "attributes": None if each is None else json.dumps(each),
                "day": DAY,
            }
            for n, each in enumerate(attributes, first)
        ]
        lake.replace(
            tables.EVENTS,
            pa.Table.from_pylist(rows, schema=tables.EVENTS.schema),
            where={"service": service, "day": DAY},
            run_id="r",
        )

    return write


def write_profiles(lake: Lake, service: str, *attributes: dict[str, Any]) -> None:
    rows = [{"service": service, "entity": f"c{n}", "attributes": json.dumps(a)} for n, a in enumerate(attributes)]
    lake.replace(tables.PROFILES, pa.Table.from_pylist(rows, schema=tables.PROFILES.schema), run_id="r")


def declaration(
    service: str, *, kind: str = "rest", keys: dict[str, str] | None = None, profile_keys: dict[str, str] | None = None
) -> ServiceDeclaration:
    stream: dict[str, Any] = {"record_id": "id", "updated_at": "at"}
    if keys is not None:
        stream["events"] = [{"type": "a.b", "occurred_at": "at", "channel": "web", "entity": "id", "keys": keys}]
    if profile_keys is not None:
        stream["profile"] = {"entity": "id", "keys": profile_keys}
    if kind == "files":
        stream["files"] = {"pattern": "*.csv", "format": "csv"}
        return ServiceDeclaration.model_validate({"service": service, "kind": kind, "streams": {"s": stream}})
    stream["endpoint"] = {"path": "/s", "data_selector": "$", "paginator": {"type": "single_page"}}
    return ServiceDeclaration.model_validate(
        {
            "service": service,
            "kind": kind,
            "client": {"base_url": "https://api.own-tool.example/v1"},
            "streams": {"s": stream},
        }
    )


@pytest.fixture
def gaps_of(lake: Lake, engine: Engine) -> Callable[..., list[tuple[str, str, int]]]:
    def gaps_of(
        rows: list[InventoryRow], declared: dict[str, ServiceDeclaration] | None = None, **more: Any
    ) -> list[tuple[str, str, int]]:
        options = {"approved": [], "least_seen": 1} | more
        found = find_gaps(rows, declared or {}, lake=lake, engine=engine, **options)
        return list(found[["kind", "subject", "seen"]].itertuples(index=False, name=None))

    return gaps_of


# --- systems seen in the data ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", HOST_ATTRIBUTES)
def test_the_host_of_an_address_is_evidence(write_events, gaps_of, row_of: RowOf, attribute: str) -> None:
    write_events("web", {attribute: "https://help.Acme.Intercom.io:443/a?email=x@y.z#top"})
    assert gaps_of([row_of("Web")]) == [("system_not_in_inventory", "intercom.io", 1)]


@pytest.mark.parametrize("attribute", NAME_ATTRIBUTES)
def test_a_name_is_evidence(write_events, gaps_of, row_of: RowOf, attribute: str) -> None:
    write_events("web", {attribute: " HubSpot "})
    assert gaps_of([row_of("Web")]) == [("system_not_in_inventory", "hubspot", 1)]


def test_other_attributes_are_never_searched(write_events, gaps_of, row_of: RowOf) -> None:
    write_events("web", {"comment": "hubspot", "note": "https://hubspot.com", "nested": {"source": "hubspot"}})
    assert gaps_of([row_of("Web")]) == []


def test_profile_fields_are_evidence_too(lake: Lake, gaps_of, row_of: RowOf) -> None:
    write_profiles(lake, "crm", {"lead_source": "HubSpot"}, {"lead_source": "hubspot"}, {"lead_source": None})
    assert gaps_of([row_of("CRM")]) == [("system_not_in_inventory", "hubspot", 2)]


def test_traces_add_up_over_services_and_the_most_seen_comes_first(lake, engine, write_events, row_of: RowOf) -> None:
    write_events("web", {"utm_source": "hubspot"}, {"referrer": "https://x.drift.com/"}, {"utm_source": "HubSpot"})
    write_events("crm", {"source": "hubspot.contact.created"})
    rows = [row_of("Web"), row_of("CRM")]
    found = find_gaps(rows, {}, approved=[], lake=lake, engine=engine, least_seen=1)
    assert found[["subject", "seen"]].values.tolist() == [["hubspot", 3], ["drift.com", 1]]
    assert found["detail"][0].startswith("Seen in 'source' of crm, 'utm_source' of web: add it to the inventory")


def test_an_event_reported_by_two_days_counts_once(lake: Lake, gaps_of, row_of: RowOf) -> None:
    rows = [
        {"event_id": "e1", "service": "web", "attributes": '{"source": "hubspot"}', "day": day}
        for day in (DAY, DAY + dt.timedelta(days=1))
    ]
    lake.replace(
        tables.EVENTS,
        pa.Table.from_pylist(rows, schema=tables.EVENTS.schema),
        where={"service": "web", "day": (DAY, DAY + dt.timedelta(days=1))},
        run_id="r",
    )
    assert gaps_of([row_of("Web")]) == [("system_not_in_inventory", "hubspot", 1)]


@pytest.mark.parametrize(
    ("system", "attributes"),
    [
        ("Zendesk Support", {"referrer": "https://acme.zendesk.com/hc"}),
        ("Zendesk Support", {"webhook": "zendesk.ticket.created"}),
        ("Google Analytics", {"referrer": "https://analytics.google.com/"}),
        ("Google Analytics", {"source": "Google Analytics 4"}),
        ("Google Analytics", {"source": "googleanalytics"}),
        ("Stripe", {"source": "stripe_connect"}),
        ("Mailchimp", {"utm_source": "mailchimp"}),
    ],
)
def test_a_system_of_the_inventory_is_recognised(
    write_events, gaps_of, row_of: RowOf, system: str, attributes: dict[str, str]
) -> None:
    write_events("web", attributes)
    assert gaps_of([row_of("Web"), row_of(system)]) == []


@pytest.mark.parametrize(
    ("attributes", "subject"),
    [
        ({"source": "google ads"}, "google ads"),
        ({"referrer": "https://support.acme.co.uk/"}, "acme.co.uk"),
    ],
)
def test_one_shared_word_does_not_hide_another_system(
    write_events, gaps_of, row_of: RowOf, attributes: dict[str, str], subject: str
) -> None:
    write_events("web", attributes)
    systems = [row_of("Web"), row_of("Google Analytics"), row_of("Zendesk Support")]
    assert gaps_of(systems) == [("system_not_in_inventory", subject, 1)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"utm_source": "newsletter"},
        {"source": "Walk-in"},
        {"source": ""},
        {"source": "eve.moss@mail.example"},
        {"source": "Called on +41 79 555 55 55 and asked for a refund of the second order"},
        {"source": "12345"},
        {"source": ["a", "b"]},
        {"referrer": "http://127.0.0.1:8080/x"},
        {"referrer": "localhost"},
        {"referrer": "not an address"},
        None,
    ],
)
def test_ways_people_and_noise_are_no_system(write_events, gaps_of, row_of: RowOf, attributes) -> None:
    write_events("web", attributes)
    assert gaps_of([row_of("Web")]) == []


def test_own_domains_ignored_names_and_declared_hosts_are_passed_over(write_events, gaps_of, row_of: RowOf) -> None:
    write_events(
        "web",
        {"referrer": "https://shop.northwind.example/a"},
        {"referrer": "https://duckduckgo.com/"},
        {"source": "Partner Desk"},
        {"webhook_url": "https://api.own-tool.example/hook"},
    )
    passed_over = Catalog(own_domains=["northwind.example"], ignore=["duckduckgo.com", "partner desk"])
    declared = {"web": declaration("web", keys={"email": "email"})}
    assert gaps_of([row_of("Web")], declared, passed_over=passed_over) == []
    assert [gap[1] for gap in gaps_of([row_of("Web")], declared)] == [
        "duckduckgo.com",
        "northwind.example",
        "partner desk",
    ]


def test_what_is_seen_once_or_twice_is_left_out(lake: Lake, engine: Engine, write_events, row_of: RowOf) -> None:
    write_events("web", *[{"source": "hubspot"}] * 5, *[{"source": "jane doe"}] * 4)
    found = find_gaps([row_of("Web")], {}, approved=[], lake=lake, engine=engine)
    assert found["subject"].tolist() == ["hubspot"]


# --- the project folder ---------------------------------------------------------------------------------------------


def test_a_service_none_of_whose_mappings_takes_a_key_is_named_with_its_events(
    write_events, gaps_of, row_of: RowOf
) -> None:
    write_events("survey", None, None, None)
    declared = {
        "survey": declaration("survey", keys={}),
        "web": declaration("web", keys={"cookie": "c"}),
        "crm": declaration("crm", profile_keys={"email": "e"}),
        "forum": declaration("forum", profile_keys={}),
    }
    rows = [row_of(name) for name in ("Survey", "Web", "CRM", "Forum")]
    assert gaps_of(rows, declared) == [("no_identity_key", "survey", 3), ("no_identity_key", "forum", 0)]


def test_an_inaccessible_service_is_stranded_until_a_file_drop_is_declared(gaps_of, row_of: RowOf) -> None:
    rows = [row_of("Call Log", integration_profile="Inaccessible")]
    assert gaps_of(rows) == [("stranded", "call_log", 0)]
    assert gaps_of(rows, {"call_log": declaration("call_log", keys={"phone": "p"})}) == [("stranded", "call_log", 0)]
    assert gaps_of(rows, {"call_log": declaration("call_log", kind="files", keys={"phone": "p"})}) == []


def test_an_approved_service_without_a_declaration_is_a_gap(gaps_of, row_of: RowOf) -> None:
    declared = {"web": declaration("web", keys={"email": "e"})}
    rows = [row_of("Web"), row_of("CRM")]
    assert gaps_of(rows, declared, approved=["crm", "web"]) == [("approved_not_declared", "crm", 0)]


def test_a_declared_service_that_the_inventory_lacks_is_a_gap(gaps_of) -> None:
    assert gaps_of([], {"web": declaration("web", keys={"email": "e"})}) == [("declared_not_in_inventory", "web", 0)]


def test_rows_fit_the_table_with_and_without_gaps(lake: Lake, engine: Engine, row_of: RowOf) -> None:
    for rows in ([row_of("A", integration_profile="Inaccessible")], [row_of("A")]):
        found = find_gaps(rows, {}, approved=[], lake=lake, engine=engine)
        lake.replace(tables.GAPS, pa.Table.from_pandas(found, preserve_index=False), run_id="r")
        assert lake.read(tables.GAPS).num_rows == len(found)
