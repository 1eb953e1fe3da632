"""Labels that say who is who, read from a file, and the company's customers held against them.

Belongs here: what a label file may say, and which rows of the lake its labels judge. Does not belong here: the measures
(``evaluation.py``).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cx_orchestration.identity.evaluation import ClusterScores, Scores, score_clusters, score_pairs, threshold_curve
from cx_orchestration.identity.ledger import standing_links
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.tables import IDENTITY_MAP
from cx_orchestration.model.words import suggestion
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_WHO = ["service", "entity", "person"]
_LEFT, _RIGHT = ["left_service", "left_entity"], ["right_service", "right_entity"]
_PAIRS = [*_LEFT, *_RIGHT, "same"]
_SHAPES = f"expected the columns {', '.join(_WHO)}, or {', '.join(_PAIRS)}"
_TRUE, _FALSE = {"true", "1", "yes", "same"}, {"false", "0", "no", "different"}


@dataclass(frozen=True)
class Labels:
    """Either ``who`` (service, entity, person) or ``pairs`` (the two entities and same, a truth value)."""

    who: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None


@dataclass(frozen=True)
class Evaluation:
    """Customers held against labels.

    ``labelled`` counts the labelled entities (or pairs), ``absent`` those of them that the identity map lacks (an
    entity that is absent is in no customer, so it costs recall), ``unlabelled`` the entities of the map without a
    label, which are not judged. ``customers`` and ``people`` are those of the labelled entities. Labels of pairs judge
    pairs only. ``curve`` is that of ``evaluation.threshold_curve`` over the pairs that the model scored.
    """

    labelled: int
    absent: int
    unlabelled: int
    customers: int
    people: int
    pairs: Scores
    whole: ClusterScores | None
    curve: pd.DataFrame = field(compare=False)


def read_labels(path: Path) -> Labels:
    """Read labels from a CSV (UTF-8) or Parquet file. Raises ``PermanentFailure`` that names what is wrong and where.

    An entity may be labelled again with the same person, and a pair with the same answer.
    """
    rows = _read(path)
    names = set(rows.columns)
    if set(_WHO) <= names:
        return Labels(who=_who(path, _filled(path, rows[_WHO])))
    if set(_PAIRS) <= names:
        return Labels(pairs=_pairs(path, _filled(path, rows[_PAIRS])))
    raise PermanentFailure(f"{path}: {_SHAPES}; found {', '.join(map(str, rows.columns)) or 'none'}")


def evaluate_lake(lake: Lake, engine: Engine, labels: Labels) -> Evaluation:
    """Hold the identity map of a lake, and the weights in its ledger, against labels.

    Raises ``PermanentFailure`` when the map has none of the labelled entities.
    """
    resolved = lake.read(IDENTITY_MAP).to_pandas()
    standing = standing_links(lake, engine)
    scored = standing.filter(pc.equal(standing["rule"], "model")).to_pandas()
    evaluation = evaluate(resolved, labels, scored)
    if evaluation.labelled == evaluation.absent:
        raise PermanentFailure(_nobody_known(resolved, labels))
    return evaluation


def evaluate(resolved: pa.Table | pd.DataFrame, labels: Labels, scored: pd.DataFrame | None = None) -> Evaluation:
    """Hold an identity map (service, entity, customer_id) against labels.

    ``scored`` are pairs with their weight in bits (left_service, left_entity, right_service, right_entity,
    match_weight), each once.
    """
    frame = resolved.to_pandas() if isinstance(resolved, pa.Table) else resolved
    customer = frame.set_index(["service", "entity"])["customer_id"]
    if labels.who is not None:
        return _evaluate_who(customer, labels.who, scored)
    if labels.pairs is None:
        raise ValueError("labels hold neither entities nor pairs")
    return _evaluate_pairs(customer, labels.pairs, scored)


def _evaluate_who(customer: "pd.Series[str]", who: pd.DataFrame, scored: pd.DataFrame | None) -> Evaluation:
    found = _look_up(customer, who, ["service", "entity"])
    known = found.notna()
    people, person = np.unique(who["person"].to_numpy(str), return_inverse=True)
    curve = threshold_curve([], [], 0)
    if scored is not None:
        persons = pd.Series(person, index=pd.MultiIndex.from_frame(who[["service", "entity"]]))
        left, right = (_look_up(persons, scored, ends) for ends in (_LEFT, _RIGHT))
        judged = left.notna() & right.notna()
        sizes = np.bincount(person)
        curve = threshold_curve(
            scored["match_weight"][judged], (left == right)[judged], int((sizes * (sizes - 1) // 2).sum())
        )
    return Evaluation(
        labelled=len(who),
        absent=int((~known).sum()),
        unlabelled=len(customer) - int(known.sum()),
        customers=int(found.nunique()),
        people=len(people),
        pairs=(whole := score_clusters(found, person)).pairs,
        whole=whole,
        curve=curve,
    )


def _evaluate_pairs(customer: "pd.Series[str]", pairs: pd.DataFrame, scored: pd.DataFrame | None) -> Evaluation:
    left, right = (_look_up(customer, pairs, ends) for ends in (_LEFT, _RIGHT))
    known = left.notna() & right.notna()
    ends = [pairs[names].set_axis(["service", "entity"], axis=1) for names in (_LEFT, _RIGHT)]
    entities = pd.concat(ends).drop_duplicates()
    here = _look_up(customer, entities, ["service", "entity"])
    curve = threshold_curve([], [], 0)
    if scored is not None:
        weight = _in_order(scored).set_index([*_LEFT, *_RIGHT])["match_weight"]
        weights = _look_up(weight, pairs, [*_LEFT, *_RIGHT])
        judged = weights.notna()
        curve = threshold_curve(weights[judged], pairs["same"][judged], int(pairs["same"].sum()))
    return Evaluation(
        labelled=len(pairs),
        absent=int((~known).sum()),
        unlabelled=len(customer) - int(here.notna().sum()),
        customers=int(here.nunique()),
        people=0,
        pairs=score_pairs(known & (left == right), pairs["same"]),
        whole=None,
        curve=curve,
    )


def _look_up(values: "pd.Series[str]", rows: pd.DataFrame, names: list[str]) -> "pd.Series[str]":
    keys = pd.MultiIndex.from_frame(rows[names])
    return pd.Series(values.reindex(keys).to_numpy(), index=rows.index)


def _in_order(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each pair with the smaller entity on its left, as the ledger has it."""
    left, right = pairs[_LEFT].set_axis(range(2), axis=1), pairs[_RIGHT].set_axis(range(2), axis=1)
    swap = (left[0] > right[0]) | ((left[0] == right[0]) & (left[1] > right[1]))
    ordered = pairs.copy()
    ordered.loc[swap, [*_LEFT, *_RIGHT]] = pairs.loc[swap, [*_RIGHT, *_LEFT]].to_numpy()
    return ordered


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            parquet: pd.DataFrame = pq.read_table(path).to_pandas()
            return parquet
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError:
        raise PermanentFailure(f"{path}: there is no such file; {_SHAPES}") from None
    except OSError as error:
        raise PermanentFailure(f"{path}: the labels cannot be read: {error.strerror or 'no Parquet file'}") from None
    except (ValueError, pa.ArrowException):
        # The text of the error may quote a row.
        raise PermanentFailure(f"{path}: this is no CSV in UTF-8 and no Parquet file (.parquet); {_SHAPES}") from None


