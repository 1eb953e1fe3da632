"""Which services could not be asked, since when, how often and why, until they can be."""

import datetime as dt
from pathlib import Path

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.registry import Registry
from cx_orchestration.storage.unaskable import Unaskable

NOW = dt.datetime(2026, 7, 1, 3, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=5)


def test_the_first_failure_says_since_when_and_the_last_one_why(tmp_path: Path) -> None:
    unaskable = Registry(f"sqlite:///{tmp_path}/registry.db").unaskable
    unaskable.failed("stripe", PermanentFailure("no such host"), now=NOW)
    unaskable.failed("stripe", PermanentFailure("HTTP 401"), now=LATER)
    assert unaskable.standing() == {"stripe": Unaskable("stripe", NOW, 2, "HTTP 401")}
    unaskable.answered("stripe")
    unaskable.answered("zendesk")
    assert unaskable.standing() == {}
    unaskable.failed("stripe", PermanentFailure("HTTP 401"), now=LATER)
    assert unaskable.standing() == {"stripe": Unaskable("stripe", LATER, 1, "HTTP 401")}
