"""What the records of a dropped file must have to count, and whether a file has it.

Belongs here: which of the declared paths a file cannot do without, and the words for a file that lacks them. Does not
belong here: reading files (``files.py``), and records that lack single values (``mapping.py``).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import EventMapping, ProfileMapping, Stream
from cx_orchestration.model.values import Time, Value

_SHOWN = 20

#: Whether a file has anything at a path, be it null.
_Has = Callable[[str], bool]


def check_headings(where: str, stream: Stream, headings: Sequence[str]) -> None:
    """Raises ``PermanentFailure`` for a file whose headings lack what its records need: an id, a time, and all that an
    event or the profile cannot be made without."""

    def has(path: str) -> bool:
        first = next(iter(parse_path(path).steps), None)
        return not isinstance(first, str) or first in headings

    lacks = _lacks(stream, has, of_each=True)
    if lacks:
        # The first line of a file without headings is a record, which may not be repeated.
        named = [path for path in _paths(stream) if isinstance(next(iter(parse_path(path).steps), None), str)]
        known = _most(sum(map(has, named)), len(named))
        raise _lacking(where, lacks, "column", _listed("there are", headings) if known else _NO_HEADINGS)


class RecordsChecked:
    """Looks at the records of a file that has no headings as they pass.

    A record need not have every field, so only what none of them has is missing, and of a single record the mapping
    says what is wrong.
    """

    def __init__(self, where: str, stream: Stream) -> None:
        self._where, self._stream = where, stream
        self._wanted = [parse_path(path) for path in _paths(stream)]
        self._waited_for = self._wanted
        self._lacks = self._lacking()
        self._records = 0
        self._names: dict[str, None] = {}

    def see(self, record: Any) -> None:
        """Take note of what one record has. Costs nothing once all that is needed was seen."""
        self._records += 1
        if not self._lacks:
            return
        if isinstance(record, dict) and len(self._names) <= _SHOWN:
            self._names |= dict.fromkeys(record)
        left = [path for path in self._waited_for if path.of(record) is MISSING]
        if len(left) < len(self._waited_for):
            self._waited_for = left
            self._lacks = self._lacking()

    def finish(self) -> None:
        """Raises ``PermanentFailure`` when there are several records and none has what all of them need."""
        if self._lacks and self._records > 1:
            # Where little is what it should be, names may be values.
            known = _most(len(self._wanted) - len(self._waited_for), len(self._wanted))
            told = _listed("there are", list(self._names)) if known else "nor any other of those that it needs"
            raise _lacking(self._where, self._lacks, "field", f"{told} (in {self._records:,} records)")

    def _lacking(self) -> list[str]:
        absent = {str(path) for path in self._waited_for}

        def has(path: str) -> bool:
            return path not in absent

        return _lacks(self._stream, has, of_each=False)


_NO_HEADINGS = "nor any other of those that it needs: is there a line of headings above the records?"


def _most(found: int, wanted: int) -> bool:
    """Whether so much is there that the rest are names, too, and may be repeated."""
    return 2 * found >= wanted > 0


def _lacking(where: str, lacks: list[str], what: str, found: str) -> PermanentFailure:
    missing = " and no ".join(f"'{path}'" for path in dict.fromkeys(lacks))
    return PermanentFailure(
        f"{where}: no {what} {missing}, which the stream's records need; {found}. Correct the file and place it again, "
        "or correct the stream's declaration"
    )


def _listed(what: str, names: Sequence[str]) -> str:
    more = " and more" if len(names) > _SHOWN else ""
    return f"{what} {', '.join(repr(name) for name in names[:_SHOWN]) or 'no others'}{more}"


def _made_of(stream: Stream) -> list[EventMapping | ProfileMapping]:
    return [*stream.events, *([stream.profile] if stream.profile else [])]


def _lacks(stream: Stream, has: _Has, *, of_each: bool) -> list[str]:
    """The absent paths without which no record counts or, with ``of_each``, some that fit would be rejected.

    An event or profile that no record can fit asks for nothing, as long as there is another.
    """
    excluded = [(each, _excluded(each, has)) for each in _made_of(stream)]
    of_those_that_fit = [_lacks_for(each, has) for each, why in excluded if not why]
    if not of_those_that_fit:
        made = [path for _, why in excluded for path in why]
    elif of_each or all(of_those_that_fit):
        made = [path for lacks in of_those_that_fit for path in lacks]
    else:
        made = []
    return _absent(stream.record_id, has) + (_absent(stream.updated_at, has) if stream.updated_at else []) + made


def _lacks_for(made: EventMapping | ProfileMapping, has: _Has) -> list[str]:
    """The absent paths without which every record that fits would be rejected."""
    time = _absent(made.occurred_at, has) if isinstance(made, EventMapping) else []
    return time + _absent(made.entity, has)


def _excluded(made: EventMapping | ProfileMapping, has: _Has) -> list[str]:
    """The absent paths because of which no record can fit."""
    wanted = [each.path for each in made.when if each.exists or each.any_of is not None]
    kind = _absent(made.type, has) if isinstance(made, EventMapping) and isinstance(made.type, Value) else []
    return [path for path in wanted if not has(path)] + kind


def _absent(declared: Value | Time, has: _Has) -> list[str]:
    """The absent paths because of which this can have no value; empty when it can have one."""
    if isinstance(declared, Time):
        return [] if any(map(has, declared.paths)) else declared.paths
    if declared.default is not None or declared.const is not None:
        return []
    if declared.path is not None:
        return [] if has(declared.path) else [declared.path]
    parts = [_absent(part, has) for part in (declared.coalesce or declared.concat or [])]
    if declared.coalesce is not None and not all(parts):
        return []
    return [path for part in parts for path in part]


def _paths(stream: Stream) -> list[str]:
    """Every path that matters here, each once."""
    return list(dict.fromkeys(_all_paths(stream)))


def _all_paths(stream: Stream) -> Iterator[str]:
    def nothing(_: str) -> bool:
        return False

    yield from _lacks(stream, nothing, of_each=True)
    for made in _made_of(stream):
        yield from _excluded(made, nothing)
        yield from _lacks_for(made, nothing)
