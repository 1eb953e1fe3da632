"""Reads ``inventory.csv`` as spreadsheets write it (C1), and reports everything wrong with it at once.

Belongs here: cells to inventory rows. Does not belong here: bytes to cells (``spreadsheet.py``); numbers and labels,
which scoring reads too (``model.inventory``).

Spelling is forgiven where one reading is possible: case, spaces and punctuation of headers and labels, grouped
thousands. Nothing is guessed beyond that.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cx_orchestration.catalog.spreadsheet import Unreadable, read_cells
from cx_orchestration.model.base import Slug, slug
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.inventory import (
    HEADERS,
    BusinessImpact,
    CustomerImpact,
    ImplementationProfile,
    IntegrationProfile,
    InventoryRow,
    ProductDependency,
    label_key,
    read_number,
)
from cx_orchestration.model.settings import InventoryFile
from cx_orchestration.model.words import closest, quoted

#: What teams write in the header for each field, besides its own header and its own name.
VARIANTS: dict[str, tuple[str, ...]] = {
    "system": ("system", "service", "system name", "service name", "system or service name", "tool"),
    "business_leader": ("business lead", "business owner"),
    "technical_leader": ("technical lead", "technical owner", "tech leader", "tech lead", "tech owner"),
    "business_function": ("function",),
    "customers_per_year": (
        "approximate number of customers impacted annually",
        "number of customers impacted annually",
        "approx number of customers",
        "approx customers impacted annually",
        "number of customers",
        "customers impacted annually",
        "customers a year",
    ),
    "product_dependency": ("product dependence",),
    "team": ("used by", "used by team", "team using it"),
    "observed_by": ("observer", "visited by"),
    "observed_on": ("observation date", "date observed", "date of visit", "visit date", "visited on"),
}

_FIELDS = {
    label_key(name): field_name
    for field_name, header in HEADERS.items()
    for name in (field_name, header, *VARIANTS.get(field_name, ()))
}
_LABELS: dict[str, type[StrEnum]] = {
    "business_impact": BusinessImpact,
    "customer_impact": CustomerImpact,
    "implementation_profile": ImplementationProfile,
    "integration_profile": IntegrationProfile,
    "product_dependency": ProductDependency,
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SLUG = TypeAdapter(Slug)


@dataclass
class _Header:
    """Which cell of a row holds which field, and which further column."""

    fields: dict[str, int] = field(default_factory=dict)
    extras: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    errors: list[ProjectError] = field(default_factory=list)


def read_inventory(path: Path, options: InventoryFile) -> tuple[list[InventoryRow], list[ProjectError]]:
    """The rows of the inventory that can be read, in the file's order, and everything that is wrong with the file.

    Rows are counted as a spreadsheet counts them: the header is row 1. Columns beyond those of C1 go to ``extras``.
    """
    try:
        table = read_cells(path, options, known=_known_columns)
    except Unreadable as unreadable:
        return [], [unreadable.error]
    header = _header(path.name, table[0], table[1:])
    if missing := [name for name in HEADERS if name not in header.fields]:
        return [], [*header.errors, _missing_columns(path.name, missing, header)]

    rows: list[InventoryRow] = []
    errors = list(header.errors)
    named: dict[str, tuple[str, int]] = {}
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        row, wrong = _row(path.name, number, cells, header)
        if name := _clean(cells[header.fields["system"]] if header.fields["system"] < len(cells) else ""):
            wrong += _name_errors(path.name, number, name, named)
        errors += wrong
        if row is not None and not wrong:
            rows.append(row)
    if not rows and not errors:
        errors.append(ProjectError(path.name, "", "", "the file has a header but no rows; add one a system"))
    return rows, errors


def _known_columns(names: Sequence[str]) -> int:
    return sum(label_key(name) in _FIELDS for name in names)


def _header(file: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> _Header:
    header = _Header(names=[_clean(name) for name in names])
    first: dict[str, str] = {}
    for index, name in enumerate(header.names):
        if not name:
            used = next((n for n, cells in enumerate(rows, 2) if index < len(cells) and cells[index].strip()), None)
            if used is not None:
                expected = f"column {index + 1} has no header, but row {used} has a value in it; name it or empty it"
                header.errors.append(ProjectError(file, "row 1", "", expected))
            continue
        known = _FIELDS.get(label_key(name))
        key = known or slug(name)
        if not key:
            header.errors.append(
                ProjectError(file, "row 1", quoted(name), "expected a header with a letter or digit in it")
            )
        elif key in first:
            expected = f"expected each column once; '{first[key]}' and '{name}' are the same one"
            header.errors.append(ProjectError(file, "row 1", "", expected))
        else:
            first[key] = name
            (header.fields if known else header.extras)[key] = index
    return header


def _missing_columns(file: str, missing: Sequence[str], header: _Header) -> ProjectError:
    """The error of a header without some fields: the names that probably stand for them, or else those unknown."""
    titles = [HEADERS[name] for name in missing]
    unknown = [header.names[index] for index in header.extras.values()]
    keys = {key: name for key, name in _FIELDS.items() if name in missing}
    meant: dict[str, str] = {}
    for written in unknown:
        if (key := closest(label_key(written), keys)) is not None:
            meant.setdefault(keys[key], written)
    expected = f"the header lacks {_count(titles, 'column')}: {', '.join(titles)}"
    if meant:
        expected += "; did you mean " + ", ".join(f"{HEADERS[name]} by {quoted(meant[name])}" for name in meant) + "?"
    further = [written for written in unknown if written not in meant.values()]
    found = ", ".join(quoted(written) for written in further) if len(meant) < len(missing) else ""
    return ProjectError(file, "row 1", found, expected)


def _row(
    file: str, number: int, cells: Sequence[str], header: _Header
) -> tuple[InventoryRow | None, list[ProjectError]]:
    errors: list[ProjectError] = []
    if any(cell.strip() for cell in cells[len(header.names) :]):
        expected = (
            f"expected {len(header.names)} cells as in the header; put a cell that contains the separator in quotes"
        )
        return None, [ProjectError(file, f"row {number}", f"{len(cells)} cells", expected)]
    values: dict[str, Any] = {}
    for name, title in HEADERS.items():
        index = header.fields[name]
        cell = _clean(cells[index]) if index < len(cells) else ""
        value, expected = _value(name, cell)
        if value is None:
            found = quoted(cell) if cell else "an empty cell"
            errors.append(ProjectError(file, f"row {number}, {title}", found, expected))
        values[name] = value
    if errors:
        return None, errors
    extras = {name: _clean(cells[index]) if index < len(cells) else "" for name, index in header.extras.items()}
    return InventoryRow(**values, extras=extras), []


def _value(name: str, cell: str) -> tuple[Any, str]:
    """What a cell of a field means, or ``None`` and what was expected of it."""
    if name in _LABELS:
        labels = {label_key(label): label for label in _LABELS[name]}
        key = label_key(cell)
        if name == "customer_impact":
            key = key.removesuffix("customers")
        expected = f"expected one of {', '.join(label.value for label in labels.values())}"
        if key in labels:
            return labels[key], expected
        near = closest(key, labels)
        return None, expected + (f"; did you mean '{labels[near].value}'?" if near else "")
    if name == "customers_per_year":
        number = read_number(cell)
        fits = number is not None and number.is_integer() and 0 <= number <= 10**12
        return int(number) if fits and number is not None else None, "expected a whole number such as 120000 or 120,000"
    if name == "observed_on":
        expected = "expected a date written year-month-day, such as 2026-11-05"
        if not _DAY.fullmatch(cell):
            return None, expected
        try:
            return dt.date.fromisoformat(cell), expected
        except ValueError:
            return None, f"{expected}; there is no such day"
    return cell or None, "expected some text"


def _name_errors(file: str, number: int, name: str, named: dict[str, tuple[str, int]]) -> list[ProjectError]:
    where = f"row {number}, {HEADERS['system']}"
    service = slug(name)
    try:
        _SLUG.validate_python(service)
    except ValidationError:
        expected = "expected a name with a Latin letter in it that makes a key of at most 63 letters, digits and '_'"
        return [ProjectError(file, where, quoted(name), expected)]
    first, first_row = named.setdefault(service, (name, number))
    if first != name:
        expected = (
            f"'{name}' and '{first}' of row {first_row} would both be called {service}; "
            "write one system the same way everywhere, or give two systems names that differ in letters or digits"
        )
        return [ProjectError(file, where, "", expected)]
    return []


def _clean(cell: str) -> str:
    """A cell without line breaks and doubled or surrounding spaces."""
    return " ".join(cell.split())


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"
