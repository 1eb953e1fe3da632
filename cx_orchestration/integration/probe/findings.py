"""What a probe found: one line a check, with what it means and what to do.

Belongs here: the shape of a report. Does not belong here: any check. Texts have names of the declaration, numbers and
times; never a value, an id or an address with parameters.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cx_orchestration.integration.answers import CredentialsRefused
from cx_orchestration.model.failures import Failure

Status = Literal["ok", "warning", "failed", "not applicable"]


class BudgetUsedUp(Exception):
    """A stream was asked as often as it may be: what is left is not tried."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. ``failed`` is what loses or breaks data, ``warning`` what a person should look at."""

    check: str
    status: Status
    meaning: str
    advice: str = ""


@dataclass(frozen=True)
class StreamReport:
    """The findings about one stream, and how many requests they took."""

    stream: str
    findings: tuple[Finding, ...]
    requests: int

    @property
    def passed(self) -> bool:
        return all(finding.status != "failed" for finding in self.findings)


@dataclass(frozen=True)
class ProbeReport:
    """The findings about a service; ``budget`` is how many requests each stream may take."""

    service: str
    budget: int
    streams: tuple[StreamReport, ...]

    @property
    def passed(self) -> bool:
        return all(stream.passed for stream in self.streams)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def ok(check: str, meaning: str) -> Finding:
    """What is as declared."""
    return Finding(check, "ok", meaning)


def warning(check: str, meaning: str, advice: str) -> Finding:
    """What loses nothing by itself, or could not be told for sure."""
    return Finding(check, "warning", meaning, advice)


def failed(check: str, meaning: str, advice: str = "") -> Finding:
    """What is not as declared; a failure's own text says what to do."""
    return Finding(check, "failed", meaning, advice)


def not_applicable(check: str, meaning: str) -> Finding:
    """What there is nothing to try about, or what was not tried, and why."""
    return Finding(check, "not applicable", meaning)


def guarded(check: str, findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one check; a failure on the way becomes the last of them."""
    try:
        yield from findings()
    except BudgetUsedUp:
        yield not_applicable(check, "not tried to the end: the requests of this stream are used up (--requests)")
    except CredentialsRefused as refused:
        yield failed("credentials", str(refused))
    except Failure as failure:
        yield failed(check, str(failure))


def spelled(length: dt.timedelta) -> str:
    """A length of time in the largest unit that it is at least one of, rounded: ``3 s``, ``2 h``."""
    seconds = length.total_seconds()
    for unit, size in (("day", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number:,} {unit}" + ("s" if unit == "day" and number > 1 else "")
    return f"{seconds:g} s"
