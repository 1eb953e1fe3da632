"""A probe of one service from its first stream to its last: which checks are made, in which order, and when to stop.

Belongs here: putting the checks together. Does not belong here: any check.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from cx_orchestration.integration.answers import CredentialsRefused, NotFound
from cx_orchestration.integration.extraction import stream_reader
from cx_orchestration.integration.probe.asking import Clock, Question, WatchedSession
from cx_orchestration.integration.probe.clock import clock_findings
from cx_orchestration.integration.probe.contract import is_json, mapping_findings, record_findings
from cx_orchestration.integration.probe.deletions import sweep_findings, tombstone_findings
from cx_orchestration.integration.probe.drops import drop_findings
from cx_orchestration.integration.probe.filters import Narrow
from cx_orchestration.integration.probe.findings import (
    BudgetUsedUp,
    Finding,
    ProbeReport,
    StreamReport,
    failed,
    guarded,
    not_applicable,
    ok,
    warning,
)
from cx_orchestration.integration.probe.pages import end_findings, page_findings
from cx_orchestration.integration.probe.search import Known, Span, find, spans_within, windows_back
from cx_orchestration.integration.records import Record
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.times import zone_of
from cx_orchestration.model.connection import NoAuth
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.service import Stream
from cx_orchestration.model.words import counted

#: How many parents are tried until one has children.
_PARENTS = 3


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Probe:
    """A probe of one service. Data are looked for from ``until`` back to ``since``; with ``given`` that is the window
    to look at, as far as one query may reach. ``budget`` is how many requests each stream may take."""

    source: ServiceSource
    since: dt.datetime
    until: dt.datetime
    given: bool = False
    budget: int = 30
    clock: Clock = _utc_now
    _parents: dict[str, list[Record]] = field(default_factory=dict)

    def report(self, streams: Sequence[str] | None = None) -> ProbeReport:
        """The findings about some streams, or all. Raises ``PermanentFailure`` for a stream that is not declared."""
        declared = self.source.declaration.streams
        names = list(declared) if streams is None else list(streams)
        if unknown := [name for name in names if name not in declared]:
            raise PermanentFailure(
                f"{self.source.service} declares no stream '{unknown[0]}'; it has {', '.join(declared)}"
            )
        return ProbeReport(self.source.service, self.budget, tuple(self._stream(name) for name in names))

    def _stream(self, name: str) -> StreamReport:
        findings: list[Finding] = []
        try:
            stream = self.source.stream(name)
            if stream.files is not None:
                found = drop_findings(self.source.service, name, stream, stream.files, self.source.folder)
                return StreamReport(name, tuple(found), 0)
            session = WatchedSession(self.source.session, self.budget, self.clock)
        except PermanentFailure as failure:
            return StreamReport(name, (failed("connection", str(failure)),), 0)
        try:
            for finding in self._endpoint(name, stream, session):
                findings.append(finding)
        except CredentialsRefused as refused:
            findings.append(failed("credentials", str(refused)))
        except TransientFailure as failure:
            findings.append(failed("connection", str(failure), "probe again later"))
        except PermanentFailure as failure:
            findings.append(failed("page", str(failure)))
        except BudgetUsedUp:
            findings.append(not_applicable("data", "the requests of this stream are used up (--requests)"))
        return StreamReport(name, tuple(findings), session.requests)

    def _endpoint(self, name: str, stream: Stream, session: WatchedSession) -> Iterator[Finding]:
        found = self._children(name, stream, session) if stream.parent else self._listing(name, stream, session)
        yield self._credentials()
        if found is None:
            yield warning(
                "parent",
                "no record of the parent stream is known that its children can be asked for",
                "look at parent.when and the endpoint's path, or name days that hold parents (--since, --until)",
            )
            return
        question, known = found
        narrow = None
        yield self._data(stream, known)
        if known.has_data:
            yield from guarded("pages", lambda: _reading_on(known))
            self._parents[name] = known.seen.records
            window = question.reader.endpoint.window
            if window is None:
                yield not_applicable("filter", "no window is declared: everything is listed, and filtered on our side")
            elif stream.updated_at is not None:
                narrow = Narrow(question, window, zone_of(stream.updated_at), known)
                yield from guarded("filter", narrow.findings)
            yield from guarded("pages", lambda: page_findings(question, known))
        yield from guarded("end", lambda: end_findings(question, known))
        if known.has_data:
            yield from record_findings(stream, known.seen.records)
            yield from guarded(
                "mapping", lambda: mapping_findings(self.source.service, name, stream, known.seen.records)
            )
        times = known.seen.times + (narrow.seen.times if narrow else [])
        yield from clock_findings(stream, session.skews, times, self.clock())
        spans = [(max(self.since, self.until - dt.timedelta(days=days)), self.until) for days in (1, 31)]
        yield from guarded("tombstones", lambda: tombstone_findings(session, name, stream, known, spans))
        if stream.sweep is not None and known.has_data:
            yield from guarded("sweep", lambda: sweep_findings(question, known))

    def _listing(self, name: str, stream: Stream, session: WatchedSession) -> tuple[Question, Known]:
        question = Question(stream_reader(session, name, stream))
        return question, find(question, self._spans(stream), windowed=question.reader.endpoint.window is not None)

    def _children(self, name: str, stream: Stream, session: WatchedSession) -> tuple[Question, Known] | None:
        """The children of the first parent that has any; those of the last tried where none has."""
        if stream.parent is None or stream.endpoint is None:
            raise ValueError(f"{name} has no parent")
        parent = stream.parent.stream
        if parent not in self._parents:
            self._parents[parent] = self._listing(parent, self.source.stream(parent), session)[1].seen.records
        readable = (record for record in self._parents[parent] if is_json(record.payload))
        asked = ((record, self.source.child_reader(session, name, record.payload)) for record in readable)
        found = None
        for record, (reader, names) in islice(((record, each) for record, each in asked if each), _PARENTS):
            question = Question(reader, names)
            try:
                found = question, find(question, self._spans_of_parent(record), windowed=False)
            except NotFound:
                if stream.parent.gone == "fail":
                    raise
                continue
            if found[1].has_data:
                break
        return found

    def _spans(self, stream: Stream) -> list[Span]:
        window = stream.endpoint.window if stream.endpoint else None
        if window is None:
            return [(self.since, self.until)]
        within = spans_within if self.given else windows_back
        return list(within(self.since, self.until, window.max_days))

    def _spans_of_parent(self, parent: Record) -> list[Span]:
        """The day of the parent record, which is what its children are asked for."""
        if parent.updated_at is None:
            return [(self.since, self.until)]
        at = dt.datetime.fromtimestamp(parent.updated_at / 1e6, self.source.zone).date()
        return [DayRange(at, at).bounds(self.source.zone)]

    def _credentials(self) -> Finding:
        client = self.source.declaration.client
        if client is None or isinstance(client.auth, NoAuth):
            return not_applicable("credentials", "none are declared (client.auth)")
        return ok("credentials", f"accepted: {self.source.session.credentials}")

    def _data(self, stream: Stream, known: Known) -> Finding:
        zone = self.source.zone
        windowed = stream.endpoint is not None and stream.endpoint.window is not None
        asked = f"{known.start.astimezone(zone):%Y-%m-%d %H:%M} to {known.end.astimezone(zone):%Y-%m-%d %H:%M}"
        where = f"in {asked}" if windowed else "in the whole listing"
        number = len(known.seen.records)
        if known.has_data:
            return ok("data", f"{counted(number, 'record')} on the first page {where}")
        if number:
            return warning(
                "data",
                f"{counted(number, 'record')} came, none of them {where}",
                "the service may not heed its filter: see the parameters that hold the window",
            )
        return warning(
            "data",
            f"nothing found {where}" + (f", nor in {known.asked - 1} windows before" if known.asked > 1 else ""),
            "name a window that holds records (--since, --until), or look at the parameters; what needs a record was "
            "not tried",
        )


def _reading_on(known: Known) -> Iterator[Finding]:
    known.read_on()
    yield from ()
