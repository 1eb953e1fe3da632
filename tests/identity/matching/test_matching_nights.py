"""Pairs weighed by a frozen model, night after night."""

import dataclasses
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from town import CONFIG, NOW, erase, profile_rows, without_person

from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.identity.matching.drift import measure_drift
from cx_orchestration.identity.matching.fields import Fields, matching_fields
from cx_orchestration.identity.matching.model import FieldProfile, MatchingModel, load_model, save_model
from cx_orchestration.identity.matching.nights import Matched, update_matches
from cx_orchestration.identity.matching.scoring import ScoredPairs, score_pairs
from cx_orchestration.identity.matching.training import train
from cx_orchestration.model.identity import IdentityConfig, Matching
from cx_orchestration.model.tables import LINKS, MATCHING_FIELDS, MATCHING_MODELS, PROFILES
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

Rows = list[dict[str, Any]]


class Town:
    """A lake of its own, in which a trained model lies."""

    def __init__(self, root: Path, engine: Engine, model: MatchingModel | None) -> None:
        self.lake, self.engine = Lake(root), engine
        if model is not None:
            save_model(self.lake, model, run_id="trained")

    def night(self, profiles: pa.Table, config: IdentityConfig = CONFIG, *, retrain: bool = False) -> Matched:
        self.lake.replace(PROFILES, profiles, run_id="profiles")
        return update_matches(self.lake, self.engine, config, retrain=retrain, now=NOW, run_id="night")

    def ledger(self) -> pa.Table:
        standing = standing_links(self.lake, self.engine)
        return standing.drop_columns(["made_at"]).sort_by("link_id")


@pytest.fixture(scope="session")
def scored(engine: Engine, fields: Fields, model: MatchingModel) -> ScoredPairs:
    return score_pairs(engine, fields, model, CONFIG)


@pytest.fixture
def place(tmp_path: Path, engine: Engine, model: MatchingModel) -> Town:
    return Town(tmp_path / "lake", engine, model)


def weights(scored: ScoredPairs, *, same_person: bool) -> list[float]:
    rows = scored.wanted.to_pylist()
    return [row["match_weight"] for row in rows if (row["left_entity"] == row["right_entity"]) is same_person]


def test_persons_are_told_from_their_households(rows: Rows, scored: ScoredPairs) -> None:
    threshold = CONFIG.matching.union_bits
    found = [weight for weight in weights(scored, same_person=True) if weight >= threshold]
    wrong = [weight for weight in weights(scored, same_person=False) if weight >= threshold]
    assert len(found) >= 0.97 * len(rows) / 2
    assert len(wrong) <= 0.01 * len(found)


def test_evidence_names_levels_and_no_values(rows: Rows, scored: ScoredPairs, model: MatchingModel) -> None:
    assert pa.types.is_dictionary(scored.wanted.schema.field("evidence").type), "of millions of pairs it is gigabytes"
    evidence = scored.wanted["evidence"].to_pylist()
    labels = {
        comparison.name: {"missing", *(level.label for level in comparison.levels)} for comparison in model.comparisons
    }
    for text in evidence:
        levels = json.loads(text)["levels"]
        assert levels.keys() == labels.keys()
        assert all(label in labels[name] for name, label in levels.items())
    assert set(scored.wanted["model_version"].to_pylist()) == {model.version}


def test_the_same_profiles_teach_the_same_model(
    engine: Engine, fields: Fields, habits: pa.Table, model: MatchingModel
) -> None:
    again = train(engine, fields.rows, habits, CONFIG, now=NOW + dt.timedelta(days=1))
    assert again is not None
    assert again.version == model.version


def test_a_birth_date_that_is_also_a_key_counts_once(
    engine: Engine, rows: Rows, habits: pa.Table, model: MatchingModel
) -> None:
    dated = [row | {"keys": row.get("keys", {}) | {"born": row["birth_date"]}} for row in rows if row.get("birth_date")]
    dated += [row for row in rows if not row.get("birth_date")]
    namespaces = CONFIG.model_dump()["namespaces"] | {"born": {"normalise": "date", "strength": "weak", "unique": True}}
    config = IdentityConfig.model_validate({"region": "US", "namespaces": namespaces})
    told = matching_fields(engine, without_person(dated), config, habits, today=NOW.date())
    assert any(key["namespace"] == "born" for keys in told.rows["keys"].to_pylist() for key in keys or ())
    again = train(engine, told.rows, habits, config, now=NOW)
    assert again is not None
    assert [each.name for each in again.comparisons] == [each.name for each in model.comparisons]


