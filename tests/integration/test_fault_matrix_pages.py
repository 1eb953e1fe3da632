"""The fault matrix, where pages are odd: lists in records, orders, signs of the end, ways on, duplicates, memory."""

import datetime as dt
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matrix_site import Answer, Answering, Params, Row, company, endpoint, epoch, failed, names, row, rows

from cx_orchestration.storage.lake import Lake

SINGLE = {"type": "single_page"}


def listing(there: list[Row]) -> Any:
    """A handler that lists what lies in the window, on one page."""

    def handle(params: Params, _: Any) -> Answering:
        since, until = int(params["since"]), int(params["until"])
        return Answer({"data": [each for each in there if since <= each["created"] < until]})

    return handle


def test_lists_inside_of_records_are_records_with_what_surrounds_them(lake: Lake) -> None:
    orders = [
        {"no": 7, "created": epoch(1), "lines": [{"sku": "x"}, {"sku": "y"}]},
        {"no": 8, "created": epoch(1), "lines": []},
        {"no": 9, "created": epoch(2), "lines": [{"sku": "x"}]},
    ]
    updated = {"path": "_parent.created", "format": "epoch_s"}
    declared = endpoint(window=None, params={}, paginator=SINGLE, data_selector="orders[*].lines")
    ids = {"concat": ["_parent.no", {"const": "-"}, "sku"]}
    with company(
        lake, lambda _, __: Answer({"orders": orders}), endpoint=declared, record_id=ids, updated_at=updated
    ) as site:
        site.land(1, 2)
    assert site.ids() == {1: ["7-x", "7-y"], 2: ["9-x"]}


def test_a_list_out_of_its_declared_order_fails_the_day_alone(lake: Lake) -> None:
    vendor = listing([*reversed(rows(1)), *rows(2)])
    with company(lake, vendor, endpoint=endpoint(paginator=SINGLE, order={"by": "created"})) as site:
        landing = site.land(1, 2)
    assert failed(landing) == {1: "permanent"}
    assert site.ids() == {2: names(2)}


@pytest.mark.parametrize("values", [[1, 2.5, 3], ["a", "b", "c"]])
def test_numbers_of_both_kinds_have_one_order(values: list[Any], lake: Lake) -> None:
    vendor = listing([row(str(value), 1, rank=value) for value in values])
    with company(lake, vendor, endpoint=endpoint(paginator=SINGLE, order={"by": "rank"})) as site:
        assert failed(site.land(1)) == {}


@pytest.mark.parametrize("values", [[1, "2"], [{}, {}], [True, False]])
def test_what_has_no_order_is_out_of_order(values: list[Any], lake: Lake) -> None:
    vendor = listing([row(str(place), 1, rank=value) for place, value in enumerate(values)])
    with company(lake, vendor, endpoint=endpoint(paginator=SINGLE, order={"by": "rank"})) as site:
        assert failed(site.land(1)) == {1: "permanent"}


def test_an_answer_that_is_not_whole_is_asked_for_again_later(lake: Lake) -> None:
    state = ["building"]
    declared = endpoint(paginator=SINGLE, complete_when={"path": "state", "equals": "done"})
    with company(lake, lambda _, __: Answer({"data": rows(1), "state": state[0]}), endpoint=declared) as site:
        assert failed(site.land(1)) == {1: "later"}
        assert site.ids() == {}
        state[0] = "done"
        site.land(1)
    assert site.ids() == {1: names(1)}


def test_an_absent_list_is_an_empty_day_only_where_the_answer_says_that_it_is_whole(lake: Lake) -> None:
    kind = ["report"]
    declared = endpoint(paginator=SINGLE, complete_when={"path": "kind", "equals": "report"}, absent_when_empty=True)
    with company(lake, lambda _, __: Answer({"kind": kind[0]}), endpoint=declared) as site:
        assert site.land(1).records == {dt.date(2024, 1, 1): 0}
        kind[0] = "error"
        assert failed(site.land(1)) == {1: "permanent"}


