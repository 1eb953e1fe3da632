"""The replayed service as a folder of file drops: at the end of each slice somebody places its records.

Belongs here: writing files as the stream declares them. Does not belong here: which records there are (``shelf.py``).
"""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.integration.files import drop_files, names_a_day
from cx_orchestration.integration.loadtest.schedule import Slices
from cx_orchestration.integration.loadtest.shelf import Shelf
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import FileDrop

_NUMBERED = re.compile(r"\*+")
# The other wildcards of a pattern: one character, any or out of some.
_ONE_OF = re.compile(r"\?|\[!?(.)[^\]]*\]")

Row = dict[str, Any]


def place(folder: Path, shelves: Mapping[str, Shelf], slices: Slices, number: int) -> None:
    """Place the files of one slice, one a stream, each complete when it gets its name.

    Where the pattern leaves nothing open (no ``{day}``, no ``*``) the stream has one file only: it then holds
    everything so far. Raises ``PermanentFailure`` for records that the declared format cannot hold.
    """
    for stream, shelf in shelves.items():
        drop = shelf.stream.files
        if drop is None:
            continue
        grows = not names_a_day(drop) and not _NUMBERED.search(drop.pattern)
        rows = [orjson.loads(shelf.record(each)) for each in shelf.of_slices(0 if grows else number, number)]
        if not rows:
            continue
        path = folder / _name(drop, slices, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Outside of the folder, so that no pattern finds it half written.
        part = folder.with_name("placing")
        try:
            _WRITERS[drop.format](part, drop, rows)
        except (ValueError, pa.ArrowException) as error:
            raise PermanentFailure(
                f"{stream}: replayed records cannot be written as {drop.format} ({type(error).__name__})"
            ) from None
        part.rename(path)
        day = slices.days(number, number).first if names_a_day(drop) else None
        if path.resolve() not in {found.resolve() for found in drop_files(stream, drop, folder, day)}:
            raise PermanentFailure(
                f"{stream}: a load test cannot make names for the pattern {drop.pattern!r}; write '*' for what changes"
            )


def _name(drop: FileDrop, slices: Slices, number: int) -> str:
    day = slices.days(number, number).first.strftime(drop.day_format)
    numbered = _NUMBERED.sub(f"{number:06d}", drop.pattern.replace("{day}", day))
    return _ONE_OF.sub(lambda wild: wild[1] or "0", numbered)


def _csv(path: Path, drop: FileDrop, rows: Sequence[Row]) -> None:
    with path.open("w", encoding=drop.encoding, newline="") as file:
        writer = csv.DictWriter(
            file, list(dict.fromkeys(name for row in rows for name in row)), delimiter=drop.delimiter
        )
        writer.writeheader()
        writer.writerows(rows)


def _jsonl(path: Path, drop: FileDrop, rows: Sequence[Row]) -> None:
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    path.write_bytes(lines if drop.encoding == "utf-8" else lines.decode().encode(drop.encoding))


def _parquet(path: Path, drop: FileDrop, rows: Sequence[Row]) -> None:  # noqa: ARG001
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


_WRITERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
