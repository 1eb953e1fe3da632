"""Nights: late events, customers who merge, and time make the same of the tables as folding everything anew."""

import shutil
from dataclasses import replace
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from interpreter import Happening
from random_maps import KINDS, STAGES, random_happening, random_map
from sequenced import write_sequences
from test_fold_as_interpreted import DAY, START, sequences

from cx_orchestration.journeys.fold import fold_journeys
from cx_orchestration.journeys.standing import FOLDS_PER_MERGE
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

NESTED = JourneyMap.model_validate(
    {
        "journey": "around",
        "stages": STAGES,
        "steps": {"in": {"stage": "early", "abandoned_after_days": 9}, "out": {"stage": "late", "completes": True}},
        "begins_with": {"journey.random.begun": "in"},
        "transitions": [
            {"from": ["in"], "on": "journey.random.completed", "to": "out"},
            {
                "from": ["in"],
                "on": "journey.random.abandoned",
                "to": "in",
                "when": [{"name": "plan", "equals": "pro"}, {"name": "amount", "at_least": 1}],
            },
            {
                "from": ["in"],
                "on": "journey.random.abandoned",
                "to": "out",
                "when": [{"name": "plan", "none_of": ["pro"]}],
            },
        ],
    }
)
WAITING = NESTED.model_copy(
    update={"journey": "waits", "begins_with": {"a": "in"}, "transitions": [], "steps": {"in": NESTED.steps["in"]}}
)
GIVEN_UP = "journey.waits.abandoned"


def fold(lake: Lake, maps, as_of: float):
    until = START + as_of * DAY
    return fold_journeys(lake, Engine(), maps, as_of=until, currency="USD", support_contact_cost=1, run_id="r")


def content(lake: Lake) -> list[str]:
    return [lake.content_hash(table) for table in (tables.STEPS, tables.INSTANCES)]


def night_after_night(root, seed: int, nights: int) -> int:
    """Events come in any order, some are taken back or change hands; returns how often not all were folded."""
    rng, lake, partial = Random(seed), Lake(root / "nightly"), 0
    maps = [
        random_map(rng, correlated=rng.random() < 0.5, with_parts=rng.random() < 0.3),
        NESTED.model_copy(
            update={"re_entry": rng.random() < 0.5, "correlation": "order_id" if rng.random() < 0.3 else None}
        ),
    ]
    log = [(f"c{rng.randrange(12)}", random_happening(rng, days=40)) for _ in range(150)]
    as_of = 20
    write_sequences(lake, sequences(log))
    fold(lake, maps, as_of)
    for night in range(nights):
        for _ in range(rng.randint(0, 3)):
            place = rng.randrange(len(log))
            match rng.choice(["late", "late", "gone", "merged"]):
                case "late":
                    log.append((f"c{rng.randrange(14)}", random_happening(rng, days=40)))
                case "gone":
                    log[place] = log[-1]
                case "merged":
                    log[place] = ("c0", log[place][1])
        as_of += rng.choice([0, 0.5, 1, 3])
        write_slices(lake, sequences(log))
        partial += not fold(lake, maps, as_of).whole
        whole = Lake(root / f"whole{night}")
        write_sequences(whole, sequences(log))
        fold(whole, maps, as_of)
        assert content(lake) == content(whole), (seed, night)
    return partial


def write_slices(lake: Lake, rows) -> None:
    """Only the weeks that differ are written, as a night writes them: new events in a file beside the others."""
    there = lake.read(tables.SEQUENCES)
    for week in sorted({*there["week"].to_pylist(), *rows["week"].to_pylist()}):
        old, new = (table.filter(pc.equal(table["week"], week)).select(rows.column_names) for table in (there, rows))
        order = [("customer_key", "ascending"), ("occurred_us", "ascending"), ("event_id", "ascending")]
        fresh = new.filter(pc.invert(pc.is_in(new["event_id"], old["event_id"].combine_chunks())))
        if pa.concat_tables([old, fresh]).sort_by(order).equals(new.sort_by(order)):
            add_file(lake, fresh)
        elif not old.sort_by(order).equals(new.sort_by(order)):
            lake.replace(tables.SEQUENCES, new, where={"bucket": 0, "week": week}, run_id="r")


def add_file(lake: Lake, rows) -> None:
    with lake.writer(tables.SEQUENCES) as writer:
        if rows.num_rows:
            writer.write(rows)
            lake.swap(tables.SEQUENCES, [], writer.finish(), run_id="r")


@pytest.mark.parametrize("seed", range(3))
def test_nights_give_what_folding_everything_gives(tmp_path, seed):
    assert night_after_night(tmp_path, seed, nights=6) >= 3


@pytest.mark.long
def test_a_thousand_late_arrivals_give_what_folding_everything_gives(tmp_path):
    for seed in range(60):
        night_after_night(tmp_path / str(seed), 1000 + seed, nights=12)


def test_a_night_folds_only_the_customers_touched(tmp_path):
    lake, rng = Lake(tmp_path), Random(7)
    log = [(f"c{place % 10}", random_happening(rng, days=10)) for place in range(100)]
    write_sequences(lake, sequences(log))
    fold(lake, [WAITING], 12)
    log.append(("c3", log[3][1]))
    write_slices(lake, sequences(log))
    summary = fold(lake, [WAITING], 12)
    assert (summary.whole, summary.events) == (False, 11)


