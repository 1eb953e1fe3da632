"""Findings as a small chart for asset metadata: effects with their intervals.

Belongs here: one static picture a table. Does not belong here: pages, journey maps.
"""

import base64
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import vl_convert

from cx_orchestration.model.tables import Table

_MOST = 15
_KINDS = ["finding", "explained by a stronger row", "no finding"]


def findings_picture(table: Table, rows: pa.Table) -> str:
    """Markdown that shows the effects of the most significant candidates and their 95% intervals, findings in colour.

    The picture is an SVG in a data URI, a seventh of a PNG, so nothing is fetched when it is shown. It holds groups
    and rates, no person.
    """
    if rows.num_rows == 0:
        return "No cluster was large enough to be looked at."
    shown = rows.to_pandas().sort_values(["p_value", "finding_id"]).head(_MOST)
    shown["candidate"] = [_label(row) for row in pa.Table.from_pandas(shown, rows.schema).to_pylist()]
    shown["kind"] = [
        _KINDS[0] if found else _KINDS[2 if pd.isna(shadow) else 1]
        for found, shadow in zip(shown["is_finding"], shown["shadow_of"], strict=True)
    ]
    name = table.path.rsplit("/", 1)[-1].replace("_", " ")
    order = shown["candidate"].tolist()
    columns = ["candidate", "kind", "effect", "effect_low", "effect_high"]
    base = alt.Chart(shown[columns], title=f"{name}: {rows.num_rows} looked at", width=420, height={"step": 20})
    candidate = alt.Y("candidate:N", sort=order, title=None, axis=alt.Axis(labelLimit=320))
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=_KINDS, range=["#c0392b", "#e0a89f", "#9aa5b1"]),
        legend=alt.Legend(orient="bottom"),
    )
    bars = base.mark_rule(strokeWidth=2).encode(
        y=candidate, x=alt.X("effect_low:Q", title="difference to the others, with 95% interval"), x2="effect_high:Q"
    )
    chart = alt.layer(
        base.mark_rule(color="#52606d", strokeDash=[3, 3]).encode(x=alt.datum(0)),
        bars.encode(color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=candidate, x="effect:Q", color=colour),
    )
    picture = base64.b64encode(vl_convert.vegalite_to_svg(chart.to_json()).encode()).decode("ascii")
    return f"![{name}](data:image/svg+xml;base64,{picture})"


def _label(row: dict[str, Any]) -> str:
    where = "" if row["step"] is None else f" at {row['step']}"
    return f"{row['segment']} {row['segment_value']}{where} (n={row['n']})"
