"""The sides that need this project's environment: its own extractor, and bare requests.

python bench/extract/sides.py (ours | bare) URL FOLDER    prints rows, CPU-seconds and peak memory as JSON
"""

import datetime as dt
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import requests

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.storage.lake import Lake

DAYS = DayRange(dt.date(2026, 3, 2), dt.date(2026, 3, 8))
ROWS_A_GROUP = 50_000


def ours(url: str, folder: Path) -> int:
    """The declaration that a company would write, contract on, into a lake."""
    declaration = ServiceDeclaration.model_validate(
        {
            "service": "billing",
            "kind": "rest",
            "client": {"base_url": url, "rate": {"per_second": 1_000_000}},
            "streams": {
                "charges": {
                    "endpoint": {
                        "path": "/records",
                        "params": {"since": "{window.start}", "until": "{window.end}"},
                        "window": {"format": "epoch_s"},
                        "data_selector": "data",
                        "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
                        "required_keys": ["id", "created"],
                        "order": {"by": "created"},
                    },
                    "record_id": "id",
                    "updated_at": {"path": "created", "format": "epoch_s"},
                }
            },
        }
    )
    source = ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=folder, environ={})
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    landing = land(Lake(folder), source, "charges", DAYS, run_id="bench", now=now)
    source.close()
    for failure in landing.failures.values():
        raise failure
    return sum(landing.records.values())


def bare(url: str, folder: Path) -> int:
    """The loop that one writes by hand: no limits, no checks, no days, no retries; a row group each 50,000 rows."""
    rows, written, cursor, writer = [], 0, "0", None
    with requests.Session() as session:
        while cursor is not None:
            page = orjson.loads(session.get(f"{url}/records", params={"cursor": cursor}, timeout=30).content)
            rows += page["data"]
            cursor = page["next"]
            if len(rows) >= ROWS_A_GROUP or cursor is None:
                table = pa.Table.from_pylist(rows)
                writer = writer or pq.ParquetWriter(folder / "records.parquet", table.schema)
                writer.write_table(table)
                written += len(rows)
                rows = []
    if writer is not None:
        writer.close()
    return written


def used() -> float:
    """CPU-seconds of this process and its children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    sides: dict[str, Callable[[str, Path], int]] = {"ours": ours, "bare": bare}
    _, side, url, folder = sys.argv
    before = used()
    rows = sides[side](url, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "cpu": used() - before, "peak_mb": peak}))
