"""The picture of ``exploration/segment_cohorts``: shares of each cluster with intervals, and who stays week by week.

Belongs here: that one picture. Does not belong here: the charts of findings (``pictures``).
"""

import base64

import altair as alt
import pandas as pd
import pyarrow as pa
import vl_convert

#: So many segments are drawn, and of each so many shares; a segment with more values than colours is left out.
_MOST_SEGMENTS = 5
_MOST_SHARES = 6
_MOST_VALUES = 10

_SAID = {"begins_at": "begins at", "reached": "reached", "completed": "completed"}


def segments_picture(rows: pa.Table) -> str:
    """Markdown with ``segments_svg``, in a data URI."""
    svg = segments_svg(rows)
    if svg is None:
        return "No cluster was large enough to be looked at."
    return f"![segment cohorts](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def segments_svg(rows: pa.Table) -> str | None:
    """For each journey and segment that has at least two values, its shares and its weeks; ``None`` without any."""
    shown = rows.to_pandas()
    shown = shown[shown["segment"] != "all"]
    values = shown.groupby(["journey", "segment"])["segment_value"].nunique()
    drawn = [
        _of_segment(shown[(shown["journey"] == journey) & (shown["segment"] == segment)], f"{journey}: {segment}")
        for journey, segment in values[(values > 1) & (values <= _MOST_VALUES)].index[:_MOST_SEGMENTS]
    ]
    if not drawn:
        return None
    chart = alt.vconcat(*drawn, spacing=18).resolve_scale(color="independent", yOffset="independent")
    return str(vl_convert.vegalite_to_svg(chart.to_json()))


def _of_segment(rows: pd.DataFrame, title: str) -> alt.HConcatChart:
    value = alt.Color("segment_value:N", title=None)
    shares = rows[rows["measure"] != "active"]
    asked = shares["measure"].map(_SAID) + (" " + shares["step"]).fillna("")
    shares = shares.assign(asked=asked)
    order = shares.groupby("asked")["hits"].sum().nlargest(_MOST_SHARES).index.tolist()
    columns = ["asked", "segment_value", "share", "share_low", "share_high"]
    base = alt.Chart(
        shares.loc[shares["asked"].isin(order), columns], width=300, height={"step": 8, "for": "offset"}, title=title
    ).encode(
        alt.Y("asked:N", sort=order, title=None, axis=alt.Axis(labelLimit=180)), alt.YOffset("segment_value:N"), value
    )
    share = alt.Axis(format="%", tickCount=5)
    intervals = alt.layer(
        base.mark_rule(strokeWidth=2).encode(alt.X("share_low:Q", title=None, axis=share), alt.X2("share_high:Q")),
        base.mark_point(filled=True, size=45, opacity=1).encode(alt.X("share:Q")),
    )
    weeks = rows[rows["measure"] == "active"]
    lines = (
        alt.Chart(
            weeks[["week", "segment_value", "share"]], width=260, height=160, title="active, weeks after beginning"
        )
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18))
        .encode(
            alt.X("week:Q", title=None, axis=alt.Axis(values=sorted(weeks["week"].unique().tolist()))),
            alt.Y("share:Q", title=None, axis=share),
            value,
        )
    )
    return alt.hconcat(intervals, lines)
