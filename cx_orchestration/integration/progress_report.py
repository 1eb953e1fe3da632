"""Progress as people look at it: the burn-down as a picture, and a page with it that needs no network.

Belongs here: what is drawn. Does not belong here: statuses (``progress.py``).
"""

import base64
import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import altair as alt
import pandas as pd
import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cx_orchestration.integration.progress import STATUSES, Progress

#: From what is only known of to what is under way: the darker, the nearer to its end.
_COLOURS = {"inventoried": "#d5dae1", "scored": "#a9b4c2", "decided": "#6f95c4", "integrating": "#1f64ad"}
#: Of the time from the first to the newest change: how wide the newest state is at least.
_LEAST_WIDTH = 0.06
#: In UTC, as everything on the page, and by 24 hours; midnight is its day.
_TICKS = (
    "utchours(datum.value) || utcminutes(datum.value) ? utcFormat(datum.value, '%H:%M') "
    ": utcFormat(datum.value, '%b %d')"
)
_WIDTH, _INK, _SOFT, _LINE = 620, "#1b1f24", "#5a6270", "#dcdfe3"


def left_over_time(progress: Progress, as_of: dt.datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was left after each change, and at the right edge: rows of services by status, and rows of days.

    The edge is ``as_of``, or so much after the newest change that what it left has a width that can be seen.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    by_time: dict[dt.datetime, list[Mapping[str, Any]]] = {}
    for row in progress.history:
        by_time.setdefault(row["changed_at"], []).append(row)
    left: list[dict[str, Any]] = []
    days: list[dict[str, Any]] = []
    for at in sorted({*by_time, _right_edge(by_time, as_of)}):
        newest |= {row["service"]: row for row in by_time.get(at, ())}
        standing = list(newest.values())
        for place, status in enumerate(reversed(_COLOURS)):
            count = sum(row["status"] == status for row in standing)
            left.append({"at": at.isoformat(), "status": status, "services": count, "place": place})
        days.append({"at": at.isoformat(), "days": sum(row["days_due"] - row["days_done"] for row in standing)})
    return left, days


def _right_edge(changes: Collection[dt.datetime], as_of: dt.datetime) -> dt.datetime:
    """The page is made in the moment of the newest change: drawn up to there only, that change would not show."""
    if not changes:
        return as_of
    first, newest = min(changes), max(changes)
    return max(as_of, newest + ((newest - first) * _LEAST_WIDTH or dt.timedelta(hours=1)))


def burn_down_svg(progress: Progress, as_of: dt.datetime) -> str:
    """The services that are left, by status, and the days that are owed, over time."""
    left, days = left_over_time(progress, as_of)
    most_days = max(1, *(row["days"] for row in days))
    time = alt.X(
        "at:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(labelOverlap=True, tickCount=6, labelExpr=_TICKS),
    )
    services = (
        alt.Chart(pd.DataFrame(left), title="Services left", width=_WIDTH, height=150)
        .mark_area(interpolate="step-after", opacity=1)
        .encode(
            x=time,
            y=alt.Y("services:Q", title=None, axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=alt.Color(
                "status:N",
                title=None,
                scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
                legend=alt.Legend(orient="bottom", direction="horizontal"),
            ),
            order=alt.Order("place:Q"),
        )
    )
    owed = (
        alt.Chart(pd.DataFrame(days), title="Days left", width=_WIDTH, height=110)
        .mark_area(interpolate="step-after", opacity=1, color="#dbe6f3", line={"color": "#1f64ad", "strokeWidth": 2})
        .encode(
            x=time,
            y=alt.Y(
                "days:Q",
                title=None,
                scale=alt.Scale(domain=[0, most_days]),
                axis=alt.Axis(tickMinStep=1, tickCount=min(4, most_days)),
            ),
        )
    )
    chart = (
        alt.vconcat(services, owed, spacing=18)
        .configure(
            font="system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif", background="#ffffff"
        )
        .configure_title(anchor="start", frame="group", fontSize=13, fontWeight=600, color=_INK)
        .configure_view(stroke=None)
        .configure_axis(labelColor=_SOFT, gridColor=_LINE, domainColor=_SOFT, tickColor=_SOFT)
        .configure_legend(labelColor=_SOFT, symbolType="square")
    )
    return str(vl_convert.vegalite_to_svg(chart.to_json()))


def burn_down_markdown(progress: Progress, as_of: dt.datetime) -> str:
    """The burn-down as a Markdown image whose data is in its address: shown in Dagster's UI, without a network."""
    picture = base64.b64encode(burn_down_svg(progress, as_of).encode()).decode("ascii")
    return f"![{headline(progress)}](data:image/svg+xml;base64,{picture})"


def headline(progress: Progress) -> str:
    """What is left, in one sentence."""
    services, days = progress.services_left, progress.days_left
    if not services:
        return f"All {len(progress.rows)} services are integrated, or closed or retired by decision."
    return (
        f"{services} of {len(progress.rows)} {'service' if len(progress.rows) == 1 else 'services'} left, "
        f"{days} {'day' if days == 1 else 'days'} to land."
    )


def progress_page(progress: Progress, *, project_name: str, as_of: dt.datetime) -> str:
    """A page of HTML with the burn-down and every service's status; it names systems and no customer."""
    page: str = _template().render(
        project_name=project_name,
        as_of=as_of,
        headline=headline(progress),
        burn_down=Markup(burn_down_svg(progress, as_of)),  # noqa: S704  # made by vl-convert, its texts escaped
        counts=[(status, sum(row["status"] == status for row in progress.rows)) for status in STATUSES],
        rows=progress.rows,
        changes=list(reversed(list(_status_changes(progress))))[:30],
    )
    return page


def _status_changes(progress: Progress) -> Iterator[dict[str, Any]]:
    status: dict[str, str] = {}
    for row in progress.history:
        before = status.get(row["service"], "")
        if row["status"] != before:
            yield {"at": row["changed_at"], "service": row["service"], "before": before, "after": row["status"]}
        status[row["service"]] = row["status"]


@cache
def _template() -> Any:
    text = files(__package__).joinpath("progress.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)
