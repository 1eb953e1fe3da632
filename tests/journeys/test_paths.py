"""Every compiled pass over paths against a slow and obvious one, whole and as the sum of buckets."""

from collections import Counter, defaultdict
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cx_orchestration.journeys.logs import order_log
from cx_orchestration.journeys.paths.follows import directly_follows
from cx_orchestration.journeys.paths.funnel import SEMANTICS, Funnel, count_funnel, progress
from cx_orchestration.journeys.paths.leaving import leaving
from cx_orchestration.journeys.paths.retention import retention
from cx_orchestration.journeys.paths.sessions import sessions
from cx_orchestration.journeys.paths.survival import time_to_reach
from cx_orchestration.journeys.paths.variants import add_variants, variants

KINDS = 4
AS_OF = 60
#: Each customer's events: kinds, and the gaps between them; few different times, so that many events share one.
LOGS = st.lists(
    st.lists(st.tuples(st.integers(0, KINDS - 1), st.sampled_from([0, 0, 1, 2, 5, 10, 11])), min_size=1, max_size=9),
    min_size=1,
    max_size=8,
)
slow = settings(max_examples=100, deadline=None)


def histories(log):
    """By customer, the events in order: kind and time."""
    found = []
    for customer in log:
        at, events = 0, []
        for kind, gap in customer:
            at += gap
            events.append((kind, at))
        found.append(events)
    return found


def arrays(customers):
    customer = np.repeat(np.arange(len(customers), dtype=np.int32), [len(events) for events in customers])
    kind = np.array([kind for events in customers for kind, _ in events], np.int32)
    return customer, kind, np.array([at for events in customers for _, at in events], np.int64)


def buckets(customers):
    """The same customers as one bucket, and as several."""
    return [[customers], [customers[:1], customers[1:3], customers[3:]]]


def in_parts(customers, compute, combine=lambda parts: reduce(add, parts)):
    """What comes out for one bucket and for several, which must be the same; given as the first of them."""
    return [combine([compute(*arrays(part)) for part in parts if part]) for parts in buckets(customers)]


@slow
@given(LOGS)
def test_follows_count_pairs_customers_and_durations(log):
    customers = histories(log)
    count, people, took = Counter(), defaultdict(set), Counter()
    for who, events in enumerate(customers):
        path = [(-1, events[0][1]), *events, (-1, events[-1][1])]
        for (source, before), (to, after) in pairwise(path):
            count[source, to] += 1
            people[source, to].add(who)
            took[source, to] += after - before
    for found in in_parts(customers, lambda *of: directly_follows(*of, KINDS)):
        for source in range(-1, KINDS):
            for to in range(-1, KINDS):
                assert found.count[source, to] == count[source, to]
                assert found.customers[source, to] == len(people[source, to])
                if count[source, to]:
                    mean = took[source, to] / count[source, to] / 1e6
                    assert found.mean_seconds[source, to] == pytest.approx(mean, abs=1e-12)
        assert np.nansum(found.share, axis=1) == pytest.approx((found.count.sum(axis=1) > 0).astype(float))


def test_durations_add_up_beyond_64_bits():
    century = 100 * 365 * 86_400_000_000
    customer = np.repeat(np.arange(5000, dtype=np.int32), 2)
    at = np.tile(np.array([-century, century], np.int64), 5000)
    one = directly_follows(customer, np.zeros(10_000, np.int32), at, 1)
    total = reduce(add, [one] * 10)
    assert int(total.count[0, 0]) * 2 * century > 2**63
    assert total.mean_seconds[0, 0] == pytest.approx(2 * century / 1e6)
    assert variants(customer, np.zeros(10_000, np.int32), at).mean_seconds.tolist() == [
        pytest.approx(2 * century / 1e6)
    ]


@slow
@given(LOGS, st.sampled_from([(1 << 63) - 1, 0, 1]))
def test_variants_are_whole_paths_even_when_their_hashes_collide(log, hash_mask):
    customers = histories(log)
    paths = Counter(tuple(kind for kind, _ in events) for events in customers)
    span = defaultdict(int)
    for events in customers:
        span[tuple(kind for kind, _ in events)] += events[-1][1] - events[0][1]
    # Names in another order than their codes: of equally frequent paths the names decide.
    names = [str((7 * code) % 11) for code in range(11)]
    expected = sorted(paths, key=lambda path: (-paths[path], len(path), [names[code] for code in path]))
    for found in in_parts(
        customers,
        lambda *of: variants(*of, hash_mask=hash_mask),
        add_variants,
    ):
        for most in (1, 3, 100):
            ranked = found.most_frequent(most, names)
            assert [tuple(found.path(one)) for one in ranked] == expected[:most]
        for one in ranked:
            path = tuple(found.path(one))
            assert (found.customers[one], found.length[one]) == (paths[path], len(path))
            assert found.mean_seconds[one] == pytest.approx(span[path] / paths[path] / 1e6, abs=1e-12)