def test_a_saved_model_weighs_as_it_did(
    tmp_path: Path, engine: Engine, fields: Fields, model: MatchingModel, scored: ScoredPairs
) -> None:
    lake = Lake(tmp_path / "lake")
    save_model(lake, model, run_id="trained")
    loaded = load_model(lake, engine)
    assert loaded is not None
    assert dataclasses.replace(loaded, frequencies=model.frequencies) == model
    assert score_pairs(engine, fields, loaded, CONFIG).wanted.equals(scored.wanted)


@pytest.mark.parametrize("caps", [{}, {"birth": 3, "key email": 3, "street": 3}, {"key email": 2}], ids=str)
def test_a_night_of_changes_leaves_what_a_rebuild_finds(
    tmp_path: Path, engine: Engine, rows: Rows, model: MatchingModel, caps: dict[str, int]
) -> None:
    """Entities come, go and change, and so many get one street that its block becomes too large, and small again.

    With few and small blocks many come to be over their caps or under them, and pairs to be in none.
    """
    model = dataclasses.replace(model, caps=caps or model.caps)
    rng = random.Random(11)
    lived = Town(tmp_path / "lived", engine, model)
    lived.night(without_person(rows[:360]))
    for crowded in (True, False):
        now = [dict(row) for row in rows[rng.randint(0, 30) : 380 + rng.randint(0, 30)]]
        for row in rng.sample(now, 12):
            row["family_name"] = rng.choice(now)["family_name"]
            row["keys"] = {"email": rng.choice(now)["keys"].get("email", "new@example.com")}
        if crowded:
            for row in now[:30]:
                row["street"] = rows[0]["street"]
        lived.night(without_person(now))
        rebuilt = Town(tmp_path / f"rebuilt, crowded {crowded}", engine, model)
        rebuilt.night(without_person(now))
        assert lived.ledger().equals(rebuilt.ledger())


def test_who_was_erased_leaves_a_block_that_the_others_are_looked_at_in(
    tmp_path: Path, engine: Engine, rows: Rows, model: MatchingModel
) -> None:
    """Four have one address, and three may be in a block: nobody is compared until one of them is erased."""
    model = dataclasses.replace(model, caps={"key email": 3})
    one, *others = [dict(rows[n], entity=f"{n:02}", keys={"email": "all@example.com"}) for n in range(4)]
    lived, rebuilt = (Town(tmp_path / name, engine, model) for name in ("lived", "rebuilt"))
    assert lived.night(without_person([one, *others])).compared == 0
    erase(lived.lake, one)
    assert lived.night(without_person(others)).ledger.made == rebuilt.night(without_person(others)).ledger.made > 0
    assert lived.ledger().equals(rebuilt.ledger())
    before = lived.lake.version(MATCHING_FIELDS)
    again = lived.night(without_person(others))
    assert (again.ledger.made, again.ledger.retracted, lived.lake.version(MATCHING_FIELDS)) == (0, 0, before)


def test_a_night_without_changes_appends_nothing_and_compares_nothing(place: Town, rows: Rows) -> None:
    profiles = without_person(rows)
    place.night(profiles)
    before = {table: place.lake.version(table) for table in (LINKS, MATCHING_FIELDS, MATCHING_MODELS)}
    again = place.night(profiles)
    assert (again.ledger.made, again.ledger.retracted, again.compared, again.trained) == (0, 0, 0, False)
    assert before == {table: place.lake.version(table) for table in before}


def test_a_profile_that_changed_in_nothing_that_is_compared_is_compared_with_nobody(place: Town, rows: Rows) -> None:
    place.night(without_person(rows))
    before = place.lake.version(LINKS)
    visited = [rows[0] | {"attributes": '{"visits":8}'}, *rows[1:]]
    for kept in (len(rows) + 1, len(rows) + 1):
        assert place.night(without_person(visited)).compared == 0
        assert place.lake.rows(MATCHING_FIELDS) == kept
    assert place.lake.version(LINKS) == before


def test_what_was_kept_is_written_anew_when_much_of_it_is_out_of_date(
    tmp_path: Path, engine: Engine, rows: Rows, model: MatchingModel
) -> None:
    lived, rebuilt = (Town(tmp_path / name, engine, model) for name in ("lived", "rebuilt"))
    lived.night(without_person(rows[:100]))
    for visits in (1, 2):
        lived.night(without_person([row | {"attributes": f'{{"visits":{visits}}}'} for row in rows[:100]]))
        assert lived.lake.rows(MATCHING_FIELDS) == 100
    now = without_person([rows[0] | {"city": "Elsewhere"}, *rows[2:110]])
    lived.night(now)
    rebuilt.night(now)
    assert lived.ledger().equals(rebuilt.ledger())


