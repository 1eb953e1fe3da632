"""The JSON paths of documents, and which of their names may be shown where no person's data may be.

Belongs here: documents to paths. Does not belong here: comparing them (``schema_drift.py``), and paths that people
declare (``paths.py``).

A name of a key can be a person: objects are used as maps from e-mail addresses, user names or ids. A key is replaced by
``*`` when it does not look like a name of a field, and all keys of an object when the object looks like a map; what a
service's file names itself is shown in any case.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cx_orchestration.integration.paths import parse_path
from cx_orchestration.model.service import Stream

#: What stands for keys that are not shown.
ANY = "*"

_DEEPEST = 20
_MOST_NODES = 1_000  # of one document
_MOST_KEYS = 200  # of one object; more keys than that are no fields
_FEWEST_KEYS_OF_A_MAP = 8

_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,63}")
_HEX = re.compile(r"[0-9a-f-]{12,}", re.I)
_MOST_DIGITS = 3


@dataclass(frozen=True)
class Place:
    """A path as shown, and the numbers of the documents that have it, ascending."""

    path: str
    records: list[int]


@dataclass
class _Node:
    records: list[int] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    children: dict[str, "_Node"] = field(default_factory=dict)
    items: "_Node | None" = None
    objects: int = 0  # objects with keys seen here
    keys: int = 0  # keys of all of them
    is_map: bool = False


class PathTree:
    """The paths of documents, put together; positions in lists count as one, ``[]``."""

    def __init__(self, declared: frozenset[str]) -> None:
        self._declared = declared
        self._root = _Node()

    def add(self, number: int, document: Any) -> None:
        """Add a document; the numbers of documents ascend. Of a huge or deep one only a part is looked at."""
        pending = [(self._root, document, 0)]
        for _ in range(_MOST_NODES):
            if not pending:
                return
            node, value, depth = pending.pop()
            if not node.records or node.records[-1] != number:
                node.records.append(number)
            node.kinds.add(type(value).__name__)
            if depth == _DEEPEST:
                continue
            if isinstance(value, list):
                node.items = node.items or _Node()
                pending += [(node.items, each, depth + 1) for each in value[:_MOST_NODES]]
            elif isinstance(value, dict) and value:
                node.objects += 1
                node.keys += len(value)
                for key, each in list(value.items())[:_MOST_NODES]:
                    pending.append((self._child(node, key), each, depth + 1))

    def places(self) -> Iterator[Place]:
        """Every path with the documents that have it; the document itself is none."""
        self._collapse(self._root)
        pending = [("", self._root)]
        while pending:
            path, node = pending.pop()
            if path:
                yield Place(path, node.records)
            if node.items is not None:
                pending.append((f"{path}[]", node.items))
            pending += [(f"{path}.{key}" if path else key, child) for key, child in node.children.items()]

    def _child(self, node: _Node, key: str) -> _Node:
        shown = key if key in self._declared or (not node.is_map and _is_a_field(key)) else ANY
        if shown not in node.children and len(node.children) >= _MOST_KEYS:
            self._merge_keys(node)
            shown = shown if shown in node.children else ANY
        return node.children.setdefault(shown, _Node())

    def _collapse(self, node: _Node) -> None:
        pending = [node]
        while pending:
            each = pending.pop()
            if self._looks_like_a_map(each):
                self._merge_keys(each)
            pending += [*each.children.values(), *([each.items] if each.items is not None else [])]

    def _looks_like_a_map(self, node: _Node) -> bool:
        """Many keys, of which an object has few, are a map's when they come and go, or all lead to one kind of value.

        A wrong guess costs the names of fields that no mapping reads; the other way round it would show a person.
        """
        loose = {key: child for key, child in node.children.items() if key not in self._declared and key != ANY}
        if len(loose) < _FEWEST_KEYS_OF_A_MAP or len(node.children) <= 3 * node.keys / max(node.objects, 1):
            return False
        rare = sum(len(child.records) <= 2 for child in loose.values())
        kinds = {tuple(sorted(child.kinds - {"NoneType"})) for child in loose.values()}
        return 2 * rare > len(loose) or len(kinds) == 1

    def _merge_keys(self, node: _Node) -> None:
        node.is_map = True
        merged = node.children.pop(ANY, _Node())
        for key in [key for key in node.children if key not in self._declared]:
            _merge(merged, node.children.pop(key))
        node.children[ANY] = merged


def declared_names(stream: Stream) -> frozenset[str]:
    """The names of keys that a stream's declaration reads: people wrote them down, so they may be shown."""
    return frozenset(_names(stream.model_dump(mode="json", exclude={"endpoint", "files"})))


def _names(declared: Any) -> Iterator[str]:
    for key, value in declared.items() if isinstance(declared, dict) else ():
        texts = [value] if key == "path" else value if key == "coalesce" else ()
        for text in texts or ():
            if isinstance(text, str):
                yield from (step for step in parse_path(text).steps if isinstance(step, str))
        for each in value if isinstance(value, list) else [value]:
            yield from _names(each)


def _is_a_field(key: str) -> bool:
    """Whether a key looks like a name that developers give: no address, no number, no id, no foreign characters."""
    digits = sum(character.isdigit() for character in key)
    return _FIELD.fullmatch(key) is not None and digits <= _MOST_DIGITS and _HEX.fullmatch(key) is None


def _merge(into: _Node, other: _Node) -> None:
    pending = [(into, other)]
    while pending:
        left, right = pending.pop()
        left.records = sorted({*left.records, *right.records})
        left.kinds |= right.kinds
        left.objects += right.objects
        left.keys += right.keys
        left.is_map |= right.is_map
        if right.items is not None:
            left.items = left.items or _Node()
            pending.append((left.items, right.items))
        pending += [(left.children.setdefault(key, _Node()), child) for key, child in right.children.items()]