def chain(events, steps, window, begin):
    """The row and the time of each step that an entry with the event at ``begin`` reaches, greedily."""
    found = [begin]
    for row in range(begin + 1, len(events)):
        kind, at = events[row]
        if len(found) < len(steps) and kind in steps[len(found)] and at - events[begin][1] <= window:
            found.append(row)
    return found


def slow_progress(events, steps, window, semantics):
    """Depth, row of the last step, time to each step, and until when the next may be reached."""
    entries = [row for row, (kind, _) in enumerate(events) if kind in steps[0]]
    if not entries:
        return None
    chains = [chain(events, steps, window, row) for row in (entries[:1] if semantics == "first_touch" else entries)]
    depth = max(map(len, chains))
    took, row = [-1] * len(steps), 0
    for step in range(depth):
        first = min((one[step], -one[0]) for one in chains if len(one) > step)
        row = first[0]
        took[step] = events[row][1] - events[-first[1]][1]
    latest = entries[0] if semantics == "first_touch" else entries[-1]
    return depth, row, took, events[latest][1] + window


STEPS = st.lists(st.frozensets(st.integers(0, KINDS - 1), min_size=1, max_size=2), min_size=1, max_size=4)


@pytest.mark.parametrize("semantics", SEMANTICS)
@slow
@given(LOGS, STEPS, st.sampled_from([0, 1, 10, 11, 1000]))
@example([[(0, 0), (1, 10), (2, 0)], [(0, 0), (1, 11)], [(0, 0), (0, 5), (1, 10), (2, 0)]], [{0}, {1}, {2}], 10)
@example([[(0, 0), (0, 0)], [(0, 0)]], [{0}, {0}], 0)
def test_funnels_come_as_far_as_their_semantics_says(semantics, log, steps, window):
    customers = histories(log)
    funnel = Funnel(tuple(map(frozenset, steps)), window, semantics)
    expected = {who: slow_progress(events, steps, window, semantics) for who, events in enumerate(customers)}
    expected = {who: found for who, found in expected.items() if found}
    starts = np.cumsum([0, *map(len, customers)])
    found = progress(*arrays(customers), KINDS, funnel)
    assert {
        who: (depth, row - starts[who], took, until)
        for who, depth, row, took, until in zip(*(array.tolist() for array in vars(found).values()), strict=True)
    } == expected

    for counts in in_parts(customers, lambda *of: count_funnel(*of, KINDS, funnel, as_of=AS_OF)[0]):
        following = Counter()
        for step in range(len(steps)):
            there = [(who, one) for who, one in expected.items() if one[0] > step]
            ended = [(who, one) for who, one in there if one[0] == step + 1 < len(steps)]
            dropped = [(who, one) for who, one in ended if one[3] < AS_OF]
            assert (counts.reached[step], counts.mature[step]) == (
                len(there),
                len([one for _, one in there if one[3] < AS_OF]),
            )
            assert (counts.dropped[step], counts.open[step]) == (len(dropped), len(ended) - len(dropped))
            if there:
                mean = np.mean([one[2][step] for _, one in there]) / 1e6
                assert counts.mean_seconds[step] == pytest.approx(mean, abs=1e-12)
            for who, one in dropped:
                after = customers[who][one[1] + 1 :]
                following[step, after[0][0] if after else KINDS] += 1
        assert {(s, k): n for (s, k), n in np.ndenumerate(counts.next_kind) if n} == following
        assert counts.reached[0] == counts.dropped.sum() + counts.open.sum() + counts.reached[-1]


@slow
@given(LOGS, st.sampled_from([0, 1, 5, 10]))
def test_sessions_end_where_the_gap_is_longer(log, gap):
    customers = histories(log)
    begun, single, events, took, ended = Counter(), Counter(), Counter(), Counter(), Counter()
    for history in customers:
        breaks = [0, *[n for n in range(1, len(history)) if history[n][1] - history[n - 1][1] > gap], len(history)]
        for low, high in pairwise(breaks):
            entry = history[low][0]
            begun[entry] += 1
            single[entry] += high - low == 1
            events[entry] += high - low
            took[entry] += history[high - 1][1] - history[low][1]
            ended[history[high - 1][0]] += 1
    for found in in_parts(customers, lambda *of: sessions(*of, KINDS, gap=gap)):
        for kind in range(KINDS):
            assert found.begun[kind] == begun[kind]
            assert (found.single[kind], found.events[kind], found.ended[kind]) == (
                single[kind],
                events[kind],
                ended[kind],
            )
            if begun[kind]:
                assert found.mean_seconds[kind] == pytest.approx(took[kind] / begun[kind] / 1e6, abs=1e-12)