def pages_of(there: list[Row], asked: Any) -> tuple[list[Row], str | None]:
    first = int(asked or 0)
    return there[first : first + 2], str(first + 2) if first + 2 < len(there) else None


def by_header(params: Params, _: Any) -> Answering:
    found, following = pages_of(rows(1), params.get("at"))
    return Answer({"data": found}, headers={"X-Next": following} if following else {})


def by_address_in_header(params: Params, _: Any) -> Answering:
    found, following = pages_of(rows(1), params.get("at"))
    return Answer({"data": found}, headers={"X-Next": f"/charges?at={following}"} if following else {})


def by_last_id(params: Params, _: Any) -> Answering:
    return Answer({"data": [each for each in rows(1) if each["id"] > params.get("below", "")][:2]})


def by_body(_: Params, body: Any) -> Answering:
    found, following = pages_of(rows(1), body["page"].get("at"))
    assert body["since"] == epoch(1, 0), "the window stands in the JSON of every page, as a number"
    return Answer({"data": found, "next": following})


@pytest.mark.parametrize(
    ("handle", "changes"),
    [
        (by_header, {"paginator": {"type": "header_cursor", "cursor_header": "X-Next", "cursor_param": "at"}}),
        (by_address_in_header, {"paginator": {"type": "header_cursor", "cursor_header": "X-Next"}}),
        (by_last_id, {"paginator": {"type": "last_id", "cursor_param": "below", "has_more_path": None}}),
        (
            by_body,
            {
                "method": "POST",
                "params": {},
                "json": {"since": "{window.start}", "page": {"size": 2}},
                "paginator": {"type": "cursor", "cursor_path": "next", "cursor_body_path": "page.at"},
            },
        ),
    ],
    ids=["header", "address in a header", "last id", "body"],
)
def test_every_way_to_the_next_page_leads_to_the_end(handle: Any, changes: dict[str, Any], lake: Lake) -> None:
    with company(lake, handle, endpoint=endpoint(**changes)) as site:
        landing = site.land(1)
    assert failed(landing) == {}
    assert site.ids() == {1: names(1)}


def test_duplicates_across_pages_and_versions_within_a_day_are_one(lake: Lake) -> None:
    listed = [row("a", 1, 1, v=1), row("b", 1, 2, v=1), row("a", 1, 1, v=1), row("b", 1, 5, v=2), row("b", 1, 3, v=0)]

    def handle(params: Params, _: Any) -> Answering:
        found, following = pages_of(listed, params.get("after"))
        return Answer({"data": found, "next": following})

    with company(lake, handle) as site:
        site.land(1)
        site.map(1)
    assert site.ids() == site.events() == {1: ["a", "b"]}
    assert site.payloads()[1, "b"]["v"] == 2


# --- memory ---------------------------------------------------------------------------------------------------------

STAGING = """
import datetime as dt, resource, sys
from zoneinfo import ZoneInfo
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.staging import Staging
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import landed
from cx_orchestration.storage.lake import Lake

day, now = dt.date(2024, 1, 1), dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
lake, table = Lake(sys.argv[1]), landed("billing", "charges")
with Staging(lake, table, DayRange(day, day), ZoneInfo("UTC"), now=now, divisible=True) as staging:
    for page in range(3000):
        ids = (f"r{page * 100 + n:07}" for n in range(100))
        if page == 1000:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        staging.add([Record(i, 1704067200000000, '{"id":"' + i + '","text":"' + "x" * 300 + '"}') for i in ids])
    (rows, files), = staging.finish().values()
assert rows == 300_000, rows
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_staging_300_000_records_takes_a_fraction_of_their_size(tmp_path: Path) -> None:
    """The last 200,000 are 67 MB of text, and much more as objects; they take eight bytes each, and little else."""
    done = subprocess.run(
        [sys.executable, "-c", STAGING, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30)),
    )
    assert int(done.stdout) < 40, "MB that the last 200,000 take"
