"""The fault matrix, where lists are not what they seem: filters, clocks, lists that move, caps, times, poison."""

import datetime as dt
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from matrix_site import (
    EVENT,
    NOW,
    Answer,
    Answering,
    Params,
    Row,
    company,
    cursor_pages,
    endpoint,
    epoch,
    failed,
    names,
    row,
    rows,
)

from cx_orchestration.integration.order import IdsAscend
from cx_orchestration.integration.settling import settling
from cx_orchestration.storage.lake import Lake

Handle = Callable[[Params, Any], Answering]


def well(listing: Callable[[Params], Answer]) -> Handle:
    return lambda params, _: listing(params)


# --- filters and clocks ---------------------------------------------------------------------------------------------


def test_a_filter_that_is_ignored_lands_no_other_days_and_is_counted(lake: Lake) -> None:
    with company(lake, well(cursor_pages(rows(1, 2, 3), heeds=False))) as site:
        landing = site.land(2)
    assert site.ids() == {2: names(2)}
    assert landing.outside == 10


def test_a_filter_by_whole_days_of_utc_gives_a_company_elsewhere_its_own_days(lake: Lake) -> None:
    """Kolkata's day begins at 18:30 of UTC: each of its days lies in two of the service's."""
    hourly = [row(f"{day}-{hour:02}", day, hour + 0.25) for day in (1, 2, 3, 4) for hour in range(24)]

    def handle(params: Params, _: Any) -> Answering:
        found = [each for each in hourly if params["since"] <= f"{utc(each):%Y-%m-%d}" <= params["until"]]
        return Answer({"data": found, "next": None})

    def utc(each: Row) -> dt.datetime:
        return dt.datetime.fromtimestamp(each["created"], dt.UTC)

    window = {"format": "date", "granularity": "day", "end": "inclusive", "max_days": 1}
    with company(lake, handle, zone="Asia/Kolkata", endpoint=endpoint(window=window)) as site:
        landing = site.land(2, 3)
    assert site.ids() == {
        day: [f"{day - 1}-{hour:02}" for hour in range(19, 24)] + [f"{day}-{hour:02}" for hour in range(19)]
        for day in (2, 3)
    }
    assert landing.outside == 2 * 24


def test_a_record_that_a_slow_clock_dates_back_lands_when_the_day_has_settled(lake: Lake) -> None:
    """The service's clock is five minutes behind: what it makes at 00:03 bears 23:58 of the day that is over."""
    there = rows(2)
    with company(lake, well(cursor_pages(there))) as site:
        site.land(2)
        early = dt.datetime(2024, 1, 3, 0, 1, tzinfo=dt.UTC)
        assert not settling(dt.date(2024, 1, 2), 1, ZoneInfo("UTC"), early)["settled"], "so it is read again"
        there.append(row("2late", 2, 23.97))
        site.land(2)
        assert settling(dt.date(2024, 1, 2), 1, ZoneInfo("UTC"), NOW)["settled"]
    assert site.ids() == {2: [*names(2), "2late"]}


def test_a_record_that_a_fast_clock_dates_ahead_lands_in_the_next_day_alone(lake: Lake) -> None:
    there = [*rows(2, 3), row("ahead", 3, 0.05)]  # made at 23:58 of the second
    with company(lake, well(cursor_pages(there))) as site:
        site.land(2)
        assert site.ids() == {2: names(2)}
        site.land(2, 3)
    assert site.ids() == {2: names(2), 3: [*names(3), "ahead"]}


def test_a_late_record_lands_in_its_own_day_when_that_is_read_again(lake: Lake) -> None:
    there = rows(1, 2, 3)
    with company(lake, well(cursor_pages(there))) as site:
        site.land(1, 3)
        there.append(row("1late", 1, 22))
        site.land(3)
        assert "1late" not in site.ids()[1]
        site.land(1, 3)
        site.map(1, 3)
    assert site.ids() == site.events() == {1: [*names(1), "1late"], 2: names(2), 3: names(3)}


