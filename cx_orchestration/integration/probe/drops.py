"""Are the files of a drop there, named, written and filled as declared?

Belongs here: what is special about files. Does not belong here: what their records hold (``contract.py``).
"""

import datetime as dt
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from cx_orchestration.integration.files import drop_files, file_records, names_a_day
from cx_orchestration.integration.probe.contract import mapping_findings, paths_never_found, record_findings, shown
from cx_orchestration.integration.probe.findings import Finding, guarded, not_applicable, ok, warning
from cx_orchestration.integration.records import Record
from cx_orchestration.model.service import FileDrop, Stream
from cx_orchestration.model.words import counted

#: How many rows of the newest file are looked at.
_ROWS = 10_000
_BYTES = 4 * 2**20


def drop_findings(service: str, name: str, stream: Stream, drop: FileDrop, folder: Path) -> Iterator[Finding]:
    """The findings about one stream of files in a project folder."""
    files = drop_files(service, drop.model_copy(update={"pattern": drop.pattern.replace("{day}", "*")}), folder)
    if not files:
        yield warning("files", f"none matches {drop.pattern}", "place one, or correct files.pattern")
        return
    newest = max(files, key=lambda file: file.stat().st_mtime)
    if names_a_day(drop):
        yield from _days(drop, files, folder)
        newest = max(files, key=lambda file: (_day(drop, file, folder) or dt.date.min, file.stat().st_mtime))
    placed = dt.datetime.fromtimestamp(newest.stat().st_mtime, dt.UTC)
    yield ok("files", f"{counted(len(files), 'file')}; the one looked at was placed on {placed:%Y-%m-%d %H:%M} UTC")
    rows: list[Record] = []

    def read() -> Iterator[Finding]:
        rows.extend(islice(file_records(service, stream, drop, newest, folder), _ROWS))
        yield ok("readable", f"{drop.format}: {counted(len(rows), 'row')} read")

    yield from guarded("readable", read)
    yield _encoding(drop, newest)
    if not rows:
        return
    missing = paths_never_found(stream, rows)
    if missing:
        yield warning("columns", f"in none of the rows: {shown(missing)}", "correct the paths of the mapping")
    else:
        yield ok("columns", "all that the mapping names are there")
    yield from record_findings(stream, rows)
    yield from guarded("mapping", lambda: mapping_findings(service, name, stream, rows))


def _days(drop: FileDrop, files: list[Path], folder: Path) -> Iterator[Finding]:
    days = [_day(drop, file, folder) for file in files]
    named = sorted({day for day in days if day is not None})
    if unnamed := days.count(None):
        yield warning(
            "days",
            f"{unnamed} of {counted(len(files), 'file')} name no day by {drop.day_format}: these are never read",
            "rename them, or correct files.day_format",
        )
    if named:
        gaps = (named[-1] - named[0]).days + 1 - len(named)
        without = f", {counted(gaps, 'day')} between without a file" if gaps else ""
        yield ok("days", f"{counted(len(named), 'day')} named, {named[0]} to {named[-1]}{without}")


def _day(drop: FileDrop, file: Path, folder: Path) -> dt.date | None:
    """The day that a file's name stands for."""
    found = re.fullmatch(_as_regex(drop.pattern), file.relative_to(folder).as_posix())
    if found is None:
        return None
    try:
        day = dt.datetime.strptime(found["day"], drop.day_format).date()
    except ValueError:
        return None
    return day if day.strftime(drop.day_format) == found["day"] else None


def _as_regex(pattern: str) -> str:
    return "(?P<day>.+?)".join(_parts(part) for part in pattern.split("{day}", 1))


def _parts(pattern: str) -> str:
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]", "{day}": ".+?"}
    pieces = re.split(r"(\*\*/|\*|\?|\{day\})", pattern)
    return "".join(known.get(piece, re.escape(piece)) for piece in pieces)


def _encoding(drop: FileDrop, file: Path) -> Finding:
    """UTF-8 that is read as Latin-1 never fails: it turns every accented letter into two others."""
    if drop.format == "parquet" or drop.encoding == "utf-8" or file.suffix == ".gz":
        return not_applicable("encoding", "another one than declared could not have been read")
    with file.open("rb") as opened:
        start = opened.read(_BYTES)
    try:
        text = start[: start.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return ok("encoding", "no UTF-8, so it may be latin-1 as declared")
    if text.isascii():
        return ok("encoding", "ASCII only, which is the same in both")
    return warning(
        "encoding", "declared latin-1, but written in UTF-8: accented letters are read as two others",
        "declare encoding: utf-8",
    )  # fmt: skip
