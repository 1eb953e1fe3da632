"""What a service's days need: to be mapped, to be read, or to be read again.

Belongs here: comparing what has landed when with what is wanted by now. Does not belong here: asking the service, and
whether a run may be requested (``integration_runs.py``).
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from cx_orchestration.model.days import DayRange, settles_at
from cx_orchestration.model.service import Stream
from cx_orchestration.model.settings import Settings
from cx_orchestration.project import CXProject
from cx_orchestration.sensors.jobs import MAX_ATTEMPTS
from cx_orchestration.storage.registry import MAPPING, Registry

#: By stream, when each of its days was last read.
Landed = Mapping[str, Mapping[dt.date, dt.datetime]]


@dataclass(frozen=True)
class Need:
    """One run's worth: these days of these streams are to be read, or, without streams, mapped again.

    ``occasion`` says why days that have landed are read again; it is empty for days that have not.
    """

    days: DayRange
    streams: tuple[str, ...] = ()
    occasion: str = ""


class ServiceDays:
    """What the registry knows of one service's days at ``now``, each fact read when it is first needed."""

    def __init__(self, project: CXProject, registry: Registry, service: str, now: dt.datetime) -> None:
        self._project, self._registry, self._service, self._now = project, registry, service, now
        due = project.due(service, now)
        self._streams = {name: project.services[service].streams[name] for name in due.streams}
        self._days = due.days

    @cached_property
    def landed(self) -> Landed:
        """By stream, when each of its days was last read."""
        return {stream: self._registry.landed_at(self._service, stream) for stream in self._streams}

    @cached_property
    def given_up(self) -> dict[str, dict[dt.date, dt.datetime]]:
        """By stream, or under ``MAPPING``, the days that failed for good so often that only a person can help, and when
        they last did."""
        found: dict[str, dict[dt.date, dt.datetime]] = {stream: {} for stream in (*self._streams, MAPPING)}
        for left in self._registry.left_failed(self._service):
            if left.lasting >= MAX_ATTEMPTS and left.attempt.stream in found:
                found[left.attempt.stream][left.attempt.day] = left.attempt.attempted_at
        return found

    @cached_property
    def looked_at(self) -> Landed:
        """By stream, when each of its days was last read or given up: whose file was changed since is read again."""
        return {stream: {**landed, **self.given_up[stream]} for stream, landed in self.landed.items()}

    def hopeless(self) -> list[DayRange]:
        """The days that wait for a person."""
        return DayRange.contiguous(day for days in self.given_up.values() for day in days if self._is_ours(day))

    def to_map(self) -> list[Need]:
        """The days that landed and were not mapped since, the oldest first."""
        states = self._registry.days(self._service, self._streams)
        unmapped = {day for day, state in states.items() if state.awaits_mapping and self._is_ours(day)}
        return [Need(days) for days in DayRange.contiguous(unmapped - self.given_up[MAPPING].keys())]

    @cached_property
    def to_read(self) -> list[Need]:
        """The days that have not landed, the oldest first, each with the streams that lack it."""
        days = set(self._days or ())
        return as_needs(
            {stream: days - landed.keys() - self.given_up[stream].keys() for stream, landed in self.landed.items()}
        )

    @cached_property
    def to_read_again(self) -> list[Need]:
        """Landed days that may have gained records since: those of the last night's lookback that were not read after
        it, and open days that have settled by now."""
        settings, zone = self._project.settings, self._project.zone
        night = last_night(settings, zone, self._now)
        missed = {}
        for name, stream in self._streams.items():
            wanted = lookback(stream, settings, zone, night)
            missed[name] = {day for day, at in self._readable(name).items() if day in wanted and at < night}
        settled = {name: days - missed[name] for name, days in self.settled.items()}
        return [*as_needs(missed, occasion_of(night, zone)), *as_needs(settled, "settled")]

    @cached_property
    def settled(self) -> dict[str, set[dt.date]]:
        """By stream, the days that were last read while they were open, and have settled by now."""
        zone = self._project.zone
        return {
            name: {
                day
                for day, at in self._readable(name).items()
                if at < settles_at(day, stream.settle_hours, zone) <= self._now
            }
            for name, stream in self._streams.items()
        }

    def to_be_read(self, changed: Mapping[str, Collection[dt.date]]) -> tuple[list[Need], ...]:
        """All that is to be read, one list a reason, the most urgent first. ``changed`` has by stream the days whose
        file was dropped or changed after they were ``looked_at``."""
        ours = {name: {day for day in days if self._is_ours(day)} for name, days in changed.items()}
        return self.to_read, self.to_read_again, as_needs(ours, "changed")

    def _readable(self, stream: str) -> dict[dt.date, dt.datetime]:
        landed, given_up = self.landed[stream], self.given_up[stream]
        return {day: at for day, at in landed.items() if self._is_ours(day) and day not in given_up}

    def _is_ours(self, day: dt.date) -> bool:
        return self._days is not None and day in self._days


def as_needs(by_stream: Mapping[str, Collection[dt.date]], occasion: str = "") -> list[Need]:
    """Days by stream as the fewest runs that read each of them once, the oldest first."""
    streams_of: dict[dt.date, tuple[str, ...]] = {}
    for stream, days in by_stream.items():
        for day in days:
            streams_of[day] = (*streams_of.get(day, ()), stream)
    days_of: dict[tuple[str, ...], list[dt.date]] = {}
    for day, streams in streams_of.items():
        days_of.setdefault(streams, []).append(day)
    needs = [Need(part, streams, occasion) for streams, days in days_of.items() for part in DayRange.contiguous(days)]
    return sorted(needs, key=lambda need: (need.days.first, need.streams))


def each_once(kinds: Collection[list[Need]]) -> list[Need]:
    """Needs of several reasons as the fewest runs that read each day of a stream once."""
    days_of: dict[str, set[dt.date]] = {}
    for need in (need for kind in kinds for need in kind):
        for stream in need.streams:
            days_of.setdefault(stream, set()).update(need.days)
    return as_needs(days_of)


def oldest_by_streams(needs: list[Need]) -> list[Need]:
    """Of the needs of the same streams the first: a stream that keeps failing does not hold the others' days back."""
    first: dict[tuple[str, ...], Need] = {}
    for need in needs:
        first.setdefault(need.streams, need)
    return list(first.values())


def last_night(settings: Settings, zone: ZoneInfo, now: dt.datetime) -> dt.datetime:
    """The newest instant up to now at which the nightly sync is due, in UTC."""
    hour, minute = (int(part) for part in settings.nightly_at.split(":"))
    today = now.astimezone(zone).date()
    nights = (
        dt.datetime.combine(day, dt.time(hour, minute), zone).astimezone(dt.UTC)
        for day in (today, today - dt.timedelta(days=1))
    )
    return next(night for night in nights if night <= now)


def occasion_of(night: dt.datetime, zone: ZoneInfo) -> str:
    """The name of what is read again because of a night."""
    return f"night-{night.astimezone(zone).date()}"


def lookback(stream: Stream, settings: Settings, zone: ZoneInfo, night: dt.datetime) -> DayRange:
    """The days of a stream that are read again in a night: yesterday and the lookback days before it."""
    yesterday = night.astimezone(zone).date() - dt.timedelta(days=1)
    back = settings.lookback_days if stream.lookback_days is None else stream.lookback_days
    return DayRange(yesterday - dt.timedelta(days=back), yesterday)
