"""A company of millions straight to Parquet, for benchmarks: events only, without services between.

Belongs here: generating in batches of bounded memory. Does not belong here: what people do, which is the same as in
the small company (``lives``, ``happenings``).
"""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cx_orchestration.demo.company import SEED, START, TIME_ZONE, period_of
from cx_orchestration.demo.happenings import Happenings, happen
from cx_orchestration.demo.lives import live
from cx_orchestration.demo.people import make_strangers
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import conform

BATCH = 50_000


def generate_events_parquet(
    folder: Path | str,
    customers: int = 1_000_000,
    seed: int = SEED,
    *,
    days: int = 90,
    null: bool = False,
    start: dt.date = START,
    batch: int = BATCH,
) -> int:
    """Write ``part-00000.parquet``, ... with the columns of ``tables.EVENTS``; returns the number of events.

    Memory is bounded by ``batch`` people; the same arguments give the same files. People of one batch are ordered by
    time together.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    period = period_of(DayRange(start, start + dt.timedelta(days=days - 1)))
    engine, sql, events = Engine(), sql_text(__package__, "large_events.sql"), 0
    for number, first in enumerate(range(0, customers, batch)):
        rng = np.random.default_rng([seed, number])
        people = make_strangers(min(batch, customers - first), rng)
        happenings = happen(people, live(people, period.days, rng, null=null), period, rng)
        happened = pa.Table.from_pandas(_as_events(happenings, first), preserve_index=False)
        rows = engine.query(sql, {"happened": happened}, {"batch": number, "zone": TIME_ZONE.key})
        pq.write_table(conform(tables.EVENTS, rows), folder / f"part-{number:05d}.parquet", compression="zstd")
        events += rows.num_rows
    return events


def _as_events(happened: Happenings, first: int) -> pd.DataFrame:
    """Every happening that becomes an event, with the people of this batch counted from ``first``."""
    web, charges, tickets = happened.web, happened.charges, happened.tickets
    solved = tickets[tickets["solved_at"] > 0]
    letters = happened.newsletters
    channel = (
        web["device"].map({"desktop": "web", "mobile_web": "web", "ios": "app", "android": "app"}).fillna("server")
    )
    paid = charges["succeeded"].map({True: "payment.succeeded", False: "payment.failed"})
    moved = charges["cents"].where(charges["succeeded"])
    parts = [
        web.assign(type=web["kind"], service="segment", stream="events", channel=channel),
        charges.assign(type=paid, service="stripe", stream="charges", channel="web", cents=moved),
        happened.refunds.assign(
            type="refund.issued", service="stripe", stream="refunds", channel="web", cents=-happened.refunds["cents"]
        ),
        tickets.assign(type="support.requested", service="zendesk", stream="tickets"),
        solved.assign(type="support.resolved", service="zendesk", stream="tickets", at=solved["solved_at"]),
        letters.assign(type="newsletter.subscribed", service="mailchimp", stream="members", channel="email"),
        *(
            letters[letters[moment] > 0].assign(
                type=type_, service="mailchimp", stream="welcome_activity", channel="email", at=letters[moment]
            )
            for moment, type_ in (("opened_at", "email.opened"), ("clicked_at", "email.clicked"))
        ),
        happened.leads.assign(type="lead.created", service="salesforce", stream="leads", channel="sales"),
        happened.contacts.assign(type="contact.created", service="salesforce", stream="contacts", channel="crm"),
        happened.members.assign(type="community.joined", service="discourse", stream="users", channel="community"),
        happened.posts.assign(type="community.posted", service="discourse", stream="posts", channel="community"),
        happened.responses.assign(
            type="feedback.given",
            service="survey",
            stream="responses",
            channel="email",
            score_kind=happened.responses["kind"],
        ),
    ]
    columns = ["person", "at", "type", "service", "stream", "channel", "device", "product", "method", "cents", "score"]
    events = pd.concat([part.reindex(columns=[*columns, "score_kind"]) for part in parts], ignore_index=True)
    texts = ["device", "product", "method", "score_kind"]
    events[texts] = events[texts].astype(object).where(events[texts].notna() & (events[texts] != ""), None)
    events["person"] += first
    for count in ("cents", "score"):
        events[count] = events[count].astype("Int64")
    return events.rename(columns={"at": "moment"}).assign(number=np.arange(len(events)))
