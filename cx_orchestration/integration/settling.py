"""Which days are open: read before the time when they cannot gain records any more.

Belongs here: the one place that says whether a landed day is closed. Does not belong here: reading it again
(the sensor and the nightly sync).
"""

import datetime as dt
from zoneinfo import ZoneInfo

from cx_orchestration.model.days import settles_at
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.storage.registry import Registry


def open_days(registry: Registry, declaration: ServiceDeclaration, zone: ZoneInfo) -> set[dt.date]:
    """The days of a service that landed, and that some stream read while they could still gain records."""
    return {
        day
        for name, stream in declaration.streams.items()
        for day, at in registry.landed_at(declaration.service, name).items()
        if at < settles_at(day, stream.settle_hours, zone)
    }


def settling(day: dt.date, settle_hours: int, zone: ZoneInfo, now: dt.datetime) -> dict[str, bool | str]:
    """What a day read at ``now`` says of itself: ``settled``, and while it is not, until when it stays open (UTC)."""
    until = settles_at(day, settle_hours, zone)
    return {"settled": True} if until <= now else {"settled": False, "open_until": until.isoformat()}
