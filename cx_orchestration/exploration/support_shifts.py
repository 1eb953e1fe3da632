"""E2: clusters of customers who turn to support after a step more often than the others who came there.

Belongs here: who turned to support, and what it costs. Does not belong here: tests (``rates``, ``significance``).
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from cx_orchestration.exploration.cohorts import Cohorts
from cx_orchestration.exploration.findings import KEY, as_findings
from cx_orchestration.exploration.rates import RateSearch, Searched
from cx_orchestration.exploration.significance import median_time
from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine, sql_text


def support_shifts(engine: Engine, cohorts: Cohorts, settings: Settings) -> pa.Table:
    """All candidates as rows of ``tables.SUPPORT_SHIFTS``: value and baseline are shares who turned to support.

    The time is ``support_window_days`` after the step. ``support_cost`` is in the project's currency: the contacts
    above what as many of the others made, times ``support_contact_cost``.

    Windows of neighbouring steps overlap, so one cause shows at several: a candidate at another step than a stronger
    finding's is looked at again without the contacts that lie in the window of that finding's step.
    """
    exploration = settings.exploration
    window = round(exploration.support_window_days * MICROSECONDS_A_DAY)

    def outcomes(taken: pd.DataFrame) -> pa.Table:
        always = taken.assign(from_at=np.iinfo(np.int64).min, until_at=np.iinfo(np.int64).max)
        return turning_to_support(engine, cohorts, window, always)

    searched = RateSearch(engine, cohorts.clusters, outcomes, exploration).run()
    found = _with_contacts(engine, cohorts, searched, window)
    excess = found["amount"] / found["n"] - found["other_amount"] / found["other_n"]
    found["support_cost"] = np.maximum(excess, 0) * found["n"] * exploration.support_contact_cost
    return as_findings(tables.SUPPORT_SHIFTS, found)


def turning_to_support(engine: Engine, cohorts: Cohorts, window: int, claimed: pd.DataFrame) -> pa.Table:
    """Who turned to support within ``window`` microseconds (``support_shifts.sql``), without the contacts within the
    windows of entries that are ``claimed``: journey, step, from_at and until_at."""
    kinds = pa.schema(
        [("journey", pa.string()), ("step", pa.string()), ("from_at", pa.int64()), ("until_at", pa.int64())]
    )
    return engine.query(
        sql_text(__package__, "support_shifts.sql"),
        {
            "entries": cohorts.entries,
            "support_types": cohorts.support_types,
            "sequences": cohorts.sequences,
            "claimed": pa.Table.from_pandas(claimed[kinds.names], schema=kinds, preserve_index=False),
        },
        {"as_of": cohorts.as_of, "window": window},
    )


def _with_contacts(engine: Engine, cohorts: Cohorts, searched: Searched, window: int) -> pd.DataFrame:
    """What came right before those who asked did, how often they asked, and how long they waited for a human."""
    asked: pd.DataFrame = engine.query(
        sql_text(__package__, "contacts.sql"),
        {
            "entries": cohorts.entries,
            "candidates": searched.candidates,
            "support_types": cohorts.support_types,
            "human_types": cohorts.human_types,
            "sequences": cohorts.sequences,
        },
        {"as_of": cohorts.as_of, "window": window},
    ).to_pandas()
    with_humans = set(cohorts.human_types["journey"].to_pylist())
    told = [
        {
            **dict(zip(KEY, key, strict=True)),
            "before_contact": _commonest(own["type_before"].fillna("nothing")),
            "contacts_per_asker": own["contacts"].mean(),
            "repeat_rate": (own["contacts"] > 1).mean(),
            "hours_to_human": median_time(own["waited"] / (MICROSECONDS_A_DAY / 24), own["answered"])
            if key[0] in with_humans
            else np.nan,
        }
        for key, own in asked.groupby(KEY, sort=True)
    ]
    columns = [*KEY, "before_contact", "contacts_per_asker", "repeat_rate", "hours_to_human"]
    found = searched.rows.merge(pd.DataFrame(told, columns=columns), on=KEY, how="left")
    return found.assign(
        before_contact=found["before_contact"].astype(object).where(found["before_contact"].notna(), None)
    )


def _commonest(types: "pd.Series[str]") -> str:
    """The three commonest with their shares, as ``setup.started 62%, app.error 20%``."""
    shares = sorted((-share, name) for name, share in types.value_counts(normalize=True).items())[:3]
    return ", ".join(f"{name} {-share:.0%}" for share, name in shares)