# --- lists that move while they are paged ---------------------------------------------------------------------------

PAGES = {"type": "page_number"}
COUNTED = {"type": "page_number", "total_path": "total"}
OFFSET = {"type": "offset", "limit": 3, "total_path": "total"}


def moving(*states: list[Row]) -> Handle:
    """Three records a page by number or offset; each request finds the next state of the list, the last for ever."""
    left = list(states)

    def handle(params: Params, _: Any) -> Answering:
        there = left.pop(0) if len(left) > 1 else left[0]
        listed = [each for each in there if int(params["since"]) <= each["created"] < int(params["until"])]
        first = int(params["offset"]) if "offset" in params else 3 * (int(params["page"]) - 1)
        return Answer({"data": listed[first : first + 3], "total": len(listed)})

    return handle


NINE = rows(1, each=9)
REPLACED = [*NINE[1:], row("1z", 1, 20)]
MOVES: dict[str, tuple[list[list[Row]], list[str]]] = {
    "nothing moves": ([NINE], names(1, "abcdefghi")),
    "one that was read leaves": ([NINE, NINE[1:]], names(1, "abcdefghi")),
    "two leave, one after the other": ([NINE, NINE[1:], NINE[2:]], names(1, "abcdefghi")),
    "one comes in front": ([NINE, [row("1A", 1, 0.5), *NINE]], ["1A", *names(1, "abcdefghi")]),
    "one leaves, another comes": ([NINE, REPLACED], names(1, "abcdefghiz")),
}


@pytest.mark.parametrize("paginator", [PAGES, COUNTED, OFFSET], ids=["page_number", "counted", "offset"])
@pytest.mark.parametrize("what", MOVES)
def test_what_is_there_all_the_time_is_never_missed(what: str, paginator: dict[str, Any], lake: Lake) -> None:
    states, expected = MOVES[what]
    with company(lake, moving(*states), endpoint=endpoint(paginator=paginator)) as site:
        landing = site.land(1)
    assert failed(landing) == {}
    (found,) = site.ids().values()
    stays = {each["id"] for each in states[0] if all(each in state for state in states)}
    assert len(found) == len(set(found))
    if paginator is COUNTED and what == "one leaves, another comes":
        assert stays - set(found) == {"1d"}, "what the docs say that a number of records does not show"
    else:
        assert stays <= set(found) <= set(expected)


@pytest.mark.parametrize("paginator", [PAGES, COUNTED, OFFSET], ids=["page_number", "counted", "offset"])
def test_a_list_that_never_rests_is_asked_for_again_later(paginator: dict[str, Any], lake: Lake) -> None:
    restless = [[row(f"{n}-{m}", 1, m + 1) for m in range(9 + n % 2)] for n in range(40)]
    with company(lake, moving(*restless), endpoint=endpoint(paginator=paginator)) as site:
        landing = site.land(1)
    assert failed(landing) == {1: "later"}
    assert site.ids() == {}


def test_a_quiet_list_of_one_page_costs_nothing_more(lake: Lake) -> None:
    for paginator, requests in ((OFFSET, 1), (COUNTED, 1), ({**PAGES, "total_pages_path": "total"}, 1)):
        with company(lake, moving(rows(1, each=1)), endpoint=endpoint(paginator=paginator)) as site:
            assert site.land(1).requests == requests


# --- caps -----------------------------------------------------------------------------------------------------------


def capped(there: list[Row], cap: int, *, by_id: bool = False) -> Handle:
    """At most ``cap`` results, in the order of time or of ids, and no word that there are more."""

    def handle(params: Params, _: Any) -> Answering:
        since, until, after = int(params["since"]), int(params["until"]), params.get("above", "")
        found = [each for each in there if since <= each["created"] < until and each["id"] > after]
        found.sort(key=lambda each: each["id"] if by_id else each["created"])
        return Answer({"data": found[:cap], "next": None})

    return handle


BULK = [row(f"b{n:03}", 1, 12) for n in range(25)]


