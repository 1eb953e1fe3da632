"""All paths that a stream's mapping uses, taken out of a payload in one pass.

Belongs here: paths to SQL columns. Does not belong here: what becomes of them (``mapping_sql.py``).
"""

import json
from dataclasses import dataclass, field

from cx_orchestration.integration.paths import Step, duckdb_path, parse_path


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass
class _Node:
    wanted: list[str] = field(default_factory=list)
    names: dict[str, "_Node"] = field(default_factory=dict)
    items: dict[int, "_Node"] = field(default_factory=dict)

    @property
    def mixed(self) -> bool:
        """Used as a value and entered as well, entered by name and by index, or with names that differ in case only:
        no type of a struct fits, so it stays JSON."""
        folded = {name.casefold() for name in self.names}
        return sum(map(bool, (self.wanted, self.names, self.items))) > 1 or len(folded) < len(self.names)


class Fields:
    """The paths used, each as a column ``f0``, ``f1``, ... of text; empty text counts as nothing.

    One ``json_transform`` for all of them costs about half of one ``json_extract_string`` with a list of paths, and a
    sixth of one call a path (12 fields, payloads of 400 bytes).
    """

    def __init__(self) -> None:
        self._columns: dict[tuple[Step, ...], str] = {}

    def column(self, path: str) -> str:
        """The column that holds the value at a path."""
        steps = parse_path(path).steps
        return self._columns.setdefault(steps, f"f{len(self._columns)}")

    def names(self) -> list[str]:
        return list(self._columns.values())

    def extraction(self, payload: str) -> str:
        """SQL for one value ``document`` with all fields of a payload; null where the payload is not JSON."""
        root = self._tree()
        if root.mixed or root.wanted:
            return f"TRY(CAST({payload} AS JSON))"
        return f"TRY(json_transform({payload}, {literal(json.dumps(_structure(root), ensure_ascii=False))}))"

    def selection(self, document: str) -> list[str]:
        """SQL for the columns, taken from ``document``."""
        found: dict[str, str] = {}
        _select(self._tree(), document, found)
        return [f"NULLIF({found[column]}, '') AS {column}" for column in self._columns.values()]

    def _tree(self) -> _Node:
        root = _Node()
        for steps, column in self._columns.items():
            node = root
            for step in steps:
                node = (
                    node.names.setdefault(step, _Node())
                    if isinstance(step, str)
                    else node.items.setdefault(step, _Node())
                )
            node.wanted.append(column)
        return root


def _structure(node: _Node) -> object:
    if node.mixed:
        return "JSON"
    if node.names:
        return {name: _structure(child) for name, child in node.names.items()}
    if node.items:
        return [_structure(_element(node))]
    return "VARCHAR"


def _element(node: _Node) -> _Node:
    """What all elements of a list that are used have in common, since a list has one type."""
    merged = _Node()
    for item in node.items.values():
        _merge(merged, item)
    return merged


def _merge(into: _Node, other: _Node) -> None:
    into.wanted += other.wanted
    for name, child in other.names.items():
        _merge(into.names.setdefault(name, _Node()), child)
    for index, child in other.items.items():
        _merge(into.items.setdefault(index, _Node()), child)


def _select(node: _Node, sql: str, found: dict[str, str], shape: _Node | None = None) -> None:
    """``shape`` is the node whose structure was extracted: a list's elements share that of all of them."""
    shape = shape or node
    if shape.mixed or not (shape.names or shape.items):
        _select_json(node, sql, (), found, is_json=shape.mixed)
        return
    for name, child in node.names.items():
        _select(child, f"struct_extract({sql}, {literal(name)})", found, shape.names[name])
    for index, child in node.items.items():
        _select(child, f"list_extract({sql}, {index + 1})", found, _element(shape))


def _select_json(node: _Node, sql: str, steps: tuple[Step, ...], found: dict[str, str], *, is_json: bool) -> None:
    for column in node.wanted:
        found[column] = f"json_extract_string({sql}, {literal(duckdb_path(steps))})" if is_json else sql
    for name, child in node.names.items():
        _select_json(child, sql, (*steps, name), found, is_json=is_json)
    for index, child in node.items.items():
        _select_json(child, sql, (*steps, index), found, is_json=is_json)
