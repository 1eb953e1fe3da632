"""Impact and complexity scores of every service, and what each dimension contributes (S1, S2).

Belongs here: inventory cells to values, values to scores. Does not belong here: what follows from a score.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from cx_orchestration.model.failures import PermanentFailure, ProjectError
from cx_orchestration.model.inventory import FIELD_BY_HEADER, HEADERS, InventoryRow, label_key, read_number
from cx_orchestration.model.scoring import Dimension, Scale, ScoringConfig

SCORES = ("impact", "complexity")

#: Decimals that count. Sums of fractions differ in the sixteenth: beyond this, two scores are equal and a bound is met.
DECIMALS = 6


def score(rows: Sequence[InventoryRow], config: ScoringConfig) -> pd.DataFrame:
    """One row per service, in alphabetical order.

    Columns: ``service``, ``impact_score`` and ``complexity_score`` (0 to 100), for each dimension ``<name>_value``
    (0 to 100) and ``<name>_share`` (points of its score that are due to it), and ``customers_per_year``, the largest
    number that any row of the service names. The shares of a score add up to it under both formulas.

    A service's rows become one value per dimension: ``strongest`` and ``hardest`` take the largest, ``mean`` the mean.

    Raises ``PermanentFailure`` with all cells that have no value; ``scoring_errors`` lists them for the project folder.
    """
    if errors := scoring_errors(rows, config):
        raise PermanentFailure("services cannot be scored:\n" + "\n".join(f"  {error}" for error in errors))
    services: dict[str, list[InventoryRow]] = {}
    for row in rows:
        services.setdefault(row.service, []).append(row)
    return pd.DataFrame.from_records(
        [_score(service, services[service], config) for service in sorted(services)],
        columns=[
            "service",
            *(f"{name}_score" for name in SCORES),
            *(f"{name}_{what}" for name in config.dimensions for what in ("value", "share")),
            "customers_per_year",
        ],
    )


def scoring_errors(rows: Iterable[InventoryRow], config: ScoringConfig) -> list[ProjectError]:
    """Everything that keeps services from being scored: absent columns, cells without a number, unknown labels."""
    rows = list(rows)
    errors: list[ProjectError] = []
    for name, dimension in config.dimensions.items():
        column = dimension.column
        if rows and all(row.text_of(column) is None for row in rows):
            further = sorted({extra for row in rows for extra in row.extras})
            expected = f"expected a column of the inventory: {', '.join([*HEADERS, *further])}"
            errors.append(ProjectError("scoring.yaml", f"dimensions.{name}.column", column, expected))
            continue
        title = HEADERS.get(FIELD_BY_HEADER.get(column, column), column)
        wrong = {(row.service, _cell(row, column)) for row in rows if _value(_cell(row, column), dimension) is None}
        for service, cell in sorted(wrong):
            expected = f"{_allowed(dimension)}, for dimension '{name}' of scoring.yaml"
            found = cell if cell else "an empty cell"
            errors.append(ProjectError("inventory.csv", f"service {service}, column {title}", found, expected))
    return errors


def on_scale(number: float, scale: Scale) -> float:
    """Where a number lies between ``lowest`` (0) and ``highest`` (100).

    Linear: ``100 (n - lowest) / (highest - lowest)``. Log: the same with ``ln(1 + n)`` in place of each number. Numbers
    beyond an end get the end's value.
    """
    number = min(max(number, scale.lowest), scale.highest)
    if scale.kind == "log":
        low, high, number = math.log1p(scale.lowest), math.log1p(scale.highest), math.log1p(number)
    else:
        low, high = scale.lowest, scale.highest
    return 100 * (number - low) / (high - low)


def weighted_mean(values: Mapping[str, float], weights: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """``sum(w v) / sum(w)``; a dimension's share is its own term, ``w v / sum(w)``."""
    total = math.fsum(weights.values())
    shares = {name: weights[name] * value / total for name, value in values.items()}
    return math.fsum(shares.values()), shares


def weighted_geometric_mean(
    values: Mapping[str, float], weights: Mapping[str, float]
) -> tuple[float, dict[str, float]]:
    """``100 * product((v / 100) ** (w / sum(w)))``: one low value costs more than a high one can make good, and a value
    of 0 makes the score 0.

    A product has no terms to call shares. Seen from the full 100, though, each dimension loses in proportion to
    ``w ln(100 / v)``: that is its part of the ``100 - score`` points that are missing. Its share is what remains of its
    part of the full 100, ``100 w / sum(w) - loss``. Shares add up to the score; one below 0 belongs to a dimension that
    costs more points than its weight is worth. Values of 0 bear all the loss, in proportion to their weights.
    """
    total = math.fsum(weights.values())
    weighing = {name: weights[name] / total for name in values}
    if zeros := [name for name, value in values.items() if value == 0 and weighing[name] > 0]:
        lost = math.fsum(weighing[name] for name in zeros)
        losses = {name: (100 * weighing[name] / lost if name in zeros else 0.0) for name in values}
        return 0.0, {name: 100 * weighing[name] - losses[name] for name in values}
    terms = {
        name: weighing[name] * (math.log(100) - math.log(value)) if weighing[name] else 0.0
        for name, value in values.items()
    }
    missing = math.fsum(terms.values())
    score = 100 * math.exp(-missing)
    losses = {name: (100 - score) * term / missing if missing else 0.0 for name, term in terms.items()}
    return score, {name: 100 * weighing[name] - losses[name] for name in values}


_FORMULAS = {"weighted_mean": weighted_mean, "weighted_geometric_mean": weighted_geometric_mean}


def _score(service: str, rows: list[InventoryRow], config: ScoringConfig) -> dict[str, object]:
    record: dict[str, object] = {"service": service}
    for name in SCORES:
        dimensions = {key: each for key, each in config.dimensions.items() if each.score == name}
        rule = config.combine.impact if name == "impact" else config.combine.complexity
        values = {key: _combined(rows, each, rule) for key, each in dimensions.items()}
        weights = {key: each.weight for key, each in dimensions.items()}
        total, shares = _FORMULAS[config.formula](values, weights)
        record[f"{name}_score"] = round(total, DECIMALS)
        record |= {f"{key}_value": round(value, DECIMALS) for key, value in values.items()}
        record |= {f"{key}_share": share for key, share in shares.items()}
    record["customers_per_year"] = max(row.customers_per_year for row in rows)
    return record


def _combined(rows: list[InventoryRow], dimension: Dimension, rule: str) -> float:
    values = [value for row in rows if (value := _value(_cell(row, dimension.column), dimension)) is not None]
    return math.fsum(values) / len(values) if rule == "mean" else max(values)


def _cell(row: InventoryRow, column: str) -> str:
    return row.text_of(column) or ""


def _value(cell: str, dimension: Dimension) -> float | None:
    if dimension.values is not None:
        return {label_key(label): value for label, value in dimension.values.items()}.get(label_key(cell))
    number = read_number(cell)
    return None if number is None or dimension.scale is None else on_scale(number, dimension.scale)


def _allowed(dimension: Dimension) -> str:
    if dimension.values is not None:
        return f"expected one of {', '.join(dimension.values)}"
    return "expected a number such as 1200 or 1,200.50"
