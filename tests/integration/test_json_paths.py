"""The path grammar, and that Python and DuckDB mean the same by a path."""

import json
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.integration.fields import Fields
from cx_orchestration.integration.paths import MISSING, Path, parse_path

NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name != "*"
)
STEPS = st.lists(NAMES | st.integers(0, 3), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ('a."odd name".c', ("a", "odd name", "c")),
        ("[1][0].x-y", (1, 0, "x-y")),
        ('"a.b"[2]', ("a.b", 2)),
        (r'"say \"hi\""', ('say "hi"',)),
        ("größe", ("größe",)),
    ],
)
def test_a_path_is_read_step_by_step(text: str, steps: tuple[Any, ...]) -> None:
    assert parse_path(text).steps == steps


BAD_TEXTS = [
    ".",
    "a.",
    ".a",
    "a..b",
    "a[",
    "a[x]",
    "a[-1]",
    "a[01]",
    'a"b"',
    '""',
    '"*"',
    "a'b",
    '"open',
    'a."\\ud800"',
]


@pytest.mark.parametrize("text", ["", "a b", *BAD_TEXTS])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|name"):
        parse_path(text)


def test_a_list_is_entered_by_index_only_and_an_object_by_name_only() -> None:
    document = {"list": [10], "object": {"0": 20}, "nothing": None}
    assert parse_path("list[0]").of(document) == 10
    assert parse_path('list."0"').of(document) is MISSING
    assert parse_path("object[0]").of(document) is MISSING
    assert parse_path("nothing").of(document) is None
    assert parse_path("nothing.more").of(document) is MISSING
    assert parse_path("list[1]").of(document) is MISSING


@settings(deadline=None, derandomize=True)
@given(STEPS)
def test_every_name_means_the_same_in_duckdb(steps: list[str | int]) -> None:
    document: Any = "found"
    for step in reversed(steps):
        document = {step: document} if isinstance(step, str) else [None] * step + [document]
    path = Path("", tuple(steps))
    assert path.of(document) == "found"
    row = duckdb.execute(
        "SELECT json_extract_string($doc, [$path])", {"doc": json.dumps(document), "path": path.duckdb}
    )
    assert row.fetchone() == (["found"],)


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("ab\"'{}[]é ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "A", "b", "o'd", 'q"']), inner),
    max_leaves=8,
)
PATHS = st.lists(
    st.sampled_from(
        [*"aAb", "a.b", "a.a", "a[0]", "a[1].b", "a[0].A", '"o\'d"', 'b."q\\""', "[0]", "[1].a", "b[0][1]"]
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@settings(deadline=None, derandomize=True)
@given(DOCUMENTS, PATHS)
def test_extraction_in_one_pass_agrees_with_python(document: Any, paths: list[str]) -> None:
    fields = Fields()
    columns = {fields.column(path): path for path in paths}
    sql = f"SELECT {', '.join(fields.selection('d'))} FROM (SELECT {fields.extraction('payload')} AS d FROM t)"
    found = duckdb.execute(f"WITH t AS (SELECT $p::VARCHAR AS payload) {sql}", {"p": json.dumps(document)}).fetchone()
    assert found is not None
    for value, column in zip(found, columns, strict=True):
        assert value == shown(parse_path(columns[column]).of(document)), columns[column]


def shown(value: Any) -> str | None:
    """What DuckDB shows of a value as text; empty text counts as nothing."""
    if value is None or value is MISSING or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
