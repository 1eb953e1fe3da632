"""Paths into JSON, parsed once: for Python (selectors, cursors) and for SQL (structures and DuckDB JSON paths).

Belongs here: the grammar ``a.b[0]."odd name".c`` and its two uses. Does not belong here: what a path means.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

Step = str | int


class _Missing:
    """The type of ``MISSING``."""

    def __repr__(self) -> str:
        return "MISSING"


#: What ``Path.of`` gives where the document has nothing at all; JSON's null is ``None``.
MISSING: Final = _Missing()

_TOKEN = re.compile(
    r"""(?P<dot>\.)?(?:(?P<bare>[\w@$-]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))"""
    r"""|\[(?P<index>0|[1-9]\d{0,5})\]"""
)


@dataclass(frozen=True)
class Path:
    """The way from a document to one of its values: names of objects and indices of lists."""

    text: str
    steps: tuple[Step, ...]

    def of(self, document: Any) -> Any:
        """The value in a parsed document, or ``MISSING``; a list is entered by index only, an object by name only."""
        value = document
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(value, dict) or step not in value:
                    return MISSING
                value = value[step]
            elif isinstance(value, list) and step < len(value):
                value = value[step]
            else:
                return MISSING
        return value

    def reader(self) -> Callable[[Any], Any]:
        """``of`` as a function of its own; for one name, which most paths are, it costs a third."""
        if len(self.steps) != 1 or not isinstance(self.steps[0], str):
            return self.of
        name = self.steps[0]
        return lambda document: document.get(name, MISSING) if isinstance(document, dict) else MISSING

    def column(self, documents: Iterable[Any]) -> list[Any]:
        """``of`` for each document; for one name without a call for each."""
        if len(self.steps) != 1 or not isinstance(self.steps[0], str):
            return [self.of(document) for document in documents]
        name = self.steps[0]
        return [document.get(name, MISSING) if type(document) is dict else MISSING for document in documents]

    @property
    def duckdb(self) -> str:
        """The same path for DuckDB's ``json_extract_string``; names are always quoted, so none can act as syntax."""
        return duckdb_path(self.steps)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Parse ``a.b[0]."odd name".c``; ``$`` is the document itself.

    Raises ``ValueError`` with the place of the first character that does not fit.
    """
    if text == "$":
        return Path(text, ())
    return Path(text, tuple(_steps(text)))


def duckdb_path(steps: tuple[Step, ...]) -> str:
    """``$."a"."b"[0]``, with quotes and backslashes in names escaped."""
    parts = [f"[{step}]" if isinstance(step, int) else '."' + _escaped(step) + '"' for step in steps]
    return "$" + "".join(parts)


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _steps(text: str) -> Iterator[Step]:
    position = 0
    while position < len(text) or position == 0:
        token = _TOKEN.match(text, position)
        if token is None or (token["index"] is None and (token["dot"] is None) != (position == 0)):
            raise ValueError(f'expected a path such as a.b[0]."odd name".c; it breaks at character {position + 1}')
        position = token.end()
        if token["index"] is not None:
            yield int(token["index"])
        elif token["bare"] is not None:
            yield token["bare"]
        else:
            yield _quoted(token["quoted"])


def _quoted(token: str) -> str:
    try:
        name = json.loads(token)
        name.encode()
    except ValueError as error:
        raise ValueError(f"{token} is not a name in double quotes") from error
    if name in ("", "*") or any(ord(character) < 32 for character in name):
        raise ValueError(f"{token} cannot be the name of a field in a path")
    return str(name)
