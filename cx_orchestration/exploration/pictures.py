"""Findings and KPIs as small charts for asset metadata: effects with their intervals, periods, values over time.

Belongs here: one static picture a table. Does not belong here: pages, journey maps.
"""

import base64
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import vl_convert

from cx_orchestration.exploration.series import ASKED, GAVE_UP
from cx_orchestration.exploration.series import KEY as RATE
from cx_orchestration.model.tables import Table

_MOST = 15
_MOST_CHARTS = 6
_RED, _GREY, _BLUE, _AMBER = "#c0392b", "#9aa5b1", "#2f6690", "#b07a00"
_OUTCOMES = {GAVE_UP: "gave up", ASKED: "turned to support"}
_CALENDAR = alt.Axis(format="%d %b %Y", tickCount=7, labelOverlap=True, grid=False)
_KINDS = ["finding", "explained by a stronger row", "no finding"]


def findings_picture(table: Table, rows: pa.Table) -> str:
    """Markdown with ``findings_svg``, in a data URI, so nothing is fetched when it is shown."""
    svg = findings_svg(table, rows)
    return "No cluster was large enough to be looked at." if svg is None else _markdown(_name(table), svg)


def findings_svg(table: Table, rows: pa.Table) -> str | None:
    """The effects of the most significant candidates and their 95% intervals, findings in colour; ``None`` without any.

    An SVG is a seventh of a PNG. It holds groups and rates, no person.
    """
    if rows.num_rows == 0:
        return None
    shown = rows.to_pandas().sort_values(["p_value", "finding_id"]).head(_MOST)
    shown["candidate"] = [_label(row) for row in pa.Table.from_pandas(shown, rows.schema).to_pylist()]
    shown["kind"] = _kinds(shown)
    name = _name(table)
    order = shown["candidate"].tolist()
    columns = ["candidate", "kind", "effect", "effect_low", "effect_high"]
    base = alt.Chart(shown[columns], title=f"{name}: {rows.num_rows} looked at", width=420, height={"step": 20})
    candidate = alt.Y("candidate:N", sort=order, title=None, axis=alt.Axis(labelLimit=320))
    colour = _by_kind()
    bars = base.mark_rule(strokeWidth=2).encode(
        y=candidate, x=alt.X("effect_low:Q", title="difference to the others, with 95% interval"), x2="effect_high:Q"
    )
    chart = alt.layer(
        base.mark_rule(color="#52606d", strokeDash=[3, 3]).encode(x=alt.datum(0)),
        bars.encode(color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=candidate, x="effect:Q", color=colour),
    )
    return _svg(chart)


def kpis_picture(rows: pa.Table) -> str:
    """Markdown with ``kpis_svg``."""
    svg = kpis_svg(rows)
    return "No service has any day yet." if svg is None else _markdown("kpis", svg)


def kpis_svg(rows: pa.Table) -> str | None:
    """Each KPI by day with what earlier weeks let expect, days that are not complete hollow; ``None`` without any."""
    days = rows.to_pandas()
    days = days[(days["period"] == "day") & days["value"].notna()]
    if days.empty:
        return None
    name = days["kpi"].where(days["journey"].isna(), days["journey"] + ": " + days["kpi"])
    shown = days.assign(name=name, verdict=days["verdict"].fillna("not judged"), day=days["begins_at"].astype(str))
    base = alt.Chart(width=420, height=70).encode(alt.X("day:T", title=None))
    band = base.mark_area(color=_GREY, opacity=0.3).encode(
        alt.Y("expected_low:Q", title=None), alt.Y2("expected_high:Q")
    )
    colours = alt.Scale(domain=["above", "below", "as expected", "not judged"], range=[_AMBER, _RED, _BLUE, _GREY])
    points = base.mark_point(size=30).encode(
        alt.Y("value:Q"),
        alt.Color("verdict:N", title=None, scale=colours),
        alt.FillOpacity("complete:N", legend=None, scale=alt.Scale(domain=[True, False], range=[1, 0])),
        alt.Fill("verdict:N", legend=None, scale=colours),
    )
    columns = shown[["day", "name", "value", "expected_low", "expected_high", "verdict", "complete"]]
    chart = alt.layer(band, base.mark_line(color="#cbd2d9").encode(alt.Y("value:Q")), points, data=columns)
    header = alt.Header(labelAngle=0, labelAlign="left")
    drawn = chart.facet(row=alt.Row("name:N", title=None, header=header)).resolve_scale(y="independent")
    return _svg(drawn)


def incidents_picture(rows: pa.Table) -> str:
    """Markdown with ``incidents_svg``."""
    svg = incidents_svg(rows)
    return "No rate had visits enough to be followed over time." if svg is None else _markdown("incidents", svg)


