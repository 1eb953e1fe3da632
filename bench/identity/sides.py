"""The sides that run in the project's environment: ours, and Splink as its tutorial has it."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cx_orchestration.identity.clusters import Kind, Linkage, Pairs, find_clusters
from cx_orchestration.identity.matching.fields import find_habits, matching_fields
from cx_orchestration.identity.matching.scoring import score_pairs
from cx_orchestration.identity.matching.training import train
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.storage.engine import Engine

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ours(rows: pd.DataFrame) -> tuple[NDArray[np.integer], float]:
    """The default configuration; keys are compared, none of them links by itself. Labels in the order of ``rows``."""
    namespaces = [name.removeprefix("key_") for name in rows if name.startswith("key_")]
    config = IdentityConfig.model_validate({"namespaces": {name: {"normalise": "exact"} for name in namespaces}})
    profiles = _profiles(rows, namespaces)
    started, engine = time.process_time(), Engine()
    habits = find_habits(engine, profiles)
    fields = matching_fields(engine, profiles, config, habits, today=NOW.date())
    model = train(engine, fields.rows, habits, config, now=NOW)
    if model is None:
        raise SystemExit("there is nothing to compare in this data set")
    wanted = score_pairs(engine, fields, model, config, everything=True).wanted
    entities = fields.rows.select(["service", "entity", "unique_id"]).to_pandas()
    code = pd.Series(entities["unique_id"].to_numpy(), entities["service"] + "/" + entities["entity"])
    found = wanted.to_pandas()
    left, right = (
        code[found[f"{side}_service"] + "/" + found[f"{side}_entity"]].to_numpy() for side in ("left", "right")
    )
    pairs = Pairs(left, right, found["match_weight"].to_numpy(), np.full(len(left), Kind.MODEL))
    linkage = Linkage(threshold=config.matching.union_bits, absent=config.matching.least_bits)
    clusters = find_clusters(len(rows), pairs, linkage=linkage)
    cpu = time.process_time() - started
    order = code[rows["service"] + "/" + rows["entity"]].to_numpy()
    return clusters.cluster[order], cpu


def plain_splink(rows: pd.DataFrame) -> tuple[NDArray[np.integer], float]:
    """Splink's tutorial on these columns: its comparisons, block_on of pairs of fields, EM, components at 0.5."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    there = [name for name in rows if rows[name].notna().mean() > 0.02]
    frame = rows.assign(unique_id=range(len(rows)))
    compared = {
        "name": cl.NameComparison,
        "given_name": cl.NameComparison,
        "family_name": cl.NameComparison,
        "birth_date": lambda name: cl.LevenshteinAtThresholds(name, [1, 2]),
        "street": lambda name: cl.JaroWinklerAtThresholds(name, [0.9, 0.8]),
        "postcode": cl.ExactMatch,
        "city": cl.ExactMatch,
    }
    keys = [name for name in there if name.startswith("key_")]
    comparisons = [make(name) for name, make in compared.items() if name in there]
    comparisons += [cl.LevenshteinAtThresholds(name, [1, 2]) for name in keys]
    first, last = ("given_name", "family_name") if "given_name" in there else ("name", "postcode")
    blocks = [(first, last), *((name, "birth_date") for name in (first, last) if "birth_date" in there)]
    blocks += [(last, "street"), *((name,) for name in keys)]
    rules = [block_on(*block) for block in blocks]
    started = time.process_time()
    api = DuckDBAPI()
    settings = SettingsCreator(
        link_type="dedupe_only", comparisons=comparisons, blocking_rules_to_generate_predictions=rules
    )
    linker = Linker(api.register(pa.Table.from_pandas(frame, preserve_index=False)), settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match(rules[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in (block_on(first, last), block_on("birth_date" if "birth_date" in there else "street")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule, estimate_without_term_frequencies=True)
    found = linker.inference.predict(threshold_match_probability=0.5, warning_mode="never")
    edges = found.as_duckdbpyrelation().select("unique_id_l, unique_id_r").fetchnumpy()
    graph = coo_matrix(
        (np.ones(len(edges["unique_id_l"])), (edges["unique_id_l"], edges["unique_id_r"])), (len(rows),) * 2
    )
    _, labels = connected_components(graph, directed=False)
    return labels, time.process_time() - started


def _profiles(rows: pd.DataFrame, namespaces: list[str]) -> pa.Table:
    filled = rows.astype(object).where(rows.notna(), None)
    held = (
        [
            [{"namespace": name, "value": value} for name in namespaces if (value := row[f"key_{name}"]) is not None]
            for row in filled[[f"key_{name}" for name in namespaces]].to_dict("records")
        ]
        if namespaces
        else [[] for _ in range(len(rows))]
    )
    columns = {
        field.name: pa.array(
            held if field.name == "keys" else list(filled.get(field.name, [None] * len(rows))), field.type
        )
        for field in PROFILES.schema
    }
    return pa.table(columns, schema=PROFILES.schema)
