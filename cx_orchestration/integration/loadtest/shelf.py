"""One stream of the replayed service: which records it has at a moment of the replay.

Belongs here: records by their number, which is the order of arrival. Does not belong here: pages (``local_service.py``)
and files (``drops.py``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from cx_orchestration.integration.loadtest.schedule import Moments, Slices
from cx_orchestration.integration.loadtest.templates import Template, time_writer
from cx_orchestration.integration.records import record_reader
from cx_orchestration.integration.times import Micros, zone_of
from cx_orchestration.model.service import Stream
from cx_orchestration.model.values import Time


@dataclass
class Shelf:
    """The records of one stream. Each is written when it is asked for: a long replay takes 16 bytes a record."""

    stream: Stream
    updated_at: Time
    templates: Sequence[Template]
    arrivals: Moments
    slices: Slices
    times: Moments = field(init=False)

    def __post_init__(self) -> None:
        self.times = self.slices.times(self.arrivals, zone_of(self.updated_at))
        self._write = time_writer(self.updated_at)

    def __len__(self) -> int:
        return len(self.arrivals)

    def arrived(self, at: int) -> int:
        """How many records exist at a moment of the replay."""
        return int(np.searchsorted(self.arrivals, at, side="right"))

    def of_slices(self, first: int, last: int) -> range:
        """The numbers of the records that arrive in these slices, the last one included."""
        begin, end = np.searchsorted(self.arrivals, [first * self.slices.every, (last + 1) * self.slices.every])
        return range(int(begin), int(end))

    def between(self, start: Micros, end: Micros, at: int) -> range:
        """The numbers of those records that exist at a moment and whose time lies in ``[start, end)``; bounds may be
        open."""
        first = 0 if start is None else int(np.searchsorted(self.times, start))
        last = len(self) if end is None else int(np.searchsorted(self.times, end))
        return range(first, max(first, min(last, self.arrived(at))))

    def record(self, number: int) -> bytes:
        """The JSON of a record, as the service would send it."""
        return self.templates[number % len(self.templates)].render(number, self._write(int(self.times[number])))

    def ids(self, numbers: range) -> Iterator[str]:
        """The ids under which these records are to land."""
        read = record_reader(self.stream.record_id, self.stream.updated_at)
        return (read(orjson.loads(self.record(number)), True).record_id for number in numbers)
