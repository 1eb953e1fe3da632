"""Children land after their parents: a day of a stream with a parent needs that day of the parent stream in the lake.

Belongs here: which days may be asked for. Does not belong here: asking for children (``source.py``).
"""

from collections.abc import Callable

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.storage.registry import Registry


def land_after_parent(
    registry: Registry,
    declaration: ServiceDeclaration,
    stream: str,
    days: DayRange,
    land: Callable[[DayRange], Landing],
) -> Landing:
    """What ``land`` gives for the days whose parents have landed, and a failure for each other one.

    A day without its parents would land empty, and look whole.
    """
    parent = declaration.streams[stream].parent
    if parent is None:
        return land(days)
    there = registry.landed_at(declaration.service, parent.stream).keys()
    landing = Landing()
    for run in DayRange.contiguous(day for day in days if day in there):
        landing.add(land(run))
    for day in days:
        if day not in there:
            landing.failures[day] = PermanentFailure(
                f"{declaration.service}/{stream}: {day} of its parent stream has not landed: materialize "
                f"landing/{declaration.service}/{parent.stream} for that day first"
            )
    return landing