def incidents_svg(rows: pa.Table) -> str | None:
    """When the rates stood out, findings first, then the most significant others; ``None`` without any."""
    if rows.num_rows == 0:
        return None
    shown = (
        rows.to_pandas().sort_values(["is_finding", "p_value", "finding_id"], ascending=[False, True, True]).head(_MOST)
    )
    shown["kind"] = _kinds(shown)
    shown["rate"] = [_where(row) for row in shown.to_dict("records")]
    shown["said"] = [
        f"{value:.0%}, else {baseline:.0%}" for value, baseline in zip(shown["value"], shown["baseline"], strict=True)
    ]
    for name, more in (("from_day", 0), ("until_day", 1)):
        shown[name] = pd.to_datetime(shown[name]) + pd.Timedelta(days=more)
    time = [shown["from_day"].min().isoformat(), pd.Timestamp(shown["judged_until"].max()).isoformat()]
    title = f"incidents: {rows.num_rows} rates looked at"
    columns = ["rate", "kind", "said", "from_day", "until_day"]
    base = alt.Chart(shown[columns], title=title, width=420, height={"step": 20}).encode(
        alt.Y("rate:N", sort=shown["rate"].tolist(), title=None, axis=alt.Axis(labelLimit=360))
    )
    bars = base.mark_bar(height=11).encode(
        alt.X("from_day:T", title=None, scale=alt.Scale(domain=time), axis=_CALENDAR),
        alt.X2("until_day:T"),
        _by_kind(),
    )
    said = base.mark_text(align="left", dx=5, fontSize=10, color="#52606d").encode(alt.X("until_day:T"), text="said:N")
    return _svg(alt.layer(bars, said))


def weekly_picture(weekly: pa.Table, incidents: pa.Table) -> str:
    """Markdown with ``weekly_svg``."""
    svg = weekly_svg(weekly, incidents)
    return "No visits were old enough to be judged." if svg is None else _markdown("weekly rates", svg)


def weekly_svg(weekly: pa.Table, incidents: pa.Table) -> str | None:
    """A control chart by week of each rate that has an incident, which is marked; if there is none, of the share of all
    customers that gave up at each step. ``None`` without any visits."""
    rows, found = weekly.to_pandas(), incidents.filter(incidents["is_finding"]).to_pandas().sort_values("p_value")
    if found.empty:
        keys = rows.loc[(rows["segment"] == "all") & (rows["outcome"] == GAVE_UP), RATE].drop_duplicates()
        shown = keys.assign(from_day=None, until_day=None)
    else:
        shown = found
    if shown.empty:
        return None
    charts = [_control_chart(rows, one) for one in shown.head(_MOST_CHARTS).to_dict("records")]
    return _svg(alt.vconcat(*charts, spacing=14))


def _control_chart(rows: pd.DataFrame, one: dict[str, Any]) -> alt.LayerChart:
    own = rows[(rows[RATE] == [one[name] for name in RATE]).all(axis=1)].assign(
        week=lambda r: pd.to_datetime(r["week"])
    )
    columns = ["week", "value", "baseline", "limit_low", "limit_high"]
    base = alt.Chart(
        own[columns], title=f"{one['journey']}: share of visits that {_where(one)}, by week", width=560, height=130
    )
    x = alt.X("week:T", title=None, axis=_CALENDAR)
    share = {
        "scale": alt.Scale(domain=[0, 1] if max(own["value"].max(), own["limit_high"].max()) > 0.5 else [0, 0.5]),
        "axis": alt.Axis(format="%", tickCount=5),
    }
    layers = [
        base.mark_area(color=_GREY, opacity=0.25, interpolate="step").encode(
            x, alt.Y("limit_low:Q", title=None, **share), alt.Y2("limit_high:Q")
        ),
        base.mark_line(color=_GREY, strokeDash=[4, 3]).encode(x, alt.Y("baseline:Q")),
        base.mark_line(color=_BLUE, point=alt.OverlayMarkDef(color=_BLUE, size=28)).encode(x, alt.Y("value:Q")),
    ]
    if one["from_day"] is not None:
        until = pd.Timestamp(one["until_day"]) + pd.Timedelta(days=1)
        period = pd.DataFrame({"from_day": [pd.Timestamp(one["from_day"])], "until_day": [until]})
        marked = alt.Chart(period).mark_rect(color=_RED, opacity=0.18)
        layers.insert(0, marked.encode(alt.X("from_day:T"), alt.X2("until_day:T")))
    return alt.layer(*layers)


def _where(row: dict[str, Any]) -> str:
    who = "" if row["segment"] == "all" else f" ({row['segment']} {row['segment_value']})"
    return f"{_OUTCOMES[row['outcome']]} at {row['step']}{who}"


def _kinds(rows: pd.DataFrame) -> list[str]:
    return [
        _KINDS[0] if found else _KINDS[2 if pd.isna(shadow) else 1]
        for found, shadow in zip(rows["is_finding"], rows["shadow_of"], strict=True)
    ]


def _by_kind() -> alt.Color:
    return alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=_KINDS, range=[_RED, "#e0a89f", _GREY]),
        legend=alt.Legend(orient="bottom"),
    )


def _name(table: Table) -> str:
    return table.path.rsplit("/", 1)[-1].replace("_", " ")


def _svg(chart: alt.LayerChart | alt.VConcatChart | alt.FacetChart) -> str:
    return str(vl_convert.vegalite_to_svg(chart.to_json()))


def _markdown(name: str, svg: str) -> str:
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def _label(row: dict[str, Any]) -> str:
    where = "" if row["step"] is None else f" at {row['step']}"
    return f"{row['segment']} {row['segment_value']}{where} (n={row['n']})"
