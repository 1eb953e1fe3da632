"""Paths and experience as small charts for asset metadata.

Belongs here: one static picture a table. Does not belong here: maps drawn with their counts.
"""

import base64

import altair as alt
import pandas as pd
import pyarrow as pa
import vl_convert

from cx_orchestration.model import tables
from cx_orchestration.model.tables import Table

_MOST = 12
_BLUE = "#2f6690"

# Over its panel a title has room; beside it, those of two panels lie on each other.
_ABOVE = alt.Header(labelOrient="top", labelAngle=0, labelAnchor="start", labelFontWeight="bold")


def path_picture(table: Table, rows: pa.Table) -> str | None:
    """Markdown with ``path_svg`` as a data URI."""
    svg = path_svg(table, rows)
    if svg is None:
        return None
    name = table.path.rpartition("/")[2].replace("_", " ")
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def path_svg(table: Table, rows: pa.Table) -> str | None:
    """The picture of a table; ``None`` for one that has none, or nothing to show."""
    draw = _PICTURES.get(table)
    shown = rows.to_pandas()
    chart = None if draw is None or shown.empty else draw(shown)
    return None if chart is None else str(vl_convert.vegalite_to_svg(chart.to_json()))


def _follows(rows: pd.DataFrame) -> alt.Chart:
    """The transition matrix of all events, of the types that are followed most."""
    pairs = rows[(rows["journey"] == "") & rows["from_type"].notna()].fillna({"to_type": "(nothing)"})
    busiest = pairs.groupby("from_type")["transitions"].sum().nlargest(_MOST).index
    shown = pairs[pairs["from_type"].isin(busiest) & pairs["to_type"].isin([*busiest, "(nothing)"])]
    return _heat(shown, "from_type", "to_type", "share", "share of what follows")


def _handoffs(rows: pd.DataFrame) -> alt.Chart:
    named = rows.fillna({"from_channel": "(begin)", "to_channel": "(end)"})
    return _heat(named, "from_channel", "to_channel", "share", "share of what follows")


def _heat(rows: pd.DataFrame, y: str, x: str, value: str, title: str) -> alt.Chart:
    return (
        alt.Chart(rows[[y, x, value]])
        .mark_rect()
        .encode(
            alt.X(f"{x}:N", title=None, axis=alt.Axis(labelAngle=-40)),
            alt.Y(f"{y}:N", title=None),
            alt.Color(f"{value}:Q", title=title, scale=alt.Scale(scheme="blues")),
        )
        .properties(width={"step": 26}, height={"step": 20})
    )


def _variants(rows: pd.DataFrame) -> alt.Chart:
    shown = rows[(rows["journey"] == "") & rows["rank"].notna()].head(_MOST)
    return _bars(shown, "path", "customers")


def _sessions(rows: pd.DataFrame) -> alt.Chart:
    return _bars(rows.nlargest(_MOST, "begun"), "type", "begun")


def _leaving(rows: pd.DataFrame) -> alt.Chart:
    shown = rows.dropna(subset=["rate"]).nlargest(_MOST, "rate")
    return _bars(shown.assign(after=shown["type"] + " (" + shown["journey"] + ")"), "after", "rate")


def _bars(rows: pd.DataFrame, label: str, value: str) -> alt.Chart:
    return (
        alt.Chart(rows[[label, value]])
        .mark_bar(color=_BLUE)
        .encode(
            alt.X(f"{value}:Q", title=value.replace("_", " ")),
            alt.Y(f"{label}:N", sort=None, title=None, axis=alt.Axis(labelLimit=420)),
        )
        .properties(width=320, height={"step": 20})
    )


def _funnels(rows: pd.DataFrame) -> alt.Chart:
    """Each journey's funnel under both semantics, and the declared ones, as shares of those who entered."""
    order = [row.step for row in rows.sort_values("place").itertuples()]
    named = rows.assign(funnel=rows["funnel"].fillna(rows["journey"]))
    base = alt.Chart(named[["funnel", "semantics", "step", "of_entered"]].dropna())
    return (
        base.mark_bar()
        .encode(
            alt.X("of_entered:Q", title="share of those who entered", axis=alt.Axis(format="%")),
            alt.Y("step:N", sort=list(dict.fromkeys(order)), title=None),
            alt.YOffset("semantics:N", sort=["first_touch", "any_start"]),
            alt.Color("semantics:N", title=None, scale=alt.Scale(range=[_BLUE, "#9ab8cf"])),
            alt.Row("funnel:N", title=None),
        )
        .properties(width=320)
        .resolve_scale(y="independent")
    )


def _exits(rows: pd.DataFrame) -> alt.VConcatChart:
    """Where those went who dropped out: the commonest events after each step of a funnel, in shares of its droppers."""
    keys = ["journey", "funnel", "semantics", "place"]
    of_all = rows["customers"] / rows.groupby(keys, dropna=False)["customers"].transform("sum")
    named = rows.assign(
        share=of_all,
        funnel=rows["funnel"].fillna(rows["journey"]) + ", " + rows["semantics"].str.replace("_", " "),
        next=rows["next_type"].fillna("(nothing)"),
    )
    often = named.groupby("next")["customers"].sum().nlargest(_MOST).index
    drawn = []
    for funnel, of_one in named[named["next"].isin(often)].sort_values("place").groupby("funnel"):
        heat = _heat(of_one, "step", "next", "share", "share of who dropped")
        drawn.append(
            heat.encode(alt.Y("step:N", title=None, sort=of_one["step"].unique().tolist())).properties(title=funnel)
        )
    return alt.vconcat(*drawn, spacing=18)


