"""What one page of a listing must be: a list of records where it was declared, and a sign of how to go on.

A page that is anything else is a ``PermanentFailure``: public extractors take such a page for the last one and lose the
rest. Belongs here: reading one answer. Does not belong here: going from page to page (``paging.py``), and what a record
holds (``records.py``).
"""

from dataclasses import dataclass
from typing import Any

from cx_orchestration.integration.answers import Reply
from cx_orchestration.integration.paths import MISSING, parse_path
from cx_orchestration.model.endpoint import Endpoint
from cx_orchestration.model.failures import PermanentFailure, TransientFailure

#: Between the path of a list and a path inside its elements.
EACH = "[*]"


@dataclass(frozen=True)
class Page:
    """The records of one page as parsed. ``last`` is true when paging ends here, ``first`` when the listing begins
    here: it does so again where it had to be read from its start once more.

    ``listed`` is what the service listed, and counts: with ``[*]`` records are inside of that, many, one or none.
    """

    listed: list[Any]
    records: list[Any]
    exact: bool
    last: bool
    first: bool


class PageReader:
    """Reads the answers of one endpoint; ``service`` and ``stream`` are for messages."""

    def __init__(self, service: str, stream: str, endpoint: Endpoint) -> None:
        self._service = service
        self._stream = stream
        self._endpoint = endpoint
        self._selector = [parse_path(part) for part in selector_parts(endpoint.data_selector)]
        self._required = [parse_path(path) for path in endpoint.required_keys]

    def listed(self, reply: Reply) -> list[Any]:
        """What the service lists on a page. Raises ``PermanentFailure`` where there is no list."""
        records = self._selector[0].of(reply.body)
        if records is MISSING and self._endpoint.absent_when_empty and self.is_complete(reply):
            return []
        if not isinstance(records, list):
            raise self.wrong(
                f"expected a list of records at '{self._endpoint.data_selector}' (data_selector), found "
                f"{kind(records)}" + (f" in {kind(reply.body)}" if records is MISSING else "")
            )
        return records

    def records(self, listed: list[Any]) -> list[Any]:
        """The records in what a page lists. Raises ``PermanentFailure`` where none is as declared."""
        records = listed
        for path in self._selector[1:]:
            if records and all(path.of(outer) is MISSING for outer in records):
                raise self.wrong(f"expected a list at '{path}' in each record (data_selector), found it in none")
            records = [record for outer in records for record in self._unfolded(outer, path)]
        for required in self._required if records else ():
            # One bad record alone is no wrong declaration; the mapping puts it in quarantine.
            if len(records) > 1 and all(required.of(record) in (MISSING, None) for record in records):
                raise self.wrong(f"expected '{required}' (required_keys) in every record, found it in none of the page")
        return records

    def marker(self, reply: Reply, path: str, type_: type, key: str, meaning: str) -> Any:
        """A value that says how to go on; ``type_`` is exact, so that no boolean passes for a number."""
        value = parse_path(path).of(reply.body)
        if type(value) is not type_:
            raise self.wrong(f"expected {meaning} ({type_.__name__}) at '{path}' ({key}), found {kind(value)}")
        return value

    def total(self, reply: Reply, path: str) -> int:
        """How many records the service says there are."""
        if self._endpoint.absent_when_empty and parse_path(path).of(reply.body) is MISSING and self.is_complete(reply):
            return 0
        return int(self.marker(reply, path, int, "total_path", "the number of all records"))

    def is_complete(self, reply: Reply) -> bool:
        """Whether the answer says what ``complete_when`` declares; true where nothing is declared."""
        expected = self._endpoint.complete_when
        if expected is None:
            return True
        value = parse_path(expected.path).of(reply.body)
        return type(value) is type(expected.equals) and bool(value == expected.equals)

    def require_complete(self, reply: Reply) -> None:
        """Raises ``TransientFailure`` when the last page does not say that the answer is whole."""
        expected = self._endpoint.complete_when
        if expected is not None and not self.is_complete(reply):
            raise TransientFailure(
                f"{self._service}/{self._stream}: {self._endpoint.path}: '{expected.path}' (complete_when) does not "
                "say that the answer is whole; it is asked for again later"
            )

    def wrong(self, what: str) -> PermanentFailure:
        """The failure for an answer that is not what was declared."""
        return PermanentFailure(
            f"{self._service}/{self._stream}: {self._endpoint.path}: {what}. Correct the endpoint in "
            f"services/{self._service}.yaml, or look at what the service answers"
        )

    def _unfolded(self, outer: Any, path: Any) -> list[Any]:
        """The objects of a list inside a record, each with what surrounds it under ``_parent``; no list is none."""
        inner = path.of(outer)
        if inner in (MISSING, None):
            return []
        if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
            raise self.wrong(f"expected a list of objects at '{path}' in each record (data_selector)")
        around = {name: value for name, value in outer.items() if name != path.steps[0]}
        return [{**one, "_parent": around} for one in inner]


def selector_parts(selector: str) -> list[str]:
    """The paths between the ``[*]`` of a selector: ``orders[*].lines`` gives ``orders`` and ``lines``."""
    first, *inner = selector.split(EACH)
    return [first, *[part.removeprefix(".") for part in inner if part]]


def kind(value: Any) -> str:
    """What a value is, without showing it: bodies may hold anybody's data."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    if value is MISSING:
        return "nothing"
    return "null" if value is None else names.get(type(value), "something else")