@slow
@given(LOGS, st.lists(st.sampled_from([-1, 0, 1, 10, 30]), min_size=KINDS, max_size=KINDS))
def test_leaving_is_judged_by_each_codes_wait_and_open_is_censored(log, wait):
    customers = histories(log)
    visits, left, returned, still_open = (Counter() for _ in range(4))
    for events in customers:
        for (kind, at), following in zip(events, [*events[1:], None], strict=True):
            visits[kind] += 1
            if wait[kind] < 0:
                continue
            over = AS_OF - at > wait[kind]
            gone = over and (following is None or following[1] - at > wait[kind])
            left[kind] += gone
            returned[kind] += bool(gone and following)
            still_open[kind] += not over
    for found in in_parts(customers, lambda *of: leaving(*of, np.array(wait, np.int64), as_of=AS_OF)):
        for kind in range(KINDS):
            assert (found.visits[kind], found.left[kind], found.returned[kind], found.open[kind]) == (
                visits[kind],
                left[kind],
                returned[kind],
                still_open[kind],
            )


@slow
@given(LOGS, st.integers(1, 12), st.integers(-3, 9))
def test_retention_counts_only_periods_that_are_over(log, period, origin):
    customers, cohorts, as_of = histories(log), 5, 40
    people, observed, active = Counter(), Counter(), Counter()
    for events in customers:
        first = events[0][1]
        cohort = (first - origin) // period
        if not 0 <= cohort < cohorts or first >= as_of:
            continue
        people[cohort] += 1
        for age in range(cohorts):
            low, high = first + age * period, first + (age + 1) * period
            if high <= as_of:
                observed[cohort, age] += 1
                active[cohort, age] += any(low <= at < high for _, at in events)
    for found in in_parts(
        customers,
        lambda customer, _, at: retention(customer, at, origin=origin, period=period, cohorts=cohorts, as_of=as_of),
    ):
        assert dict(enumerate(found.customers.tolist())) == {c: people[c] for c in range(cohorts)}
        for cell in np.ndindex(cohorts, cohorts):
            assert (found.observed[cell], found.active[cell]) == (observed[cell], active[cell])


def test_time_to_a_milestone_takes_open_customers_for_censored():
    day = 86_400_000_000
    took = np.array([1, 2, -1, 3, -1, -1]) * day
    followed = np.array([9, 9, 2, 9, 5, 5]) * day
    found = {one.days: one for one in time_to_reach(took, followed, np.array([0.5, 1, 2, 3, 5, 30]))}
    # By hand: 1 of 6 on day 1; 1 of 5 on day 2, after which one is lost from sight; 1 of 3 on day 3.
    left = {0.5: 1, 1: 5 / 6, 2: 5 / 6 * 4 / 5, 3: 5 / 6 * 4 / 5 * 2 / 3, 5: 5 / 6 * 4 / 5 * 2 / 3}
    assert {days: one.share for days, one in found.items()} == pytest.approx({d: 1 - s for d, s in left.items()})
    assert [one.at_risk for one in found.values()] == [6, 5, 3, 2, 0]
    assert all(one.low <= one.share <= one.high for one in found.values())
    assert 0 < found[3].low < found[3].high < 1


def test_nobody_has_no_time_to_a_milestone():
    assert time_to_reach(np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([1.0])) == []


def test_a_funnel_of_one_customers_events_is_not_a_funnel_of_the_next_ones():
    for semantics in SEMANTICS:
        customers = [[(0, 1)], [(1, 2)]]
        counts, _ = count_funnel(
            *arrays(customers), KINDS, Funnel((frozenset({0}), frozenset({1})), 10, semantics), as_of=AS_OF
        )
        assert counts.reached.tolist() == [1, 0]


@slow
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.integers(0, 3)), max_size=90)
    | st.lists(st.tuples(st.just("x"), st.sampled_from("ab"), st.integers(0, 99)), min_size=66, max_size=90)
)
def test_a_log_in_any_order_comes_by_customer_time_and_id(events):
    ids = [f"{(n * 37) % 101:03}" for n in range(len(events))]
    rows = [
        {"customer_id": who, "type": kind, "occurred_at": at, "event_id": event_id}
        for (who, kind, at), event_id in zip(events, ids, strict=True)
    ]
    schema = [("customer_id", pa.string()), ("type", pa.string()), ("occurred_at", pa.timestamp("us", tz="UTC"))]
    log = order_log(pa.Table.from_pylist(rows, pa.schema(schema)), lambda: pa.chunked_array([pa.array(ids)]))
    met = {name: [*dict.fromkeys(row[name] for row in rows)] for name in ("customer_id", "type")}
    ordered = sorted(
        rows, key=lambda row: (met["customer_id"].index(row["customer_id"]), row["occurred_at"], row["event_id"])
    )
    assert log.customers.take(pa.array(log.customer)).to_pylist() == [row["customer_id"] for row in ordered]
    assert log.types.take(pa.array(log.kind)).to_pylist() == [row["type"] for row in ordered]
    assert log.at.tolist() == [row["occurred_at"] for row in ordered]
