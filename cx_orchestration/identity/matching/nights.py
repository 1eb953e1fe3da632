"""A night of matching: which model is in use, what it says of what changed, and what of that goes into the ledger.

Belongs here: the order of reading and writing, and the margin when a model takes over from another. Does not belong
here: how a model is trained or a pair is weighed.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.ledger import ENTITIES, WANTED, LedgerChange, standing_links, update_ledger
from cx_orchestration.identity.matching.drift import Drift, measure_drift
from cx_orchestration.identity.matching.fields import Fields, find_habits, matching_fields
from cx_orchestration.identity.matching.model import MatchingModel, load_model, save_model
from cx_orchestration.identity.matching.scoring import MODEL_RULE, score_pairs, score_trained
from cx_orchestration.identity.matching.training import train, training
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, MATCHING_FIELDS, PROFILES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake, conform

#: What a night did: compared pairs; found nothing to compare, so that exact keys alone link; was told not to.
Outcome = Literal["compared", "nothing to compare", "switched off"]


@dataclass(frozen=True)
class Matched:
    """What a night did. ``compared`` pairs were weighed by the model; ``kept_by_margin`` of them, when a new model took
    over, stay on their side of the threshold; ``outdated`` is the version of a model that was in use, and had to be
    replaced as records are compared otherwise now; ``drift`` is ``None`` where nothing was compared."""

    outcome: Outcome
    ledger: LedgerChange
    model_version: str | None = None
    trained: bool = False
    outdated: str | None = None
    compared: int = 0
    kept_by_margin: int = 0
    drift: Drift | None = None
    matches: dict[str, float] = field(default_factory=dict)


def train_model(
    lake: Lake, engine: Engine, config: IdentityConfig, *, now: dt.datetime, run_id: str
) -> MatchingModel | None:
    """Train on the profiles in the lake and save what the next night goes by; ``None`` if nothing can be compared."""
    fields, habits = _read_anew(lake, engine, config, now)
    model = train(engine, fields.rows, habits, config, now=now)
    if model is not None:
        save_model(lake, model, run_id=run_id)
    return model


def _read_anew(lake: Lake, comparing: Engine, config: IdentityConfig, now: dt.datetime) -> tuple[Fields, pa.Table]:
    profiles = lake.scan(PROFILES)
    habits = find_habits(comparing, profiles)
    key_values = lake.scan(KEY_VALUES)
    fields = matching_fields(comparing, profiles, config, habits, today=now.date(), key_values=key_values)
    return fields, habits


def update_matches(
    lake: Lake,
    engine: Engine,
    config: IdentityConfig,
    *,
    comparing: Engine | None = None,
    retrain: bool = False,
    now: dt.datetime,
    run_id: str,
) -> Matched:
    """Bring the ledger's rows of the rule ``model`` up to date with the profiles and the verdicts on keys in the lake.

    A model is trained where there is none, where the one in use is of a release that compared records otherwise, or
    when ``retrain`` asks for it; else only entities that changed are compared with all others. The ledger is written
    first and the fields that it takes into account last, so that a killed run is repeated.

    Entities and pairs are compared by ``comparing``, which may be a cluster; without it by ``engine``, which keeps the
    ledger.
    """
    comparing = engine if comparing is None else comparing
    model = load_model(lake, engine) if config.matching.enabled else None
    outdated = model.version if model is not None and model.is_outdated else None
    trained = config.matching.enabled and (model is None or outdated is not None or retrain)
    everything = trained or (model is not None and not _is_of(lake, engine, model))
    scored = None
    if trained:
        fields, habits = _read_anew(lake, comparing, config, now)
        with training(comparing, fields.rows, habits, config, now=now) as (model, session):
            if model is not None:
                save_model(lake, model, run_id=run_id)
                scored = score_trained(session, model, config)
    elif model is not None:
        inputs = {"key_values": lake.scan(KEY_VALUES), "kept": None if everything else lake.scan(MATCHING_FIELDS)}
        profiles = lake.scan(PROFILES)
        fields = matching_fields(comparing, profiles, config, model.habits, today=now.date(), **inputs)
        scored = score_pairs(comparing, fields, model, config, everything=everything)
    if model is None or scored is None:
        ledger = _write(lake, engine, WANTED.empty_table(), None, now, run_id)
        lake.replace(MATCHING_FIELDS, MATCHING_FIELDS.empty(), run_id=run_id)
        return Matched("nothing to compare" if config.matching.enabled else "switched off", ledger, outdated=outdated)
    wanted, by_margin = scored.wanted, 0
    if everything:
        wanted, by_margin = _with_margin(lake, engine, scored.wanted, config)
    ledger = _write(lake, engine, wanted, scored.scope, now, run_id)
    rows = fields.rows.append_column("model_version", pa.repeat(pa.scalar(model.version), fields.rows.num_rows))
    if everything or scored.scope is None or scored.scope.num_rows:
        lake.replace(
            MATCHING_FIELDS, conform(MATCHING_FIELDS, rows.select(MATCHING_FIELDS.schema.names)), run_id=run_id
        )
    known = set(model.habits["service"].to_pylist())
    strange = sorted(set(fields.rows["service"].unique().to_pylist()) - known)
    return Matched(
        "compared",
        ledger,
        model_version=model.version,
        trained=trained,
        outdated=outdated,
        compared=scored.candidates,
        kept_by_margin=by_margin,
        drift=measure_drift(model.profile, scored.profile, tuple(strange)),
        matches=dict(model.matches),
    )


def _is_of(lake: Lake, engine: Engine, model: MatchingModel) -> bool:
    """Whether the fields that were kept are those that this model compared."""
    versions = engine.query("SELECT DISTINCT model_version FROM kept", {"kept": lake.scan(MATCHING_FIELDS)})
    return bool(versions["model_version"].to_pylist() == [model.version])


def _with_margin(lake: Lake, engine: Engine, wanted: pa.Table, config: IdentityConfig) -> tuple[pa.Table, int]:
    """What a new model wants, but for pairs that would change sides of the threshold by less than the margin.

    Only those near the threshold can, so only of those is read what stands: the evidence of all is gigabytes.
    """
    threshold, margin = config.matching.union_bits, config.matching.margin_bits
    is_near = pc.less(pc.abs(pc.subtract(wanted["match_weight"], threshold)), margin)
    near = wanted.append_column("place", pa.array(range(wanted.num_rows), pa.int64())).filter(is_near)
    near = near.drop_columns("evidence")
    ends = [near.select([f"{side}_{name}" for name in ENTITIES.names]) for side in ("left", "right")]
    touching = pa.concat_tables([each.rename_columns(ENTITIES.names) for each in ends])
    standing = standing_links(lake, engine, touching, family=MODEL_RULE)
    kept = engine.query(
        sql_text(__package__, "within_margin.sql"), {"near": near, "standing": standing}, {"threshold": threshold}
    )
    if not kept.num_rows:
        return wanted, 0
    moved = np.ones(wanted.num_rows, np.bool_)
    moved[kept["place"].to_numpy()] = False
    as_wanted = kept.select(wanted.column_names).cast(wanted.schema)
    return pa.concat_tables([wanted.filter(pa.array(moved)), as_wanted]).unify_dictionaries(), kept.num_rows


def _write(
    lake: Lake, engine: Engine, wanted: pa.Table, scope: pa.Table | None, now: dt.datetime, run_id: str
) -> LedgerChange:
    return update_ledger(lake, engine, wanted, family=MODEL_RULE, scope=scope, now=now, run_id=run_id)
