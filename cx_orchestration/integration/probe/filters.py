"""Does the service heed the window that it is asked for, as finely as declared, with bounds as declared?

Asks for short windows around one record that is known. Belongs here: filter, granularity, bounds. Does not belong here:
paging (``pages.py``), and how a window is written (``integration/windows.py``).
"""

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from cx_orchestration.integration.probe.asking import Question, Seen, named
from cx_orchestration.integration.probe.findings import Finding, failed, not_applicable, ok, spelled, warning
from cx_orchestration.integration.probe.search import PAGES, Known
from cx_orchestration.integration.probe.target import (
    COARSER,
    DAY,
    EPOCH,
    HOUR,
    MICROSECOND,
    SECOND,
    Outside,
    Target,
    floor,
    precision,
)
from cx_orchestration.integration.times import micros
from cx_orchestration.integration.windows import bounds_sent, places_of, smallest_step, smallest_window_around
from cx_orchestration.model.endpoint import Window
from cx_orchestration.model.failures import PermanentFailure

#: A time before anything that a service of today has records of.
_LONG_AGO = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)


class Narrow:
    """Short windows of one stream around one record of a window that holds several."""

    def __init__(self, question: Question, window: Window, zone: ZoneInfo, known: Known) -> None:
        self._question = question
        self._window = window
        self._zone = zone
        self._known = known
        self._lower = places_of(question.reader.endpoint, "window.start")
        self._upper = places_of(question.reader.endpoint, "window.end")
        self._times = known.seen.times
        self._target = self._choose()
        #: Of the window around the record; its last page shows the sign of the end.
        self.seen = Seen()

    def findings(self) -> Iterator[Finding]:
        """Filter, granularity and bounds, each with one finding or two. Raises as reading a page does."""
        if not self._lower and not self._upper:
            yield warning(
                "filter",
                "a window is declared, but neither {window.start} nor {window.end} is sent: everything is listed",
                "use them in params, json or path, or leave out 'window'",
            )
            return
        if (target := self._target) is None:
            for check in ("filter", "bounds"):
                yield not_applicable(check, "no record with an id and a readable time is known")
            return
        start, end = self._around(target)
        self.seen = self._question.seen(start, end, PAGES)
        outside = self._outside(start, end)
        if outside.any:
            yield from self._not_heeded(target, outside)
        elif target.record_id not in self.seen.ids and self.seen.whole:
            yield from self._not_returned(target)
            return
        else:
            yield from self._heeded(start, end)
            yield from self._bounds(target, end - start)

    # --- filter and granularity ---------------------------------------------------------------------------------

    def _heeded(self, start: dt.datetime, end: dt.datetime) -> Iterator[Finding]:
        lower, upper = self._allowed(start, end)
        told = f"asked for {spelled(end - start)} around one record"
        for check, places, others in (
            ("filter from", self._lower, any(time < lower for time in self._times)),
            ("filter until", self._upper, any(time >= upper for time in self._times)),
        ):
            side = "before" if check == "filter from" else "after"
            if not places:
                yield not_applicable(check, "the endpoint is not asked with this bound; it is filtered on our side")
            elif others:
                yield ok(check, f"{named(places)} heeded: {told}, no other came from {side} it")
            elif check == "filter until":
                yield self._long_ago(places)
            else:
                yield not_applicable(check, "no earlier record is known that could have come")

    def _long_ago(self, places: list[str]) -> Finding:
        """A window before any data, where no later record is known."""
        try:
            seen = self._question.seen(_LONG_AGO, _LONG_AGO + DAY)
        except PermanentFailure:
            return not_applicable("filter until", "no later record is known, and a window long ago is refused")
        later = [time for time in seen.times if time >= micros(_LONG_AGO + 2 * DAY)]
        if later:
            return self._ignored("filter until", places, len(later), len(seen.records), "a day long ago")
        return ok("filter until", f"{named(places)} heeded: asked for a day long ago, nothing came")

    def _not_heeded(self, target: Target, outside: Outside) -> Iterator[Finding]:
        if (whole := self._whole(target, outside)) is not None:
            yield whole
            return
        total = len(self.seen.records)
        asked = f"{spelled(outside.asked)} around one record"
        for check, places, number in (
            ("filter from", self._lower, outside.before),
            ("filter until", self._upper, outside.after),
        ):
            if number and places:
                yield self._ignored(check, places, number, total, asked)
            elif places:
                yield ok(check, f"{named(places)} heeded: asked for {asked}, no other came from that side")
            else:
                yield not_applicable(check, "the endpoint is not asked with this bound; it is filtered on our side")

    def _ignored(self, check: str, places: list[str], number: int, total: int, asked: str) -> Finding:
        side = "before" if check == "filter from" else "after"
        return failed(
            check,
            f"{named(places)} not heeded: asked for {asked}, {number} of {total} records came from {side} it",
            f"look up how the service calls and writes {named(places)}; if it has no such filter, leave it out (and "
            "'window', if there is none at all): then every record is listed, and filtered on our side",
        )

    def _not_returned(self, target: Target) -> Iterator[Finding]:
        """The record did not come with its own time: because the service looks at whole units, or at another time."""
        for name, length in self._coarser(target):
            at = floor(target.at, length)
            if target.record_id in self._question.seen(at, at + length, PAGES).ids:
                yield failed(
                    "granularity",
                    f"a record comes when the whole {name} is asked for, and not when a shorter window around its time "
                    f"is: bounds within a {name} are cut",
                    f"declare window.granularity: {name}, else records near the bounds of a window are missed",
                )
                return
        again = self._question.seen(self._known.start, self._known.end, len(self._known.seen.pages))
        if target.record_id not in again.ids:
            yield warning(
                "filter", "the record that was looked for changed or went meanwhile", "probe again, or with --until"
            )
            return
        yield failed(
            "filter",
            f"a record does not come when a window around its 'updated_at' is asked for "
            f"({named([*self._lower, *self._upper])})",
            "the service filters by another time than 'updated_at' reads: ask by that time, or read the time that it "
            "filters by; check time_zone too",
        )

    def _whole(self, target: Target, outside: Outside) -> Finding | None:
        """That a whole minute, hour or day came, if that explains everything that lies outside of what was asked, and
        nothing comes when a neighbouring one is asked for."""
        for name, length in self._coarser(target):
            for zone in dict.fromkeys((ZoneInfo("UTC"), self._zone)):
                begins, ends = floor(outside.start, length, zone), floor(outside.end - MICROSECOND, length, zone)
                ends += length
                explained = all(micros(begins) <= time < micros(ends) for time in outside.times)
                if explained and not self._comes_from_beyond(target, outside, begins, ends):
                    return self._coarse(name, zone)
        return None

    def _comes_from_beyond(self, target: Target, outside: Outside, begins: dt.datetime, ends: dt.datetime) -> bool:
        """Whether the record comes with windows after or before the unit that it lies in, as where a bound counts for
        nothing."""
        short = target.length
        spans = [(ends, ends + short)] if outside.before else []
        spans += [(begins - 2 * short, begins - short)] if outside.after else []
        return any(target.record_id in self._question.seen(start, end, PAGES).ids for start, end in spans)

    def _comes_with(self, target: Target) -> str | None:
        """The longest unit of UTC with any other part of which the record comes too."""
        found = None
        for name, length in self._coarser(target):
            begins, short = floor(target.at, length), target.length
            late = target.at - begins > length / 2
            start = begins if late else begins + length - short
            if target.record_id not in self._question.seen(start, start + short, PAGES).ids:
                break
            found = name
        return found

    def _coarser(self, target: Target) -> list[tuple[str, dt.timedelta]]:
        longest = self._window.max_days * DAY
        return [(name, unit) for name, unit in COARSER.items() if target.length * 2 < unit <= longest]

    def _coarse(self, name: str, zone: ZoneInfo) -> Finding:
        declare = f"window.granularity: {name}"
        if name == "day" and zone.key != "UTC":
            declare = f"window.format: date, and updated_at.time_zone: {zone.key}"
        return failed(
            "granularity",
            f"a record comes when another part of its {name} is asked for: the service looks at whole {name}s of "
            f"{zone.key}",
            f"declare {declare}, else bounds within a {name} are cut and records near them missed",
        )

    # --- bounds -------------------------------------------------------------------------------------------------

    def _bounds(self, target: Target, asked: dt.timedelta) -> Iterator[Finding]:
        fine = ok("granularity", f"a window of {spelled(asked)} is answered as such")
        if not target.exact or target.record_id not in self.seen.ids:
            yield fine
            why = "its time cannot be named exactly" if not target.exact else "it lies behind the pages that were read"
            yield not_applicable("bounds", f"there is no record to try them with: {why}")
            return
        step, length = smallest_step(self._window), max(target.length, SECOND)
        found: list[Finding] = []
        if self._lower:
            start = target.at if self._window.start == "inclusive" else target.at + step
            found.append(self._bound("start", self._window.start, target, start, start + length))
        if self._upper:
            end = target.at if self._window.end == "exclusive" else target.at + step
            found.append(self._bound("end", self._window.end, target, end - length, end))
            # A record that comes too early may lie on the bound, or in the unit that the service makes of it.
            if found[-1].status == "warning" and (name := self._comes_with(target)):
                yield self._coarse(name, ZoneInfo("UTC"))
                return
        yield fine
        yield from found

    def _bound(self, key: str, declared: str, target: Target, start: dt.datetime, end: dt.datetime) -> Finding:
        """Whether a record whose time the bound names comes with it."""
        check = f"bound {key}"
        seen = self._question.seen(start, end, PAGES)
        came = target.record_id in seen.ids
        if not came and not seen.whole:
            return not_applicable(check, "the record lies behind the pages that were read")
        found = "inclusive" if came else "exclusive"
        told = f"a record exactly at the bound {'comes' if came else 'does not come'}"
        if found == declared:
            return ok(check, f"{found} as declared: {told}")
        if came:
            return warning(
                check,
                f"declared {declared}, but {told}: one unit more than needed is asked for, and filtered on our side",
                f"declare window.{key}: inclusive",
            )
        return failed(
            check,
            f"declared {declared}, but {told}: records at the first or last instant of a window are lost",
            f"declare window.{key}: exclusive",
        )

    # --- windows ------------------------------------------------------------------------------------------------

    def _around(self, target: Target) -> tuple[dt.datetime, dt.datetime]:
        margin = max(target.length, SECOND) if target.length < HOUR else dt.timedelta()
        return target.at - margin, target.at + target.length + margin

    def _allowed(self, start: dt.datetime, end: dt.datetime) -> tuple[int, int]:
        """What may come for ``[start, end)``, in microseconds. An upper bound that is inclusive, declared or not, is no
        filter that is not heeded."""
        lower, upper = bounds_sent(self._window, start, end, self._zone)
        return micros(lower), micros(upper + max(smallest_step(self._window), SECOND))

    def _outside(self, start: dt.datetime, end: dt.datetime) -> Outside:
        lower, upper = self._allowed(start, end)
        times = self.seen.times
        before = [time for time in times if time < lower and self._lower]
        after = [time for time in times if time >= upper and self._upper]
        return Outside(start, end, before=len(before), after=len(after), times=[*before, *after])

    def _choose(self) -> Target | None:
        """A record in the middle of those known, with a time that a bound can name if there is one."""
        since, until = micros(self._known.start), micros(self._known.end)
        inside = {
            (record.updated_at, record.record_id)
            for record in self._known.seen.records
            if record.updated_at is not None
            and since <= record.updated_at < until
            and not record.record_id.startswith("sha256:")
        }
        ordered = sorted(inside)
        middle = len(ordered) // 2
        targets = [self._target_of(*ordered[at]) for at in sorted(range(len(ordered)), key=lambda at: abs(at - middle))]
        return next((target for target in targets if target.exact), targets[0] if targets else None)

    def _target_of(self, time: int, record_id: str) -> Target:
        moment = EPOCH + time * MICROSECOND
        at, step = smallest_window_around(moment, self._window, self._zone), smallest_step(self._window)
        length = max(step, precision(self._times), SECOND)
        return Target(record_id, time, at, length, exact=step >= DAY or bool(self._window.granularity) or at == moment)