def _filled(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as trimmed text; an empty table and empty cells are refused."""
    if not len(rows):
        raise PermanentFailure(f"{path}: there are no labels below the header")
    text = pd.DataFrame({name: rows[name].astype("string").fillna("").str.strip() for name in rows.columns})
    if (empty := (text == "").any(axis=1)).any():
        _refuse(path, empty, "have an empty cell", "give every column a value, or leave the row out")
    return text.astype(str).reset_index(drop=True)


def _who(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.drop_duplicates()
    if (twice := rows.duplicated(["service", "entity"])).any():
        _refuse(path, twice, "label an entity as another person than a row before", "an entity is one person")
    return rows.reset_index(drop=True)


def _pairs(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    said = rows["same"].str.lower()
    if (unclear := ~said.isin(_TRUE | _FALSE)).any():
        _refuse(path, unclear, "say neither true nor false under 'same'", "write true or false")
    if (self_pair := (rows[_LEFT].to_numpy() == rows[_RIGHT].to_numpy()).all(axis=1)).any():
        _refuse(path, pd.Series(self_pair), "pair an entity with itself", "leave them out")
    rows = _in_order(rows.assign(same=said.isin(_TRUE))).drop_duplicates()
    if (twice := rows.duplicated([*_LEFT, *_RIGHT])).any():
        _refuse(path, twice, "contradict a row before", "a pair is one person or it is not")
    return rows.reset_index(drop=True)


def _refuse(path: Path, wrong: "pd.Series[bool]", what: str, way_out: str) -> None:
    """Name the rows by their number below the header: their content is personal data."""
    numbers = [int(number) + 1 for number in wrong.index[wrong][:5]]
    more = " ..." if wrong.sum() > len(numbers) else ""
    raise PermanentFailure(
        f"{path}: {int(wrong.sum())} rows {what} (row {', '.join(map(str, numbers))}{more}); {way_out}"
    )


def _nobody_known(resolved: pd.DataFrame, labels: Labels) -> str:
    if not len(resolved):
        return "there are no customers yet to evaluate; materialize identity/identity_map first (cx run)"
    frame = labels.who if labels.who is not None else labels.pairs
    column = "service" if labels.who is not None else "left_service"
    named = sorted(frame[column].unique()) if frame is not None else []
    known = sorted(resolved["service"].unique())
    hints = "; ".join(f"{name}{suggestion(name, known)}" for name in named if name not in known)
    return f"none of the labelled entities is in the identity map, which has entities of {', '.join(known)}" + (
        f"; it does not know {hints}" if hints else "; are these the services' own customer ids?"
    )
