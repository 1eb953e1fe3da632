"""The declared order of a listing, held against its records as they come."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.times import micros, time_reader
from cx_orchestration.model.endpoint import Order
from cx_orchestration.model.values import Time


class OrderCheck:
    """Remembers the last value by which a listing is ordered; ``wrong`` makes the failure for a page out of order."""

    def __init__(self, order: Order, updated_at: Time | None, wrong: Callable[[str], Exception]) -> None:
        self._order = order
        self._by_time = updated_at is not None and updated_at.paths == [order.by]
        self._descending = order.direction == "descending"
        self._value = time_reader(updated_at) if self._by_time and updated_at else parse_path(order.by).reader()
        self._wrong = wrong
        self._last: Any = None

    def check(self, listed: Sequence[Any], records: Sequence[Record]) -> None:
        """Take what was listed next, and the records it was read into; what has no value is passed over."""
        if self._by_time and len(records) == len(listed):
            found: Iterable[Any] = [record.updated_at for record in records]
        else:
            found = map(self._value, listed)
        values = [value for value in found if value is not None and value is not MISSING]
        if self._last is not None:
            values.insert(0, self._last)
        if not values or self._is_ordered(values):
            self._last = values[-1] if values else None
            return
        raise self._wrong(
            f"records are not listed by '{self._order.by}' {self._order.direction} (order), so a record may have been "
            "missed"
        )

    def _is_ordered(self, values: list[Any]) -> bool:
        kinds = set(map(type, values))
        if kinds not in ({int}, {str}):
            families = {_family(value) for value in values}
            if len(families) > 1 or None in families:
                return False
        # Sorting what is sorted already is one comparison a value, without any Python between them.
        return values == sorted(values, reverse=self._descending)

    def start(self) -> None:
        """The listing begins, perhaps again."""
        self._last = None

    def is_past(self, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether nothing that follows can lie in ``[start, end)``; known where the order is that of time."""
        if not self._by_time or self._last is None:
            return False
        return bool(self._last < micros(start) if self._descending else self._last >= micros(end))

    def reached_by_time(self) -> int | None:
        """Up to which microsecond everything was listed, where the order is that of ascending time."""
        return self._last if self._by_time and not self._descending else None


class IdsAscend:
    """Holds the ids that a ``tie_break`` goes on by against what is listed: behind the last one of a page that is not
    in their order lie records that nobody would ask for. Ids of digits alone are numbers, all others text."""

    def __init__(self, id_path: str, after_id: str | None, wrong: Callable[[str], Exception]) -> None:
        self._id_path = id_path
        self._id = parse_path(id_path).reader()
        self._after = after_id
        self._last = after_id
        self._wrong = wrong

    def start(self) -> None:
        """The listing begins, perhaps again."""
        self._last = self._after

    def check(self, listed: Sequence[Any]) -> None:
        """Take what was listed next."""
        ids = [str(found) for found in map(self._id, listed)]
        if self._last is not None:
            ids.insert(0, self._last)
        if ids != sorted(ids, key=int if all(map(_is_number, ids)) else None):
            raise self._wrong(
                f"records are not listed by '{self._id_path}' ascending, which 'tie_break' needs, so a record may have "
                "been missed"
            )
        if ids:
            self._last = ids[-1]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _family(value: Any) -> str | None:
    """What a value can be compared with; ``None`` where it has no place in an order."""
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else None