def _retention(rows: pd.DataFrame) -> alt.Chart | None:
    """From week 1 on: everybody is there in week 0. The darkest is the most that a cohort of some size kept."""
    later = rows[(rows["week"] > 0) & (rows["observed"] > 0)]
    if later.empty:
        return None
    size = rows.groupby("cohort")["customers"].max()
    shown = later.assign(came=[f"{cohort} ({size[cohort]:,})" for cohort in later["cohort"]])
    most = shown.loc[shown["customers"] >= size.median(), "share"].max()
    return (
        alt.Chart(shown[["came", "week", "share"]])
        .mark_rect()
        .encode(
            alt.X("week:O", title="weeks since the first event", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            alt.Y("came:N", title="week of the first event (customers)"),
            alt.Color(
                "share:Q",
                title="share active",
                legend=alt.Legend(format="%"),
                scale=alt.Scale(scheme="blues", domain=[0, most], clamp=True),
            ),
        )
        .properties(width={"step": 22}, height={"step": 18})
    )


def _milestones(rows: pd.DataFrame) -> alt.LayerChart:
    columns = ["journey", "step", "days", "share", "share_low", "share_high"]
    named = rows[columns].assign(milestone=rows["journey"] + ": " + rows["step"])
    base = alt.Chart(named, width=420, height=240).encode(
        alt.X("days:Q", title="days since the beginning"), alt.Color("milestone:N", title=None)
    )
    band = base.mark_area(opacity=0.2).encode(
        alt.Y("share_low:Q", title="share that has reached it", axis=alt.Axis(format="%")), alt.Y2("share_high:Q")
    )
    return alt.layer(band, base.mark_line(point=True).encode(alt.Y("share:Q")))


def _cohort_milestones(rows: pd.DataFrame) -> alt.FacetChart | None:
    """By month of the first event, or by week where there are fewer than three months."""
    judged = rows.dropna(subset=["share"])
    period = "month" if judged.loc[judged["period"] == "month", "cohort"].nunique() > 2 else "week"
    judged = judged[judged["period"] == period]
    if judged.empty:
        return None
    came = judged["cohort"].astype(str).str[: 7 if period == "month" else 10]
    days = judged["window_days"].map("{:g}".format)
    shown = judged[["share", "share_low", "share_high"]].assign(
        came=came + " (" + judged["mature"].map("{:,}".format) + ")",
        milestone=judged["journey"] + ": " + judged["step"] + " within " + days + " days",
    )
    base = alt.Chart(width=320, height={"step": 20}).encode(alt.Y("came:N", title=None))
    bars = base.mark_rule(color=_BLUE).encode(
        alt.X("share_low:Q", title="share that has reached it, with its 95% interval", axis=alt.Axis(format="%")),
        alt.X2("share_high:Q"),
    )
    points = base.mark_point(filled=True, size=60, color=_BLUE).encode(alt.X("share:Q"))
    return (
        alt.layer(bars, points, data=shown)
        .facet(row=alt.Row("milestone:N", title=f"by {period} of the first event (customers)", header=_ABOVE))
        .resolve_scale(y="independent")
    )


def _experience(rows: pd.DataFrame) -> alt.FacetChart | None:
    """Each measure with its interval, by step and layer, of the newest version of each map."""
    known = rows.dropna(subset=["value"])
    known = known[known["map_version"] == known.groupby("journey")["map_version"].transform("max")]
    if known.empty:
        return None
    place = known["step"].fillna(known["layer"] + " layer").fillna("all steps")
    shown = known.assign(place=known["journey"] + ": " + place + " (n=" + known["n"].astype(str) + ")")
    base = alt.Chart(width=320, height={"step": 20}).encode(
        alt.Y("place:N", title=None, sort=None, axis=alt.Axis(labelLimit=320))
    )
    bars = base.mark_rule(color=_BLUE).encode(
        alt.X("value_low:Q", title="with its 95% interval", scale=alt.Scale(zero=False)), alt.X2("value_high:Q")
    )
    points = base.mark_point(filled=True, size=60, color=_BLUE).encode(alt.X("value:Q"))
    columns = shown[["place", "measure", "value", "value_low", "value_high"]]
    return (
        alt.layer(bars, points, data=columns)
        .facet(row=alt.Row("measure:N", title=None))
        .resolve_scale(x="independent", y="independent")
    )


_PICTURES = {
    tables.DIRECTLY_FOLLOWS: _follows,
    tables.VARIANTS: _variants,
    tables.FUNNELS: _funnels,
    tables.FUNNEL_EXITS: _exits,
    tables.SESSIONS: _sessions,
    tables.LEAVING: _leaving,
    tables.RETENTION: _retention,
    tables.TIME_TO_MILESTONE: _milestones,
    tables.COHORT_MILESTONES: _cohort_milestones,
    tables.CHANNEL_HANDOFFS: _handoffs,
    tables.EXPERIENCE: _experience,
}
