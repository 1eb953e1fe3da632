"""Do the listings beside a stream's own answer as declared: of deleted records, of all that exist, of what is swept?

Belongs here: tombstones and sweeps. Does not belong here: what a deletion does to the lake.
"""

from collections.abc import Iterator, Sequence

from cx_orchestration.integration.extraction import listing_reader, tombstone_reader
from cx_orchestration.integration.probe.asking import Question, WatchedSession
from cx_orchestration.integration.probe.findings import Finding, failed, not_applicable, ok, warning
from cx_orchestration.integration.probe.search import PAGES, Known, Span, find
from cx_orchestration.model.endpoint import FeedTombstones, FlagTombstones, SnapshotTombstones
from cx_orchestration.model.service import Stream
from cx_orchestration.model.words import counted


def tombstone_findings(
    session: WatchedSession, name: str, stream: Stream, known: Known, spans: Sequence[Span]
) -> Iterator[Finding]:
    """Whether deletions are told as declared; ``spans`` are what a feed may be asked for. Raises as reading does."""
    match stream.tombstones:
        case None:
            return
        case FlagTombstones():
            flagged = sum(record.deleted for record in known.seen.records)
            yield ok("tombstones", f"{flagged} of {counted(len(known.seen.records), 'record')} say that they are gone")
        case FeedTombstones() as feed:
            yield _feed(Question(tombstone_reader(session, name, feed)), spans)
        case SnapshotTombstones(endpoint=None):
            yield not_applicable("tombstones", "what the stream's own listing does not show any more counts as gone")
        case SnapshotTombstones(endpoint=endpoint) if endpoint is not None:
            yield _snapshot(Question(listing_reader(session, name, stream, endpoint)), known)


def sweep_findings(question: Question, known: Known) -> Iterator[Finding]:
    """Whether a record reads the same twice: what differs at every reading would land anew every day."""
    before = {record.record_id: record.payload for record in known.seen.by_page[0]}
    again = {record.record_id: record.payload for record in question.seen(known.start, known.end).records}
    both = before.keys() & again.keys()
    differing = sum(before[record_id] != again[record_id] for record_id in both)
    if not differing:
        yield ok("sweep", f"{counted(len(both), 'record')} read the same twice: an unchanged one does not land again")
        return
    yield warning(
        "sweep",
        f"{differing} of {counted(len(both), 'record')} differ between two readings, and would land anew every day",
        "ask the service to leave out fields that change with each answer, such as signed addresses or its own clock",
    )


def _feed(question: Question, spans: Sequence[Span]) -> Finding:
    window = question.reader.endpoint.window
    longest = max(spans, key=lambda span: span[1] - span[0])
    fitting = [span for span in spans if window and (span[1] - span[0]).days <= window.max_days] or [longest]
    known = find(question, fitting, windowed=window is not None)
    listed = sum(len(page.listed) for page in known.seen.pages)
    without = sum(record.record_id.startswith("sha256:") for record in known.seen.records)
    told = f"the feed answers: {counted(len(known.seen.records), 'deletion')} in {listed} entries"
    if without:
        return failed("tombstones", f"{told}, {without} without an id", "correct tombstones.record_id")
    if len(known.seen.times) < len(known.seen.records):
        return warning("tombstones", f"{told}, some without a readable time", "correct tombstones.deleted_at")
    return ok("tombstones", told)


def _snapshot(question: Question, known: Known) -> Finding:
    seen = question.seen(known.start, known.end, PAGES)
    there = set(seen.ids)
    told = f"the listing of all records answers: {counted(len(there), 'id')} on {counted(len(seen.pages), 'page')}"
    if any(record_id.startswith("sha256:") for record_id in there):
        return failed("tombstones", f"{told}, some without an id", "its records need 'record_id' as the stream's have")
    if known.seen.ids and seen.whole and not there & set(known.seen.ids):
        return failed(
            "tombstones",
            f"{told}, none of them that of a known record: all would count as deleted",
            "correct the endpoint: it must list the ids that 'record_id' reads",
        )
    return ok("tombstones", told)