def test_what_an_earlier_release_kept_is_read_and_compared_anew(place: Town, rows: Rows) -> None:
    whole = place.night(without_person(rows)).compared
    kept = place.lake.read(MATCHING_FIELDS)
    former = kept.set_column(kept.schema.get_field_index("read_by"), "read_by", pa.nulls(kept.num_rows, pa.string()))
    place.lake.replace(MATCHING_FIELDS, former, run_id="earlier")
    again = place.night(without_person(rows))
    assert (again.compared, again.ledger.made, again.trained) == (whole, 0, False)
    assert place.night(without_person(rows)).compared == 0


def test_a_pair_near_the_threshold_stays_on_its_side_when_a_model_takes_over(
    place: Town, rows: Rows, engine: Engine, model: MatchingModel
) -> None:
    """A model that says the same but for a prior of three bits less: only what is beyond the margin changes sides."""
    profiles = without_person(rows)
    place.night(profiles)
    before = {row["link_id"]: row["match_weight"] for row in place.ledger().to_pylist()}
    prior = model.settings["probability_two_random_records_match"]
    settings = {**model.settings, "probability_two_random_records_match": prior / (8 - 7 * prior)}
    later = dataclasses.replace(model, version="other", settings=settings, trained_at=NOW + dt.timedelta(days=1))
    save_model(place.lake, later, run_id="other")
    config = CONFIG.model_copy(update={"matching": Matching(margin_bits=2.0)})
    changed = place.night(profiles, config)
    threshold = config.matching.union_bits
    after = {row["link_id"]: row for row in place.ledger().to_pylist()}
    for link, weight in before.items():
        new = weight - 3
        kept = weight >= threshold > new > threshold - 2
        if new >= config.matching.least_bits:
            assert after[link]["match_weight"] == pytest.approx(weight if kept else new, abs=1e-3)
            assert after[link]["model_version"] == (model.version if kept else "other")
    assert changed.kept_by_margin == sum(weight >= threshold > weight - 3 > threshold - 2 for weight in before.values())
    assert place.night(profiles, config).ledger.made == 0


def older(model: MatchingModel) -> MatchingModel:
    """The model as a release would have trained it that knew a first level less of the first comparison."""
    settings = json.loads(json.dumps(model.settings))
    del settings["comparisons"][0]["comparison_levels"][1]
    return dataclasses.replace(
        model, version="0123456789ab", settings=settings, trained_at=model.trained_at - dt.timedelta(days=1)
    )


def test_a_model_of_other_levels_is_replaced_on_the_next_night_and_that_is_said(
    tmp_path: Path, engine: Engine, rows: Rows, model: MatchingModel
) -> None:
    place = Town(tmp_path / "lake", engine, older(model))
    replaced = place.night(without_person(rows))
    assert (replaced.outdated, replaced.trained, replaced.model_version) == ("0123456789ab", True, model.version)
    named = {row["model_version"] for row in place.ledger().to_pylist()}
    assert named == {model.version}
    again = place.night(without_person(rows))
    assert (again.outdated, again.trained) == (None, False)


def test_where_there_is_nothing_to_compare_exact_keys_alone_link(tmp_path: Path, engine: Engine) -> None:
    nameless = profile_rows(
        [{"service": "s", "entity": f"{i:03d}", "keys": {"email": f"e{i // 2}@example.com"}} for i in range(100)]
    )
    place = Town(tmp_path / "lake", engine, None)
    night = place.night(nameless)
    assert (night.outcome, place.ledger().num_rows) == ("nothing to compare", 0)
    assert not place.lake.exists(MATCHING_MODELS)


def test_switched_off_it_takes_back_what_it_found(place: Town, rows: Rows) -> None:
    place.night(without_person(rows))
    assert place.ledger().num_rows > 0
    off = place.night(without_person(rows), CONFIG.model_copy(update={"matching": Matching(enabled=False)}))
    assert (off.outcome, place.ledger().num_rows) == ("switched off", 0)


def test_drift_is_large_where_a_field_went_missing(place: Town, rows: Rows) -> None:
    usual = place.night(without_person(rows)).drift
    assert usual is not None
    assert not usual.is_large(CONFIG.matching.drift_warning)
    dateless = [{**row, "birth_date": None} for row in rows]
    moved = place.night(without_person(dateless)).drift
    assert moved is not None
    assert moved.is_large(CONFIG.matching.drift_warning)
    assert (moved.coverage_of, moved.levels_of) == ("birth", "birth")


def test_drift_says_which_services_are_new() -> None:
    profile = FieldProfile({"given": 1.0}, {"given": {"same": 1.0}}, 3.0)
    drift = measure_drift(profile, profile, ("till",))
    assert (drift.coverage, drift.levels, drift.candidates, drift.new_services) == (0.0, 0.0, 1.0, ("till",))