def test_more_than_the_cap_with_one_timestamp_land_by_their_ids(lake: Lake) -> None:
    declared = endpoint(
        params={**endpoint()["params"], "above": "{tie_break.id}"}, max_results_per_query=10, tie_break={"first": ""}
    )
    with company(lake, capped(BULK, 10, by_id=True), endpoint=declared) as site:
        assert failed(site.land(1)) == {}
    assert site.ids() == {1: [each["id"] for each in BULK]}


def test_a_tie_break_where_the_service_does_not_list_by_id_fails_instead_of_losing_what_lies_behind(lake: Lake) -> None:
    there = [row(f"b{n:03}", 1, 24 - n / 2) for n in range(25)]
    declared = endpoint(
        params={**endpoint()["params"], "above": "{tie_break.id}"}, max_results_per_query=10, tie_break={"first": ""}
    )
    with company(lake, capped(there, 10), endpoint=declared) as site:
        landing = site.land(1)
    assert failed(landing) == {1: "permanent"}
    assert "not listed by 'id' ascending" in str(landing.failures[min(landing.failures)])
    assert site.ids() == {}


@pytest.mark.parametrize(
    ("ids", "ascend"),
    [
        (["9", "10", "011"], True),
        (["10", "9"], False),
        (["001A", "0021", "00B"], True),
        (["b", "a"], False),
        ([2, 10], True),
        (["a", "a"], True),
        ([], True),
    ],
)
def test_ids_ascend_as_numbers_where_all_are_and_else_as_text(ids: list[Any], ascend: bool) -> None:
    check = IdsAscend("id", None, ValueError)
    with nullcontext() if ascend else pytest.raises(ValueError, match="not listed by 'id'"):
        check.check([{"id": one} for one in ids[:1]])
        check.check([{"id": one} for one in ids[1:]])


def test_more_than_the_cap_with_one_timestamp_fail_without_a_tie_break(lake: Lake) -> None:
    handle = capped([*BULK, *rows(2)], 10)
    with company(lake, handle, endpoint=endpoint(max_results_per_query=10)) as site:
        landing = site.land(1, 2)
    assert site.ids() == {2: names(2)}
    assert failed(landing) == {1: "permanent"}
    told = str(next(iter(landing.failures.values())))
    assert "10 records or more within 0:00:01, and" in told
    assert "declare a 'tie_break'" in told


