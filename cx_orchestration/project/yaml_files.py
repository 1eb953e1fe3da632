"""Reads one YAML file of a project folder into plain values, and refuses what could surprise or harm.

Belongs here: bytes to values and the line each came from. Does not belong here: what the values mean.

The reading is that of YAML 1.2 and not of 1.1: ``on``, ``yes`` and ``12:30`` are text, as in editors and JSON Schema.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
#: Values of a file after its aliases are written out; 270 bytes of aliases can stand for 43 million.
MAX_VALUES = 100_000

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_LONG_INTEGER = re.compile(r"[-+]?[1-9][0-9]{18,}")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_UNUSABLE_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

#: The way to a value: keys of mappings and positions in lists.
KeyPath = tuple[str | int, ...]


class YamlProblem(Exception):
    """Why a file cannot be read; ``line`` and ``column`` count from 1."""

    def __init__(self, expected: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.line = line
        self.column = column


class EmptyYaml(YamlProblem):
    """The file is there and says nothing."""


@dataclass(frozen=True)
class YamlFile:
    """The values of a file, and the line on which each begins, by path."""

    values: Any
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int | None:
        """The line of a value, or of the nearest thing around it that is there."""
        for length in range(len(path), -1, -1):
            if (found := self.lines.get(path[:length])) is not None:
                return found
        return None

    def line_of(self, written: str) -> int | None:
        """The same for a path as errors write it: ``streams.charges.events[0].type``."""
        by_name = {".".join(map(str, path)): line for path, line in self.lines.items()}
        name = re.sub(r"\[(\d+)\]", r".\1", written)
        while name and name not in by_name:
            name = name.rpartition(".")[0]
        return by_name.get(name)


def read_yaml(path: Path) -> YamlFile:
    """The content of a YAML file. Raises ``YamlProblem``.

    Keys are text as written. Numbers that text would not survive (``007``, ``1_000``) stay text.
    """
    return parse_yaml(_text(path))


def parse_yaml(text: str) -> YamlFile:
    """The values of a YAML document. Raises ``YamlProblem``."""
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            raise YamlProblem(_in_plain_words(error, "")) from None
        lines = text.splitlines(keepends=True)
        at = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        raise YamlProblem(_in_plain_words(error, at), mark.line + 1, mark.column + 1) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise YamlProblem("expected text without control characters", line) from None


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise YamlProblem("expected a file" if path.exists() else "the file is missing")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise YamlProblem(f"the file cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise YamlProblem(f"expected a file of at most {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlProblem("expected UTF-8 text; save the file with that encoding", line) from None
    if match := _UNUSABLE_CHARACTER.search(text):
        raise YamlProblem("expected text without control characters", text.count("\n", 0, match.start()) + 1)
    if not text.strip():
        raise EmptyYaml("the file is empty")
    return text


class _Composer:
    """Builds values from a stream of YAML events, counting as it goes: nothing is expanded before it is allowed.

    An alias repeats the events of its anchor: what it stands for is counted again.
    """

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._lines: dict[KeyPath, int] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: set[str] = set()
        self._count = 0

    def document(self) -> YamlFile:
        next(self._events)  # the stream starts
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise EmptyYaml("the file has no values, only comments")
        values = self._value(next(self._events), (), 0)
        next(self._events)  # the document ends
        if not isinstance(event := next(self._events), yaml.StreamEndEvent):
            raise _problem(event, "expected one document; remove the second '---'")
        return YamlFile(values, self._lines)

    def _value(self, event: Event, path: KeyPath, depth: int) -> Any:
        self._admit(event, 1, depth)
        self._lines.setdefault(path, _place(event)[0])
        if isinstance(event, AliasEvent):
            return self._repeated(event, depth)
        if not isinstance(event, ScalarEvent | CollectionStartEvent):
            raise _problem(event, "expected a value")
        if event.tag is not None:
            raise _problem(event, "expected a value without a tag such as !!str or !include")
        before = self._count
        if event.anchor:
            self._open_anchors.add(event.anchor)
        value: Any
        if isinstance(event, ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(path, depth)
        else:
            value = self._list(path, depth)
        if event.anchor:
            self._open_anchors.discard(event.anchor)
            self._anchors[event.anchor] = (value, self._count - before + 1)
        return value

    def _repeated(self, event: AliasEvent, depth: int) -> Any:
        if event.anchor in self._open_anchors:
            raise _problem(event, f"expected an alias of something finished; '*{event.anchor}' contains itself")
        if event.anchor not in self._anchors:
            raise _problem(event, f"expected an anchor '&{event.anchor}' above this alias")
        value, size = self._anchors[event.anchor]
        self._admit(event, size, depth + _height(value))
        return value

    def _mapping(self, path: KeyPath, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise _problem(event, "expected a key that is a plain word")
            key = event.value
            if event.tag is not None or event.anchor is not None or key == "<<":
                raise _problem(event, "expected a plain key: no tag, anchor or merge key '<<'")
            if key in values:
                raise _problem(event, f"expected each key once; '{_short(key)}' stands here a second time")
            self._lines[(*path, key)] = _place(event)[0]
            values[key] = self._value(next(self._events), (*path, key), depth + 1)
        return values

    def _list(self, path: KeyPath, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            values.append(self._value(event, (*path, len(values)), depth + 1))
        return values

    def _admit(self, event: Event, values: int, depth: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            raise _problem(event, f"expected at most {MAX_VALUES:,} values, those that aliases repeat included")
        if depth > MAX_DEPTH:
            raise _problem(event, f"expected at most {MAX_DEPTH} levels of nesting")


def _scalar(event: ScalarEvent) -> str | int | float | bool | None:
    text: str = event.value
    if match := _UNUSABLE_CHARACTER.search(text):
        raise _problem(event, f"expected text without the character {match.group()!a}")
    if not event.implicit[0]:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _LONG_INTEGER.fullmatch(text):
        raise _problem(event, "expected a number of at most 18 digits; put it in quotes if it is text")
    if _DECIMAL.fullmatch(text):
        if math.isfinite(number := float(text)):
            return number
        raise _problem(event, "expected a number of at most 308 digits; put it in quotes if it is text")
    if _NOT_A_NUMBER.fullmatch(text):
        raise _problem(event, "expected a finite number; put it in quotes if it is text")
    return text


def _height(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_height, inner)) if inner else 0


def _problem(event: Event, expected: str) -> YamlProblem:
    return YamlProblem(expected, *_place(event))


def _place(event: Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    return (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (1, 1)


def _short(key: str) -> str:
    return key if len(key) <= 40 else key[:39] + "…"


def _in_plain_words(error: yaml.MarkedYAMLError, character: str) -> str:
    problem = error.problem or "cannot be read"
    if character == "\t":
        return "expected spaces; tabs cannot indent YAML"
    if "mapping values are not allowed" in problem:
        return "expected no second ':' here; put text that contains ': ' in quotes"
    if "could not find expected ':'" in problem:
        return "expected ':' after the key"
    if "cannot start any token" in problem:
        return "expected quotes around text that begins with a special character"
    return f"expected valid YAML: {problem}"
