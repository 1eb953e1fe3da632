"""The sides that run in the project's environment: ours, and Splink as its documentation has it."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bench.identity.preparation import blocking_rules, prepare
from cx_orchestration.identity.clusters import Kind, Linkage, Pairs, find_clusters
from cx_orchestration.identity.matching.fields import find_habits, matching_fields
from cx_orchestration.identity.matching.scoring import score_pairs
from cx_orchestration.identity.matching.training import train
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.tables import PROFILES
from cx_orchestration.storage.engine import Engine, sql_text

if TYPE_CHECKING:
    from splink.internals.comparison_creator import ComparisonCreator

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ours(rows: pd.DataFrame, kinds: Mapping[str, Mapping[str, str]] | None = None) -> tuple[NDArray[np.integer], float]:
    """The default configuration; keys are compared, none of them links by itself. Labels in the order of ``rows``.

    ``kinds`` are the rules of namespaces that are not compared as they came.
    """
    namespaces = [name.removeprefix("key_") for name in rows if name.startswith("key_")]
    rules = {name: (kinds or {}).get(name, {"normalise": "exact"}) for name in namespaces}
    config = IdentityConfig.model_validate({"namespaces": rules})
    profiles = _profiles(rows, namespaces)
    started, engine = time.process_time(), Engine()
    habits = find_habits(engine, profiles)
    fields = matching_fields(engine, profiles, config, habits, today=NOW.date())
    model = train(engine, fields.rows, habits, config, now=NOW)
    if model is None:
        raise SystemExit("there is nothing to compare in this data set")
    wanted = score_pairs(engine, fields, model, config).wanted
    entities = fields.rows.select(["service", "entity", "unique_id"]).to_pandas()
    code = pd.Series(entities["unique_id"].to_numpy(), entities["service"] + "/" + entities["entity"])
    found = wanted.to_pandas()
    left, right = (
        code[found[f"{side}_service"] + "/" + found[f"{side}_entity"]].to_numpy() for side in ("left", "right")
    )
    pairs = Pairs(left, right, found["match_weight"].to_numpy(), np.full(len(left), Kind.MODEL))
    linkage = Linkage(threshold=config.matching.union_bits, absent=config.matching.absent_bits)
    bare = engine.query(sql_text("cx_orchestration.identity", "resolve_bare.sql"), {"profiles": profiles}).to_pandas()
    is_bare = np.isin(code.to_numpy(), code[bare["service"] + "/" + bare["entity"]].to_numpy())
    clusters = find_clusters(len(rows), pairs, linkage=linkage, bare=is_bare[np.argsort(code.to_numpy())])
    cpu = time.process_time() - started
    order = code[rows["service"] + "/" + rows["entity"]].to_numpy()
    return clusters.cluster[order], cpu


def plain_splink(rows: pd.DataFrame, thresholds: Sequence[float]) -> tuple[list[NDArray[np.integer]], float]:
    """Splink as its examples of febrl3 and of historical persons have it: the comparisons of its library, prior from
    deterministic rules, u from random pairs, m by EM over two rules, components at each of the ``thresholds``.

    Names are two comparisons: its joint one of given and family name was tried on pseudopeople, and did worse.
    """
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    started = time.process_time()
    frame = prepare(rows)
    trained_on, certain = _training_rules(frame)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=_splink_comparisons(frame),
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in blocking_rules(frame)],
    )
    linker = Linker(DuckDBAPI().register(pa.Table.from_pandas(frame, preserve_index=False)), settings, log_level=None)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on(*rule) for rule in certain], recall=0.7)
    training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    for rule in trained_on:
        training.estimate_parameters_using_expectation_maximisation(
            block_on(*rule), estimate_without_term_frequencies=True
        )
    found = linker.inference.predict(threshold_match_probability=min(thresholds), warning_mode="never")
    labels = []
    for threshold in thresholds:
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold)
        labels.append(clusters.as_duckdbpyrelation().order("unique_id").select("cluster_id").fetchnumpy()["cluster_id"])
    return labels, time.process_time() - started


def _splink_comparisons(frame: pd.DataFrame) -> "list[ComparisonCreator]":
    import splink.comparison_library as cl

    found: list[ComparisonCreator] = []
    if "name" in frame:
        found.append(cl.NameComparison("name"))
    else:
        found.append(
            cl.ForenameSurnameComparison("given", "family", forename_surname_concat_col_name="given_and_family")
        )
        if frame["middle"].notna().mean() > 0.1:
            found.append(cl.NameComparison("middle"))
    if "birth" in frame:
        found.append(cl.DateOfBirthComparison("birth", input_is_string=True))
    if "street" in frame:
        found.append(cl.JaroWinklerAtThresholds("street").configure(term_frequency_adjustments=True))
    if "postcode" in frame:
        british = frame["postcode"].str.fullmatch("[a-z]{1,2}[0-9][a-z0-9]? [0-9][a-z]{2}").mean() > 0.5
        exact = cl.ExactMatch("postcode").configure(term_frequency_adjustments=True)
        found.append(cl.PostcodeComparison("postcode") if british else exact)
    if "city" in frame:
        found.append(cl.ExactMatch("city").configure(term_frequency_adjustments=True))
    return found + [cl.DamerauLevenshteinAtThresholds(name, [1, 2]) for name in frame if name.startswith("key_")]


def _training_rules(frame: pd.DataFrame) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Two rules to train on, each of which leaves free what the other holds fast; and rules that hardly ever err."""
    names = ("name",) if "name" in frame else ("given", "family")
    other = ("birth",) if "birth" in frame else ("street",)
    keys = [(name,) for name in frame if name.startswith("key_")]
    return [names, other], [(*names, *other), (*names, "street"), *keys]


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
