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
from cx_orchestration.identity.matching.fields import Fields, find_habits, matching_fields, reading_rules
from cx_orchestration.identity.matching.model import MatchingModel, load_model, save_model
from cx_orchestration.identity.matching.scoring import (
    MODEL_RULE,
    ScoredPairs,
    score_changed,
    score_pairs,
    score_trained,
)
from cx_orchestration.identity.matching.training import train, training
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import KEY_VALUES, MATCHING_FIELDS, PROFILES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake, conform
from cx_orchestration.storage.scan import Scan

#: How many rows the fields of an entity may take, those that are out of date among them.
_ROWS_PER_ENTITY = 1.25

#: Noted with every commit of the fields by a night. An erasure notes nothing.
_BY_NIGHT = {"written_by": "matching"}

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
    habits = find_habits(comparing, lake.scan(PROFILES))
    return _read(lake, comparing, config, habits, now), habits


def _read(
    lake: Lake,
    comparing: Engine,
    config: IdentityConfig,
    habits: pa.Table,
    now: dt.datetime,
    kept: Scan | None = None,
) -> Fields:
    profiles, verdicts = lake.scan(PROFILES), lake.scan(KEY_VALUES)
    return matching_fields(comparing, profiles, config, habits, today=now.date(), kept=kept, key_values=verdicts)


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
    first and the fields that it takes into account last, so that a killed run is repeated. After an erasure, blocks
    that the erased may have left small enough to compare are looked at again; whom they were of nobody knows any more.

    Entities and pairs are compared by ``comparing``, which may be a cluster; without it by ``engine``, which keeps the
    ledger.
    """
    comparing = engine if comparing is None else comparing
    model = load_model(lake, engine) if config.matching.enabled else None
    outdated = model.version if model is not None and model.is_outdated else None
    trained = config.matching.enabled and (model is None or outdated is not None or retrain)
    erased = _erased(lake) if model is not None else 0
    everything = trained or (model is not None and (erased is None or not _is_of(lake, engine, model, config)))
    scored = None
    if trained:
        fields, habits = _read_anew(lake, comparing, config, now)
        with training(comparing, fields.rows, habits, config, now=now) as (model, session):
            if model is not None:
                save_model(lake, model, run_id=run_id)
                scored = score_trained(session, model, config)
    elif model is not None and everything:
        fields = _read(lake, comparing, config, model.habits, now)
        scored = score_pairs(comparing, fields, model, config)
    elif model is not None:
        kept, entities = lake.scan(MATCHING_FIELDS), lake.rows(PROFILES)
        engine, comparing = engine.sized(entities), comparing.sized(entities)
        fields = _read(lake, comparing, config, model.habits, now, kept)
        scored = score_changed(comparing, fields, kept, model, config, erased=erased or 0)
    if model is None or scored is None:
        ledger = update_ledger(
            lake, engine, WANTED.empty_table(), family=MODEL_RULE, scope=None, now=now, run_id=run_id
        )
        lake.replace(MATCHING_FIELDS, MATCHING_FIELDS.empty(), run_id=run_id, note=_BY_NIGHT)
        return Matched("nothing to compare" if config.matching.enabled else "switched off", ledger, outdated=outdated)
    wanted, by_margin = scored.wanted, 0
    if everything:
        wanted, by_margin = _with_margin(lake, engine, scored.wanted, config)
    ledger = update_ledger(
        lake, engine, wanted, family=MODEL_RULE, scope=scored.scope, among=scored.among, now=now, run_id=run_id
    )
    services = _keep(
        lake, engine, fields, scored, model, config, everything=everything, anew=bool(erased), run_id=run_id
    )
    strange = sorted(services - set(model.habits["service"].to_pylist()))
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


def _erased(lake: Lake) -> int | None:
    """How many rows of the fields erasures removed since a night wrote them; ``None`` where that cannot be told."""
    if lake.note(MATCHING_FIELDS):
        return 0
    changes = lake.changes_since_note(MATCHING_FIELDS)
    if changes is None:
        return None
    return sum(file.rows for each in changes for file in each.gone) - sum(
        file.rows for each in changes for file in each.come
    )


def _is_of(lake: Lake, engine: Engine, model: MatchingModel, config: IdentityConfig) -> bool:
    """Whether the fields that were kept are those that this model compared, and read as they would be now."""
    found = engine.query("SELECT DISTINCT model_version, read_by FROM kept", {"kept": lake.scan(MATCHING_FIELDS)})
    (*rows,) = zip(found["model_version"].to_pylist(), found["read_by"].to_pylist(), strict=True)
    return rows == [(model.version, reading_rules(config))]


def _keep(
    lake: Lake,
    engine: Engine,
    fields: Fields,
    scored: ScoredPairs,
    model: MatchingModel,
    config: IdentityConfig,
    *,
    everything: bool,
    anew: bool,
    run_id: str,
) -> set[str]:
    """Keep the fields that the ledger takes into account now. Returns the services of all that are kept.

    Rows are added to those of former nights, and take their places, until too many are out of date, or ``anew`` says
    so: then all are written anew.
    """
    about = {
        "model_version": pa.repeat(pa.scalar(model.version), fields.rows.num_rows),
        "read_by": pa.repeat(pa.scalar(reading_rules(config)), fields.rows.num_rows),
        "is_there": pa.repeat(pa.scalar(True), fields.rows.num_rows),
        "blocks": scored.blocks,
    }
    rows = fields.rows.rename_columns({"unique_id": "number"})
    for name, values in about.items():
        rows = rows.append_column(name, values)
    rows = conform(MATCHING_FIELDS, rows.select(MATCHING_FIELDS.schema.names))
    if everything:
        lake.replace(MATCHING_FIELDS, rows, run_id=run_id, note=_BY_NIGHT)
        return set(rows["service"].unique().to_pylist())
    if fields.former.num_rows or rows.num_rows:
        gone = engine.query(sql_text(__package__, "fields_gone.sql"), {"rows": rows, "former": fields.former})
        lake.append(
            MATCHING_FIELDS, pa.concat_tables([rows, gone], promote_options="default"), run_id=run_id, note=_BY_NIGHT
        )
    stored = {"stored": lake.scan(MATCHING_FIELDS)}
    standing = sql_text(__package__, "fields_kept.sql")
    (counted,) = engine.query(
        f"SELECT count(*) AS entities, list(DISTINCT service) AS services FROM ({standing}) AS k", stored
    ).to_pylist()
    if anew or lake.rows(MATCHING_FIELDS) > _ROWS_PER_ENTITY * counted["entities"]:
        kept = engine.query(f"SELECT * REPLACE (NULL::BIGINT AS replaces) FROM ({standing}) AS k", stored)
        lake.replace(MATCHING_FIELDS, kept, run_id=run_id, note=_BY_NIGHT)
    return set(counted["services"] or ())


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