def test_more_than_the_cap_at_one_microsecond_are_said_to_have_one_and_the_same_time(lake: Lake) -> None:
    seconds = capped(BULK, 10)

    def handle(params: Params, body: Any) -> Answering:
        bounds = {name: str(-(-int(params[name]) // 1_000_000)) for name in ("since", "until")}
        return seconds({**params, **bounds}, body)

    window = {"format": "epoch_us", "max_days": 1}
    with company(lake, handle, endpoint=endpoint(window=window, max_results_per_query=10)) as site:
        landing = site.land(1)
    assert failed(landing) == {1: "permanent"}
    assert "10 records or more with one and the same time, and" in str(next(iter(landing.failures.values())))


@pytest.mark.parametrize("order", [None, {"by": "created"}], ids=["by halves", "from the last"])
def test_a_window_with_more_than_the_cap_is_split(order: dict[str, str] | None, lake: Lake) -> None:
    there = [row(f"m{n:04}", 1, n / 60) for n in range(24 * 60)]
    with company(lake, capped(there, 100), endpoint=endpoint(max_results_per_query=100, order=order)) as site:
        landing = site.land(1)
    assert failed(landing) == {}
    assert site.ids() == {1: [each["id"] for each in there]}
    assert landing.requests == (31 if order is None else 15)


# --- times ----------------------------------------------------------------------------------------------------------


def test_a_null_time_of_change_gives_way_to_the_next_of_a_list(lake: Lake) -> None:
    there = [row("new", 1, 1, changed=None), row("changed", 1, 2, changed=epoch(2, 3))]
    times = {"coalesce": ["changed", "created"], "format": "epoch_s"}
    handle = well(lambda params: Answer({"data": there, "next": None}))
    with company(lake, handle, updated_at=times) as site:
        site.land(1, 2)
    assert site.ids() == {1: ["new"], 2: ["changed"]}


def test_a_record_without_any_time_lands_and_is_counted(lake: Lake) -> None:
    there = [row("good", 1), {**row("odd", 1), "created": None}]
    handle = well(lambda params: Answer({"data": there, "next": None}))
    with company(lake, handle) as site:
        landing = site.land(1)
        site.map(1)
    assert site.ids() == site.events() == {1: ["good", "odd"]}
    assert landing.without_time == 1


# --- poison ---------------------------------------------------------------------------------------------------------

#: What is odd about a record with a time, a customer and a plan, and the reason for which it is in quarantine.
POISON: dict[str, tuple[bytes, str | None]] = {
    "nul": (b'"customer":"a\\u0000b"', "a value contains the NUL character"),
    "surrogate": (b'"customer":"\\ud800"', "the payload is not JSON"),
    "nan": (b'"amount":NaN', "the amount cannot be read"),
    "date": (b'"made":"soon"', "the time cannot be read"),
    "amount": (b'"amount":"much"', "the amount cannot be read"),
    "nobody": (b'"customer":null', "the entity is missing"),
    "lacking": (b'"plan":null', "a required key is missing"),
    "empty": (b'"plan":""', "a required key is missing"),
    "type": (b'"made":{"at":1}', "the time cannot be read"),
    "deep": (b'"deep":' + b'{"a":' * 400 + b"1" + b"}" * 400, None),
}


def poisoned(name: str | None, odd: bytes) -> bytes:
    """A record with an odd part, which takes the place of what is usual there."""
    usual = {"created": epoch(1, 3), "made": epoch(1, 3), "customer": "c", "plan": "x"}
    replaced = odd.split(b":")[0].strip(b'"').decode()
    parts = [orjson.dumps({key: value})[1:-1] for key, value in usual.items() if key != replaced]
    return b"{" + b",".join([*([] if name is None else [b'"id":"%s"' % name.encode()]), *parts, odd]) + b"}"


def test_a_hundredth_of_poison_is_in_quarantine_and_the_rest_lands_once(lake: Lake) -> None:
    good = [row(f"g{n:03}", 1, n / 60, plan="x") for n in range(1000)]
    texts = [orjson.dumps(each) for each in good]
    bad = [poisoned(name, odd) for name, (odd, _) in POISON.items()]
    for place, text in enumerate([*bad, poisoned(None, b'"nameless":true'), b'["list"]']):
        texts.insert(place * 80, text)

    def handle(params: Params, _: Any) -> Answering:
        first = int(params.get("after", "0"))
        following = b'"%d"' % (first + 100) if first + 100 < len(texts) else b"null"
        page = b",".join(texts[first : first + 100])
        return Answer(b'{"data":[' + page + b'],"next":' + following + b"}")

    events = [{**EVENT, "amount": "amount", "currency": {"const": "EUR"}}]
    declared = endpoint(required_keys=["plan"])
    with company(lake, handle, endpoint=declared, events=events) as site:
        landing = site.land(1)
        mapped = site.map(1)
    assert failed(landing) == {}
    named = sorted([*(each["id"] for each in good), *POISON])
    landed = site.ids()[1]
    nameless = [name for name in landed if name.startswith("sha256:")]
    assert sorted(set(landed) - set(nameless)) == sorted(named) and len(landed) == len(named) + 2
    assert site.events() == {1: sorted([*(each["id"] for each in good), "deep"])}
    rejected = site.rejected()
    without_id = rejected.pop("the record id is missing")
    not_an_object = rejected.pop("the payload is not an object")
    assert sorted([*without_id, *not_an_object]) == sorted(nameless)
    expected: dict[str, list[str]] = {}
    for name, (_, reason) in POISON.items():
        if reason is not None:
            expected.setdefault(reason, []).append(name)
    assert rejected == {reason: sorted(found) for reason, found in sorted(expected.items())}
    assert mapped.unmapped == 0
