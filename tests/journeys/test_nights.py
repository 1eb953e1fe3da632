"""A night writes only what changed, and leaves what writing everything anew would leave."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.journeys.nights import update_sequences
from cx_orchestration.journeys.reading import read_buckets
from cx_orchestration.journeys.sequences import build_sequences
from cx_orchestration.journeys.weeks import leaves_rows
from cx_orchestration.model import tables
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
ENTITIES = [f"x{n}" for n in range(6)]

#: What a landed day reports: number of the event, entity, type, and hours after the start.
REPORTS = st.tuples(
    st.integers(0, 14),
    st.sampled_from([*ENTITIES, None]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([0, 1, 5, 200, 200, 900, 1500, -5]),
)
#: A night: the days that are landed anew, whole, and who is who from then on.
NIGHTS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 3), st.lists(REPORTS, max_size=6, unique_by=lambda one: one[0]), max_size=2),
        st.dictionaries(st.sampled_from(ENTITIES), st.sampled_from(["ann", "bob", "cay"]), max_size=6),
    ),
    min_size=2,
    max_size=4,
)


def land(lake, day, reports):
    rows = []
    for number, entity, kind, hours in reports:
        row = dict.fromkeys(tables.EVENTS.schema.names)
        row |= {"event_id": f"e{number:02}", "type": kind, "occurred_at": START + dt.timedelta(hours=hours)}
        row |= {"service": "shop", "stream": "s", "record_id": f"r{number}", "entity": entity}
        rows.append(row | {"day": START.date() + dt.timedelta(days=day)})
    where = {"service": "shop", "day": START.date() + dt.timedelta(days=day)}
    lake.replace(tables.EVENTS, pa.Table.from_pylist(rows, tables.EVENTS.schema), where=where, run_id="r")


def identify(lake, known):
    rows = [{"service": "shop", "entity": e, "customer_id": c, "since": START} for e, c in known.items()]
    lake.replace(tables.IDENTITY_MAP, pa.Table.from_pylist(rows, tables.IDENTITY_MAP.schema), run_id="r")


def read(lake):
    """Everything that a reader in total order sees."""
    columns = [name for name in tables.SEQUENCES.schema.names if name not in tables.SEQUENCES.partition_by]
    return [(one.number, one.customer.tolist(), one.more.to_pylist()) for one in read_buckets(lake, columns)]


@settings(max_examples=6, deadline=None)
@given(NIGHTS)
def test_nights_leave_what_writing_everything_anew_leaves(tmp_path_factory, night):
    check_nights(Lake(tmp_path_factory.mktemp("nights")), night)


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(NIGHTS)
def test_many_nights_leave_what_writing_everything_anew_leaves(tmp_path_factory, night):
    check_nights(Lake(tmp_path_factory.mktemp("nights")), night)


def check_nights(lake, night):
    engine = Engine()
    for number, (days, known) in enumerate(night):
        for day, reports in days.items():
            land(lake, day, reports)
        identify(lake, known)
        if number == 0:
            build_sequences(lake, engine, buckets=3, run_id="r")
        else:
            counts = update_sequences(lake, engine, most_changed=9, run_id="r")
    kept, content = read(lake), lake.content_hash(tables.SEQUENCES)
    again = build_sequences(lake, engine, buckets=3, run_id="r")
    assert (counts, kept, content) == (again, read(lake), lake.content_hash(tables.SEQUENCES))


def company(lake, engine):
    """Sixty events of six customers over ten weeks, written."""
    for day in range(3):
        land(lake, day, [(n, ENTITIES[n % 6], "a", n * 28) for n in range(day * 20, day * 20 + 20)])
    identify(lake, {entity: f"c{entity}" for entity in ENTITIES})
    build_sequences(lake, engine, run_id="full")


def written(lake, before):
    """The buckets and weeks whose files are not those of before."""
    return {file.partition for file in lake.live_files(tables.SEQUENCES) if file.path not in before}


def test_a_new_day_touches_only_the_weeks_of_its_events(lake, engine):
    company(lake, engine)
    before = {file.path for file in lake.live_files(tables.SEQUENCES)}
    land(lake, 3, [(90, "x1", "b", 28 * 59 + 1), (91, None, "b", 3)])
    counts = update_sequences(lake, engine, run_id="night")
    assert len(written(lake, before)) == 1 < len(before)
    assert (counts.reported, counts.sequenced, counts.unresolved) == (62, 61, {"shop": 1})


def test_a_late_report_of_an_old_event_touches_where_it_was_and_where_it_is(lake, engine):
    company(lake, engine)
    before = {file.path for file in lake.live_files(tables.SEQUENCES)}
    land(lake, 3, [(0, "x0", "a", 28 * 40)])
    counts = update_sequences(lake, engine, run_id="night")
    assert len(written(lake, before)) == 2
    assert (counts.reported, counts.repeated, counts.sequenced) == (61, 1, 60)


def test_a_day_landed_again_as_it_was_writes_no_row_but_what_they_are_made_of(lake, engine):
    company(lake, engine)
    before = lake.live_files(tables.SEQUENCES)
    land(lake, 1, [(n, ENTITIES[n % 6], "a", n * 28) for n in range(20, 40)])
    update_sequences(lake, engine, run_id="night")
    assert lake.live_files(tables.SEQUENCES) == before
    assert lake.note(tables.SEQUENCES)["events"] == lake.state(tables.EVENTS)
    version = lake.version(tables.SEQUENCES)
    update_sequences(lake, engine, run_id="night")
    assert lake.version(tables.SEQUENCES) == version


def test_what_cannot_be_compared_is_written_anew(lake, engine):
    company(lake, engine)
    for file in lake.folder_of(tables.EVENTS).rglob("*.parquet"):
        if "day=2026-03-02" in str(file):
            file.unlink()
    land(lake, 0, [(70, "x1", "b", 5)])
    counts = update_sequences(lake, engine, run_id="night")
    assert (counts.reported, counts.sequenced) == (41, 41)
    rows = read(lake)
    build_sequences(lake, engine, run_id="full")
    assert rows == read(lake)


def test_what_others_have_changed_in_the_table_is_no_base(lake, engine):
    company(lake, engine)
    rows = lake.read(tables.SEQUENCES)
    lake.replace(tables.SEQUENCES, rows.slice(3), where={"bucket": (0, 10)}, run_id="somebody")
    assert update_sequences(lake, engine, run_id="night").sequenced == 60


def test_a_week_that_is_over_is_put_together_and_no_rows_change(lake, engine):
    company(lake, engine)
    for hour in range(3):
        land(lake, 3 + hour, [(90 + hour, "x1", "b", 28 * 59 + 1 + hour)])
        update_sequences(lake, engine, run_id="night")
    newest = max(file.partition[1] for file in lake.live_files(tables.SEQUENCES))
    aside = [file for file in lake.live_files(tables.SEQUENCES) if file.partition[1] == newest]
    version = lake.version(tables.SEQUENCES)
    land(lake, 6, [(95, "x1", "b", 28 * 59 + 200)])
    counts = update_sequences(lake, engine, run_id="night")
    partitions = [file.partition for file in lake.live_files(tables.SEQUENCES)]
    assert (len(aside), len(partitions)) == (4, len(set(partitions)))
    night, merging = lake.changes_since(tables.SEQUENCES, version)
    assert (leaves_rows(night), leaves_rows(merging)) == (False, True)
    assert sum(file.rows for file in merging.gone) == sum(file.rows for file in merging.come)
    assert counts == build_sequences(lake, engine, run_id="full")


def test_files_that_a_killed_night_left_without_a_commit_are_of_no_sequence(lake, engine):
    company(lake, engine)
    land(lake, 3, [(90, "x1", "b", 28 * 59 + 1)])
    update_sequences(lake, engine, run_id="night")
    with lake.writer(tables.SEQUENCES) as writer:  # a killed night leaves files that no commit names
        writer.write(lake.read(tables.SEQUENCES).slice(0, 2))
        writer.finish()
    land(lake, 4, [(91, "x2", "b", 28 * 59 + 400)])
    counts = update_sequences(lake, engine, run_id="night")
    rows = read(lake)
    assert counts == build_sequences(lake, engine, run_id="full")
    assert rows == read(lake)
