"""The frozen model: what training found, so that a pair weighs the same on every night until somebody trains again.

Belongs here: what a model consists of, saving and loading it. Does not belong here: how it is trained.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import Comparison, derive_comparisons, splink_comparison
from cx_orchestration.identity.matching.fields import HABITS
from cx_orchestration.model.tables import MATCHING_MODELS, TERM_FREQUENCIES
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake, conform


@dataclass(frozen=True)
class FieldProfile:
    """What the entities looked like when the model was trained, to be compared with what they look like later.

    ``coverage`` is the share of entities that have a field; ``levels`` by comparison the shares of its levels
    (``missing`` included) among the pairs that are candidates; ``candidates`` how many of these an entity has.
    """

    coverage: Mapping[str, float]
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    candidates: float = 0.0


@dataclass(frozen=True)
class MatchingModel:
    """A trained model.

    ``settings`` are Splink's, with all probabilities; ``caps`` say how large a block of each rule may be;
    ``frequencies`` (field, term, frequency) how common the values of names and dates were. ``version`` is a hash of
    all that decides a weight: the same training gives the same version.
    """

    version: str
    trained_at: dt.datetime
    entities: int
    settings: Mapping[str, Any]
    caps: Mapping[str, int]
    household_keys: frozenset[str]
    guarded_keys: frozenset[str]
    habits: pa.Table
    profile: FieldProfile
    matches: Mapping[str, float]
    frequencies: pa.Table

    @property
    def namespaces(self) -> list[str]:
        """The key namespaces that it knows."""
        return sorted(name.removeprefix("key_") for name in self.profile.coverage if name.startswith("key_"))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What is compared, derived from the coverage that the model was trained on."""
        return derive_comparisons(self.profile.coverage, self.household_keys, self.guarded_keys)

    @property
    def is_outdated(self) -> bool:
        """Whether levels were others when it was trained: it would name levels that pairs are not at."""
        nothing = [(0.0,) * len(comparison.levels) for comparison in self.comparisons]
        now = [splink_comparison(each, none, none) for each, none in zip(self.comparisons, nothing, strict=True)]
        return _without_probabilities(self.settings["comparisons"]) != _without_probabilities(now)


FREQUENCIES = pa.schema([("field", pa.string()), ("term", pa.string()), ("frequency", pa.float64())])


def version_of(settings: Mapping[str, Any], caps: Mapping[str, int], frequencies: pa.Table) -> str:
    """Twelve hexadecimal digits of SHA-256 over what decides the weights."""
    digest = hashlib.sha256(orjson.dumps([settings, caps], option=orjson.OPT_SORT_KEYS))
    for name in FREQUENCIES.names:
        digest.update(orjson.dumps(frequencies[name].to_pylist()))
    return digest.hexdigest()[:12]


def _without_probabilities(comparisons: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """What is asked of a pair in each comparison, and what the answers are called."""
    trained = ("m_probability", "u_probability")
    return [
        (
            comparison["output_column_name"],
            [
                {name: value for name, value in level.items() if name not in trained}
                for level in comparison["comparison_levels"]
            ],
        )
        for comparison in comparisons
    ]


def save_model(lake: Lake, model: MatchingModel, *, run_id: str) -> None:
    """Append the model to the lake; it is the one in use from now on, and former ones stay.

    Its frequencies are written first: a run killed between the two leaves values that no model names.
    """
    about = {
        "caps": dict(model.caps),
        "household_keys": sorted(model.household_keys),
        "guarded_keys": sorted(model.guarded_keys),
        "habits": model.habits.to_pylist(),
        "coverage": dict(model.profile.coverage),
        "levels": {name: dict(levels) for name, levels in model.profile.levels.items()},
        "candidates": model.profile.candidates,
        "matches": dict(model.matches),
    }
    row = {
        "model_version": model.version,
        "trained_at": model.trained_at,
        "entities": model.entities,
        "settings": orjson.dumps(model.settings, option=orjson.OPT_SORT_KEYS).decode(),
        "field_profile": orjson.dumps(about, option=orjson.OPT_SORT_KEYS).decode(),
    }
    version = pa.repeat(pa.scalar(model.version), model.frequencies.num_rows)
    frequencies = model.frequencies.append_column("model_version", version)
    lake.append(TERM_FREQUENCIES, conform(TERM_FREQUENCIES, frequencies), run_id=run_id)
    lake.append(MATCHING_MODELS, pa.Table.from_pylist([row], schema=MATCHING_MODELS.schema), run_id=run_id)


def load_model(lake: Lake, engine: Engine, version: str | None = None) -> MatchingModel | None:
    """The model trained last, or the one of this version; ``None`` if there is none."""
    chosen = "SELECT * FROM models WHERE $version IS NULL OR model_version = $version ORDER BY trained_at DESC LIMIT 1"
    rows = engine.query(chosen, {"models": lake.scan(MATCHING_MODELS)}, {"version": version}).to_pylist()
    if not rows:
        return None
    row = rows[0]
    about = orjson.loads(row["field_profile"])
    frequencies = engine.query(
        "SELECT DISTINCT field, term, frequency FROM rows WHERE model_version = $version ORDER BY field, term",
        {"rows": lake.scan(TERM_FREQUENCIES)},
        {"version": row["model_version"]},
    )
    return MatchingModel(
        version=row["model_version"],
        trained_at=row["trained_at"],
        entities=row["entities"],
        settings=orjson.loads(row["settings"]),
        caps=about["caps"],
        household_keys=frozenset(about["household_keys"]),
        guarded_keys=frozenset(about.get("guarded_keys", ())),
        habits=pa.Table.from_pylist(about["habits"], schema=HABITS),
        profile=FieldProfile(about["coverage"], about["levels"], about["candidates"]),
        matches=about["matches"],
        frequencies=frequencies,
    )
