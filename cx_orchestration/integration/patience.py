"""Patience with a service: it is not asked while it asked to be left alone, and what it does is remembered.

Belongs here: when a landing is not even tried, and what it teaches about when to ask next. Does not belong here: asking
(``landing.py``), and how long waits are (``storage/waits.py``).
"""

import datetime as dt
from collections.abc import Callable

from cx_orchestration.integration.landing import Landing
from cx_orchestration.model.bugs import bugs_as_failures
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, TransientFailure
from cx_orchestration.storage.registry import Registry


class NotAsked(TransientFailure):
    """A service was not asked, as it asked to be left alone: no attempt, and nothing is known that was not before."""


def land_if_it_may_be_asked(
    registry: Registry, service: str, days: DayRange, land: Callable[[], Landing], *, now: dt.datetime
) -> Landing:
    """What ``land`` gives, and a failure for every day where it raises one or meets a bug.

    While a wait that the service asked for lasts, it is a failure for every day, and the service is not asked.
    """
    wait = registry.waits.standing().get(service)
    if wait is None or wait.asked_until is None or wait.asked_until <= now:
        try:
            with bugs_as_failures():
                return land()
        except Failure as raised:
            # What had landed by then is landed again: a day that is recorded as failed is not forgotten.
            return Landing(failures=dict.fromkeys(days, raised))
    seconds = (wait.asked_until - now).total_seconds()
    failure = NotAsked(
        f"{service} was not asked: it asked to be left alone until {wait.asked_until:%Y-%m-%d %H:%M} UTC "
        f"({wait.reason}). Run this after that; if the wait is a mistake, 'cx failed --lift {service}' ends it",
        retry_after=seconds,
    )
    return Landing(failures=dict.fromkeys(days, failure))


def remember(registry: Registry, service: str, landing: Landing, *, now: dt.datetime) -> None:
    """Leave the service alone after a transient failure, and no longer once none of its partitions is left with one.

    A landing without failures shows that the service can be asked. Called when the attempts at the landing's days are
    in the registry. Where the service was not asked nothing changes.
    """
    if any(isinstance(failure, NotAsked) for failure in landing.failures.values()):
        return
    transient = [failure for failure in landing.failures.values() if isinstance(failure, TransientFailure)]
    if transient:
        registry.waits.postpone(service, max(transient, key=lambda failure: failure.retry_after or 0), now=now)
    elif not any(left.is_transient for left in registry.left_failed(service)):
        registry.waits.answered(service)
    if not landing.failures:
        registry.unaskable.answered(service)
