"""A day's number of records against the same weekdays before it."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cx_orchestration.integration.volume import judge_volumes
from cx_orchestration.model.quality import UsualVolume

RULE = UsualVolume()
MONDAY = dt.date(2026, 6, 1)


def mondays(*records: int) -> dict[dt.date, int]:
    """The newest Monday last."""
    return {MONDAY - dt.timedelta(weeks=back): count for back, count in enumerate(reversed(records))}


def verdict(records: dict[dt.date, int], *days: dt.date) -> list[tuple[dt.date, int]]:
    return [(each.day, each.records) for each in judge_volumes(records, days or (MONDAY,), RULE).unusual]


@pytest.mark.parametrize("records", [0, 100, 5_000])
def test_drops_and_surges_are_unusual(records: int) -> None:
    usual = [1_000, 1_050, 980, 1_010, 1_000, 990]
    assert verdict(mondays(*usual, records)) == [(MONDAY, records)]
    assert verdict(mondays(*usual, 1_100)) == []


def test_before_there_are_weeks_enough_nothing_is_said() -> None:
    volumes = judge_volumes(mondays(*[1_000] * 5, 0), [MONDAY], RULE)
    assert (volumes.judged, volumes.without_history, volumes.unusual) == (0, 1, ())


def test_other_weekdays_are_no_measure() -> None:
    weekend = {MONDAY - dt.timedelta(days=1, weeks=back): 10 for back in range(12)}
    assert verdict({**mondays(*[1_000] * 7), **weekend}) == []
    assert verdict({**mondays(*[1_000] * 7), **weekend}, MONDAY - dt.timedelta(days=1)) == []


def test_a_past_outage_does_not_widen_what_is_usual() -> None:
    assert verdict(mondays(1_000, 1_010, 0, 990, 0, 1_005, 995, 1_000, 0)) == [(MONDAY, 0)]


def test_few_records_are_not_judged_by_chance_alone() -> None:
    assert verdict(mondays(3, 1, 4, 2, 3, 2, 0)) == []
    assert verdict(mondays(3, 3, 3, 3, 3, 3, 4)) == []


def test_days_that_did_not_land_and_days_not_asked_for_are_not_judged() -> None:
    records = mondays(*[1_000] * 7, 0)
    del records[MONDAY]
    assert judge_volumes(records, [MONDAY], RULE).judged == 0
    assert verdict(mondays(*[1_000] * 6, 0, 1_000)) == []


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=30), st.integers(0, 10**7))
def test_what_comes_later_changes_no_verdict(history: list[int], later: int) -> None:
    records = mondays(*history)
    with_later = {**records, MONDAY + dt.timedelta(weeks=1): later}
    assert verdict(records) == verdict(with_later)


def test_a_history_that_can_never_be_reached_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing would ever be said"):
        UsualVolume(weeks=4, min_weeks=5)
