"""File drops: files that somebody places in a folder, read into the same records as a service's pages.

Belongs here: finding files and turning rows into records. Does not belong here: which day a record of a file without
a day in its name belongs to (``extraction.py``).
"""

import codecs
import csv
import datetime as dt
import glob
import gzip
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.integration.dropped_fields import RecordsChecked, check_headings
from cx_orchestration.integration.records import Record, parse_json, record_reader
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import FileDrop, Stream

_ROWS_AT_ONCE = 10_000
_LONGEST_LINE = 64 * 2**20


def names_a_day(drop: FileDrop) -> bool:
    """Whether each day has files of its own."""
    return "{day}" in drop.pattern


def drop_files(service: str, drop: FileDrop, folder: Path, day: dt.date | None = None) -> list[Path]:
    """The files of a drop, or of one day of it, by name; none is an empty list.

    Raises ``PermanentFailure`` for a file that, links followed, lies outside the project folder.
    """
    text = "" if day is None else glob.escape(day.strftime(drop.day_format))
    pattern = drop.pattern.replace("{day}", text)
    root = folder.resolve()
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise PermanentFailure(f"{service}: {path.name} lies outside the project folder; copy it there")
    return found


def file_records(service: str, stream: Stream, drop: FileDrop, path: Path, folder: Path) -> Iterator[Record]:
    """The rows of one file as records; CSV values are text, and an empty cell is null.

    Raises ``PermanentFailure`` naming file and line for what is not in the declared format, and for a file without what
    its records need to count.
    """
    read = record_reader(stream.record_id, stream.updated_at)
    where = f"{service}: {path.relative_to(folder)}"
    rows: dict[str, Callable[[str, Stream, FileDrop, Path], Iterator[tuple[Any, bool]]]] = {
        "csv": _csv_rows,
        "jsonl": _json_lines,
        "parquet": _parquet_rows,
    }
    for row, exact in rows[drop.format](where, stream, drop, path):
        yield read(row, exact)


def batched(records: Iterator[Record]) -> Iterator[list[Record]]:
    """The records in lists of bounded length."""
    while batch := list(islice(records, _ROWS_AT_ONCE)):
        yield batch


def _csv_rows(where: str, stream: Stream, drop: FileDrop, path: Path) -> Iterator[tuple[Any, bool]]:
    encoding = "utf-8-sig" if drop.encoding == "utf-8" else drop.encoding
    line = 1
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=drop.delimiter, strict=True)
            header = next(reader, [])
            _check_header(where, header)
            check_headings(where, stream, header)
            for cells in reader:
                line = reader.line_num
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise PermanentFailure(
                        f"{where}, line {line}: {len(cells)} values under {len(header)} headings; "
                        f"check the delimiter ({drop.delimiter!r}) and the quotes"
                    )
                yield {name: cell or None for name, cell in zip(header, cells, strict=True)}, True
    except UnicodeDecodeError:
        raise PermanentFailure(
            f"{where}, after line {line}: not {drop.encoding}; declare 'encoding' or save the file again"
        ) from None
    except csv.Error as error:
        raise PermanentFailure(f"{where}, line {line + 1}: not CSV ({error})") from error


def _check_header(where: str, header: list[str]) -> None:
    if not header:
        raise PermanentFailure(f"{where}, line 1: expected a line of headings, found an empty file")
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        at = " and ".join(str(place) for place, name in enumerate(header, 1) if name == doubled[0])
        raise PermanentFailure(
            f"{where}, line 1: the columns {at} have the same heading; rename one, or place headings above the records"
        )


def _json_lines(where: str, stream: Stream, drop: FileDrop, path: Path) -> Iterator[tuple[Any, bool]]:
    checked = RecordsChecked(where, stream)
    with path.open("rb") as raw_file:
        file = gzip.GzipFile(fileobj=raw_file) if path.suffix == ".gz" else raw_file
        for number, raw in enumerate(_lines(where, file), start=1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if drop.encoding != "utf-8":
                line = line.decode(drop.encoding).encode()
            if not line.strip():
                continue
            parsed = parse_json(line)
            if parsed is None:
                raise PermanentFailure(f"{where}, line {number}: not a JSON value in {drop.encoding}")
            checked.see(parsed[0])
            yield parsed
    checked.finish()


def _lines(where: str, file: gzip.GzipFile | IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, gzipped or not, one in memory at a time."""
    number = 0
    try:
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise PermanentFailure(f"{where}, line {number}: longer than {_LONGEST_LINE:,} bytes")
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PermanentFailure(
            f"{where}, after line {number}: the gzip is damaged ({error}); place the file again"
        ) from None


def _parquet_rows(where: str, stream: Stream, drop: FileDrop, path: Path) -> Iterator[tuple[Any, bool]]:
    try:
        with pq.ParquetFile(path) as file:
            check_headings(where, stream, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield orjson.loads(orjson.dumps(row, default=_as_json)), True
    except pa.ArrowInvalid:
        raise PermanentFailure(f"{where}: not a {drop.format} file, or a damaged one; place it again") from None
    except orjson.JSONEncodeError as error:
        raise PermanentFailure(f"{where}: a column holds values that JSON cannot carry ({error})") from error


def _as_json(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.datetime):  # pandas' own subclass, for nanoseconds
        return value.isoformat()
    raise TypeError(type(value).__name__)