def test_another_map_currency_or_hand_in_the_tables_folds_all_anew(tmp_path):
    lake, rng = Lake(tmp_path), Random(7)
    one = random_map(rng)
    write_sequences(lake, sequences([("c1", random_happening(rng)) for _ in range(20)]))
    assert fold(lake, [one], 12).whole
    assert not fold(lake, [one], 12).whole
    assert fold(lake, [one.model_copy(update={"re_entry": not one.re_entry})], 12).whole
    assert fold(lake, [one], 11).whole
    lake.replace(tables.STEPS, tables.STEPS.empty(), where={"week": (-1, 1_000_000)}, run_id="someone")
    assert fold(lake, [one], 11).whole


def test_whoever_rests_too_long_is_abandoned_on_the_night_when_nothing_happens_to_them(tmp_path):
    lake = Lake(tmp_path)
    log = [("c1", Happening("a", 1)), ("c2", Happening("a", 8))]
    write_sequences(lake, sequences(log))
    fold(lake, [WAITING], 10)
    summary = fold(lake, [WAITING], 12)
    assert (summary.whole, summary.events) == (False, 0)
    found = {row["customer_id"]: row["status"] for row in lake.read(tables.INSTANCES).to_pylist()}
    assert found == {"c1": "abandoned", "c2": "active"}


def day_by_day(lake: Lake, days: int):
    """Twelve customers, each with an event every other day, after one who does everything; yields the log, the maps and
    the summary of each night's fold."""
    rng, maps = Random(3), [random_map(Random(3)), NESTED]
    log = [("c99", Happening(kind, 0.1)) for kind in KINDS]
    for day in range(days):
        log += [(f"c{n}", replace(random_happening(rng), day=day + 0.5)) for n in range(12) if (n + day) % 2]
        (write_slices if day else write_sequences)(lake, sequences(log))
        yield log, maps, fold(lake, maps, day + 1)


def test_threads_are_merged_so_that_their_files_do_not_grow_in_number_with_the_nights(tmp_path):
    lake, whole, files = Lake(tmp_path / "nightly"), Lake(tmp_path / "whole"), []
    for night in day_by_day(lake, FOLDS_PER_MERGE + 4):
        files.append(len(lake.live_files(tables.THREADS)))
        log, maps, summary = night
    assert not summary.whole
    assert files[FOLDS_PER_MERGE - 1] <= 4 < files[FOLDS_PER_MERGE - 2]
    write_sequences(whole, sequences(log))
    fold(whole, maps, FOLDS_PER_MERGE + 4)
    assert content(lake) == content(whole)


def test_a_night_leaves_the_files_of_weeks_that_are_over_where_they_are(tmp_path):
    lake = Lake(tmp_path)
    closed = (tables.STEPS, tables.INSTANCES)
    for day, _ in enumerate(day_by_day(lake, 20)):
        if day < 18:
            before = {file.path for table in closed for file in lake.live_files(table) if file.partition[1] >= 0}
    after = {file.path for table in closed for file in lake.live_files(table)}
    assert before and before <= after


@pytest.mark.parametrize("written", [[tables.STEPS], [tables.STEPS, tables.INSTANCES]])
def test_a_night_killed_between_two_commits_is_folded_anew(tmp_path, written):
    lake, killed, whole = (Lake(tmp_path / name) for name in ("nightly", "killed", "whole"))
    for day, night in enumerate(day_by_day(lake, 12)):
        log, maps, _ = night
        if day == 10:
            shutil.copytree(lake.root, killed.root)
    write_slices(killed, sequences(log))
    for table in written:
        shutil.rmtree(killed.folder_of(table))
        shutil.copytree(lake.folder_of(table), killed.folder_of(table))
    assert content(killed) != content(lake) or written[-1] is tables.INSTANCES
    assert fold(killed, maps, 12).whole
    write_sequences(whole, sequences(log))
    fold(whole, maps, 12)
    assert content(killed) == content(whole) == content(lake)
    assert not fold(killed, maps, 12).whole


def test_giving_up_a_micro_journey_is_the_customers_although_nothing_else_happens_to_them(tmp_path):
    lake, whole = Lake(tmp_path / "nightly"), Lake(tmp_path / "whole")
    moves = [NESTED.transitions[0].model_copy(update={"on": GIVEN_UP, "target": "in"})]
    steps = {"in": NESTED.steps["in"].model_copy(update={"abandoned_after_days": 1})}
    outer = NESTED.model_copy(update={"begins_with": {"b": "in"}, "transitions": moves, "steps": steps})
    maps = [WAITING, outer]
    log = [("c1", Happening("b", 0)), ("c1", Happening("a", 2)), ("c2", Happening("a", 9))]
    write_sequences(lake, sequences(log))
    fold(lake, maps, 5)
    assert [fold(lake, maps, as_of).whole for as_of in (11.5, 13)] == [False, False]
    write_sequences(whole, sequences(log))
    fold(whole, maps, 13)
    assert content(lake) == content(whole)
    assert lake.read(tables.INSTANCES).filter(pc.field("journey") == "around")["customer_id"].to_pylist() == ["c1"] * 2
