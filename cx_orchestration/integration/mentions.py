"""Mentions of erased persons in what is about somebody else: found by keyed digests, and blotted out.

Belongs here: which values of a document are looked at, and what is put in their place. Does not belong here: whose a
record is (``erased.py``).

A value is looked at when it tells by itself who is meant: an e-mail address, wherever it stands in a text, or a text
that as a whole is an address, a phone number or an id, written as it was when the person was erased. In a document with
such a mention the person's other values, names and ids, are blotted out too where a text as a whole is one. Alone they
stay: a name is shared with others. A person's name in the middle of a text is not found.
"""

import re
from typing import Any

import orjson

from cx_orchestration.integration.records import parse_json, text_of
from cx_orchestration.model.tombstones import Kind, Tombstones, fold

#: What stands in place of a value.
BLOTTED = "(erased)"

# The parts are as long as RFC 5321 allows at most, which also bounds the search.
_OTHER = r"[^\s\"'<>()\[\]{},;:|\\/=?&@]"
_ADDRESS = re.compile(rf"{_OTHER}{{1,64}}@{_OTHER}{{0,254}}[^\s\"'<>()\[\]{{}},;:|\\/=?&@.!]")
_FEWEST_DIGITS, _SHORTEST, _LONGEST = 6, 8, 254
_DIGIT = re.compile(r"\d")

#: A text without any of this mentions nobody, which a quick look in bulk can tell: an address, or enough digits.
MAY_MENTION = rf"@|(?:\d[^\d]*){{{_FEWEST_DIGITS}}}"
_MAY_MENTION = re.compile(MAY_MENTION)


def is_telling(value: str) -> bool:
    """Whether a value, wherever it stands, hardly means anybody or anything else."""
    folded = fold(value)
    if "@" in folded:
        return _ADDRESS.fullmatch(folded) is not None
    return _SHORTEST <= len(folded) <= _LONGEST and len(_DIGIT.findall(folded)) >= _FEWEST_DIGITS


def blot(tombstones: Tombstones, text: str, *, before: int | None) -> str | None:
    """The text, a JSON document or any other, without mentions of persons erased at ``before`` or later; ``None`` when
    it mentions nobody.

    ``before`` is the time of what the text says, in microseconds since 1970: who was erased before that and is named
    again is a new customer. Without a time everybody counts.
    """
    if not _MAY_MENTION.search(text):
        return None
    document, _ = parse_json(text.encode("utf-8", "surrogatepass")) or (text, False)
    blotter = _Blotter(tombstones, before)
    if not blotter.mentioned(document):
        return None
    clean = blotter.clean(document)
    return clean if document is text else orjson.dumps(clean).decode()


class _Blotter:
    def __init__(self, tombstones: Tombstones, before: int | None) -> None:
        self._tombstones = tombstones
        self._before = before

    def mentioned(self, document: Any) -> bool:
        pending = [document]
        while pending:
            match pending.pop():
                case str() as text if self._names(text) or any(map(self._names, _ADDRESS.findall(text))):
                    return True
                case dict() as names:
                    pending += [*names.keys(), *names.values()]
                case list() as items:
                    pending += items
        return False

    def clean(self, value: Any) -> Any:
        """The value without the persons; what an object has under the name of one of them goes as a whole."""
        match value:
            case str() if self._names(value) or self._is_beside(value):
                return BLOTTED
            case str():
                return _ADDRESS.sub(lambda found: BLOTTED if self._names(found[0]) else found[0], value)
            case dict():
                kept = {name: each for name, each in value.items() if not self._names(name)}
                return {name: self.clean(each) for name, each in kept.items()}
            case list():
                return [self.clean(each) for each in value]
            case int() | float() if not isinstance(value, bool) and self._is_beside(text_of(value) or ""):
                return None
        return value

    def _names(self, text: str) -> bool:
        return is_telling(text) and self._counts(self._tombstones.when(Kind.VALUE, fold(text)))

    def _is_beside(self, text: str) -> bool:
        return len(text) <= _LONGEST and self._counts(self._tombstones.when(Kind.BESIDE, fold(text)))

    def _counts(self, erased_at: int | None) -> bool:
        return erased_at is not None and (self._before is None or self._before <= erased_at)
