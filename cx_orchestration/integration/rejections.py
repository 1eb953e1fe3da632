"""How many of the records that landed gave no event and lie in quarantine.

Belongs here: counting them. Does not belong here: why a record is rejected (``mapping.py``).
"""

from dataclasses import dataclass

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.slices import Bound


@dataclass(frozen=True)
class Rejections:
    """Of one stream and some days: landed records, and those of them that are in quarantine.

    A record counts once. One without a readable time lands in every day that reports it.
    """

    stream: str
    records: int
    rejected: int


def count_rejections(lake: Lake, engine: Engine, declaration: ServiceDeclaration, days: DayRange) -> list[Rejections]:
    """The rejections of each stream of a service that gives events, after its days were mapped."""
    where: dict[str, Bound] = {"service": declaration.service, "day": (days.first, days.last)}
    sql = sql_text(__package__, "rejections.sql")
    found = engine.query(sql, {"rejected": lake.scan(REJECTED_RECORDS, where)}).to_pylist()
    rejected = {row["stream"]: row["rejected"] for row in found}
    return [
        Rejections(name, count_records(lake, engine, declaration.service, name, days), rejected.get(name, 0))
        for name, stream in declaration.streams.items()
        if stream.events
    ]


def rejected_share(rejections: list[Rejections]) -> float:
    """The share of rejected records among all that landed, 0 to 1; of none, 0."""
    records = sum(each.records for each in rejections)
    return sum(each.rejected for each in rejections) / records if records else 0.0


def count_records(lake: Lake, engine: Engine, service: str, stream: str, days: DayRange) -> int:
    """The records of a stream that landed in some days, each once."""
    scan = lake.scan(landed(service, stream), {"day": (days.first, days.last)})
    count: int = engine.query("SELECT count(DISTINCT record_id) AS n FROM landed", {"landed": scan})["n"][0].as_py()
    return count
