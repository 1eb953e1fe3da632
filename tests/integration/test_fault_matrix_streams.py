"""The fault matrix, where records go away, have no time, or have parents: exactly these ids, and no other."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matrix_site import (
    ENDPOINT,
    EVENT,
    NOW,
    Answer,
    Answering,
    Company,
    Params,
    Row,
    company,
    endpoint,
    epoch,
    failed,
    names,
    row,
    rows,
)

from cx_orchestration.integration.parents import land_after_parent
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Attempt, Registry

SINGLE = {"type": "single_page"}
#: Everything there is, on one page.
WHOLE = {"path": "/charges", "data_selector": "data", "paginator": SINGLE}


class Vendor:
    """A service whose records and deletions a test changes; the listing heeds a window where one is asked for."""

    def __init__(self, *there: Row) -> None:
        self.there = list(there)
        self.deletions: list[Row] = []

    def __call__(self, params: Params, _: Any) -> Answering:
        listed = self.deletions if params["path"] == "/deletions" else self.there
        since, until = int(params.get("since", 0)), int(params.get("until", 2**60))
        return Answer({"data": [each for each in listed if since <= each.get("created", 0) < until]})

    def remove(self, name: str) -> None:
        self.there = [each for each in self.there if each["id"] != name]

    def change(self, name: str, **values: Any) -> None:
        self.there = [{**each, **values} if each["id"] == name else each for each in self.there]


# --- deletions ------------------------------------------------------------------------------------------------------


def profiles(site: Company) -> set[str]:
    """The customers that a record describes."""
    found = map_profiles(Engine(), site.lake, {"billing": site.declaration}).profiles.to_pylist()
    return {each["entity"] for each in found if each["name"] is not None}


def test_a_flag_deletes_on_the_day_it_appears(lake: Lake) -> None:
    vendor = Vendor(*(row(name, 1, plan=name) for name in ("1a", "1b")))
    flag = {"type": "flag", "when": [{"path": "gone", "exists": True}]}
    profile = {"entity": "customer", "name": "plan"}
    with company(lake, vendor, endpoint=endpoint(paginator=SINGLE), tombstones=flag, profile=profile) as site:
        site.land(1)
        assert profiles(site) == {"of-1a", "of-1b"}
        vendor.change("1a", created=epoch(2), gone="yes")
        vendor.there.append(row("2a", 2))
        site.land(2)
        mapped = site.map(1, 2)
        assert profiles(site) == {"of-1b"}
    assert site.ids() == {1: ["1a", "1b"], 2: ["2a"]}
    assert site.ids(deleted=True) == {2: ["1a"]}
    assert site.events() == {1: ["1a", "1b"], 2: ["2a"]}
    assert (site.rejected(), mapped.unmapped) == ({}, 0)


def test_a_feed_deletes_and_an_entry_that_does_not_say_what_is_in_quarantine(lake: Lake) -> None:
    vendor = Vendor(*rows(1, 2, each=2))
    vendor.deletions = [{"of": "1a", "created": epoch(2, 20)}, {"created": epoch(2, 21)}]
    feed = {"type": "feed", "endpoint": {**ENDPOINT, "path": "/deletions", "paginator": SINGLE}, "record_id": "of"}
    feed["deleted_at"] = {"path": "created", "format": "epoch_s"}
    with company(lake, vendor, endpoint=endpoint(paginator=SINGLE), tombstones=feed) as site:
        site.land(1, 2)
        site.map(1, 2)
    assert site.ids() == site.events() == {1: ["1a", "1b"], 2: ["2a", "2b"]}
    assert len(site.ids(deleted=True)[2]) == 2
    assert [len(found) for found in site.rejected().values()] == [1]
    assert list(site.rejected()) == ["the record id is missing"]


@pytest.mark.parametrize("own", [True, False], ids=["its own listing", "an endpoint"])
def test_what_a_snapshot_lists_no_more_was_deleted_and_an_older_day_keeps_what_it_had(own: bool, lake: Lake) -> None:
    vendor = Vendor(*rows(1, each=3))
    snapshot: dict[str, Any] = {"type": "snapshot"} if own else {"type": "snapshot", "endpoint": WHOLE}
    declared = WHOLE if own else endpoint(paginator=SINGLE)
    with company(lake, vendor, endpoint=declared, tombstones=snapshot) as site:
        site.land(1)
        vendor.remove("1a")
        site.land(2)
        assert site.ids(deleted=True) == {2: ["1a"]}
        vendor.remove("1b")
        vendor.there += rows(3, each=1)
        site.land(3)
        gone = {2: ["1a"], 3: ["1b"]}
        assert site.ids(deleted=True) == gone
        site.land(2)
        assert site.ids(deleted=True) == gone, "a listing of now says nothing about an older day"
        site.land(3)
    assert site.ids() == {1: ["1a", "1b", "1c"], 3: ["3a"]}
    assert site.ids(deleted=True) == gone


def test_a_snapshot_that_moves_while_it_is_paged_deletes_nothing(lake: Lake) -> None:
    """A record of the first page goes between two requests, and the rest moves up."""
    there = rows(1, each=6)
    states = [there]

    def handle(params: Params, _: Any) -> Answering:
        now = states.pop(0) if len(states) > 1 else states[0]
        first = 2 * (int(params["page"]) - 1)
        return Answer({"data": now[first : first + 2]})

    declared = {**WHOLE, "paginator": {"type": "page_number"}}
    with company(lake, handle, endpoint=declared, tombstones={"type": "snapshot"}) as site:
        site.land(1)
        states[:] = [there, there[1:]]
        site.land(2)
        states[:] = [there[1:]]
        site.land(3)
    assert site.ids() == {1: names(1, "abcdef")}
    assert site.ids(deleted=True) == {3: ["1a"]}


# --- sweeps ---------------------------------------------------------------------------------------------------------


def test_a_sweep_lands_what_is_new_or_differs_and_an_older_day_keeps_what_it_had(lake: Lake) -> None:
    vendor = Vendor(*rows(1, each=3))
    with company(lake, vendor, endpoint=WHOLE, updated_at=None, sweep="hash") as site:
        site.land(1)
        assert site.ids() == {1: ["1a", "1b", "1c"]}
        site.land(1)
        assert site.ids() == {1: ["1a", "1b", "1c"]}
        assert site.land(2).records == {dt.date(2024, 1, 2): 0}
        vendor.change("1b", plan="new")
        vendor.there.append(row("3a", 3))
        site.land(3)
        expected = {1: ["1a", "1b", "1c"], 3: ["1b", "3a"]}
        assert site.ids() == expected
        site.land(3)
        assert site.ids() == expected
        landing = site.land(1, 2)
        assert landing.kept == [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
        assert landing.requests == 0
    assert site.ids() == expected


# --- parents --------------------------------------------------------------------------------------------------------

LINES = {
    "endpoint": {**WHOLE, "path": "/charges/{parent.id}/lines"},
    "updated_at": None,
    "parent": {
        "stream": "charges",
        "when": [{"path": "lines", "exists": True}],
        "gone": "skip",
        "include_from_parent": ["customer"],
    },
    "events": [{**EVENT, "entity": "_parent.customer"}],
}


def lines_vendor(params: Params, _: Any) -> Answering:
    charges = [row("1a", 1, lines=2), row("1b", 1, lines=1), row("1c", 1), row("2a", 2, lines=1)]
    if params["path"] == "/charges":
        since, until = int(params["since"]), int(params["until"])
        return Answer({"data": [each for each in charges if since <= each["created"] < until]})
    name = params["path"].split("/")[2]
    if name == "1b":
        return Answer({}, 404)
    return Answer({"data": [row(f"{name}-{n}", 9) for n in range(2 if name == "1a" else 1)]})


def test_children_land_in_their_parents_day_and_those_of_a_parent_that_is_gone_are_none(lake: Lake) -> None:
    streams = {"charges": {"endpoint": endpoint(paginator=SINGLE), "events": []}, "lines": LINES}
    with company(lake, lines_vendor, streams) as site:
        site.land(1, 2)
        landing = site.land(1, 2, "lines")
        site.map(1, 2)
    assert failed(landing) == {}
    assert site.ids("lines") == site.events() == {1: ["1a-0", "1a-1"], 2: ["2a-0"]}
    assert site.payloads("lines")[1, "1a-0"]["_parent"] == {"customer": "of-1a"}
    assert landing.requests == 3, "1c has no lines, and is not asked for"


def test_a_parent_that_is_gone_fails_its_day_where_that_is_declared(lake: Lake) -> None:
    lines = {**LINES, "parent": {**LINES["parent"], "gone": "fail"}}  # type: ignore[dict-item]
    with company(lake, lines_vendor, {"charges": {"endpoint": endpoint(paginator=SINGLE)}, "lines": lines}) as site:
        site.land(1, 2)
        landing = site.land(1, 2, "lines")
    assert failed(landing) == {1: "permanent"}
    assert site.ids("lines") == {2: ["2a-0"]}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(f"sqlite:///{tmp_path}/registry.db")
    yield found
    found.close()


def test_a_day_whose_parents_have_not_landed_fails_and_says_what_to_do(lake: Lake, registry: Registry) -> None:
    streams = {"charges": {"endpoint": endpoint(paginator=SINGLE)}, "lines": LINES}
    with company(lake, lines_vendor, streams) as site:
        site.land(1)
        registry.record([Attempt("billing", "charges", dt.date(2024, 1, 1), "run", NOW, "landed", 3)])
        days = DayRange(dt.date(2024, 1, 1), dt.date(2024, 1, 2))

        def ask(days: DayRange) -> Any:
            return site.land(days.first.day, days.last.day, "lines")

        landing = land_after_parent(registry, site.declaration, "lines", days, ask)
    assert site.ids("lines") == {1: ["1a-0", "1a-1"]}
    assert {day.day: str(failure) for day, failure in landing.failures.items()} == {
        2: "billing/lines: 2024-01-02 of its parent stream has not landed: materialize landing/billing/charges for "
        "that day first"
    }
