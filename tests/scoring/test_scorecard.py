"""The page and the picture: complete, self-contained, legible, and safe with any name."""

import base64
import datetime as dt
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib.resources import files

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.model import tables
from cx_orchestration.model.scoring import Decision, Decisions, ScoringConfig, Strategy
from cx_orchestration.scoring.plan import build_plan
from cx_orchestration.scoring.quadrant import PLOT, layout, quadrant_markdown, quadrant_svg
from cx_orchestration.scoring.scorecard import render_scorecard

FIRST = Strategy.HIGHEST_IMPACT_FIRST
HOSTILE = "<script>alert('x')</script>&\"]({{ 7*7 }})"
NO_OVERLAP = pd.DataFrame(columns=tables.OVERLAP.schema.names)
NO_FLIPS = pd.DataFrame(columns=tables.SENSITIVITY.schema.names)


class Page(HTMLParser):
    """What a reader of the page gets, and whether every element is closed where it should be."""

    VOID = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += " " + " ".join(data.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def rows(row_of):
    return [
        row_of("Stripe Billing", product_dependency="Tightly-Coupled"),
        row_of("Zendesk Support", business_function="Support", customer_impact="Some"),
        row_of("Legacy Call Log", business_function="Support", integration_profile="Inaccessible"),
    ]


@pytest.fixture(scope="module")
def plan(rows, default_config, decisions_of, declaration_of):
    decisions = decisions_of(("stripe_billing", "integrate"), ("zendesk_support", "keep_as_is"))
    return build_plan(rows, default_config, decisions, {"stripe_billing": declaration_of("stripe_billing")}, FIRST)


def rendered(plan, overlap=NO_OVERLAP, flips=NO_FLIPS, name: str = "Northwind") -> str:
    return render_scorecard(plan, overlap, flips, project_name=name, as_of=dt.date(2026, 11, 5))


def test_the_page_says_what_becomes_of_every_service_and_who_decided(plan) -> None:
    page = Page(rendered(plan))
    for said in (
        "Northwind",
        "2026-11-05",
        "Stripe Billing is approved for integration. 1 waits for a decision, and nothing happens until then.",
        "Zendesk Support",
        "Keep as is",
        "proposed: integrate",
        "Ada Marsh, architect, 2026-10-20",
        "It carries the customer's first question.",
        "Nobody yet",
        "A file drop is the way in",
        "Highest impact and least complexity first",
        "No business function is served by more than one service.",
        "no proposed disposition and no rank changes",
    ):
        assert said in page.text, said


def test_overlap_and_flips_are_shown_with_names(plan) -> None:
    overlap = pd.DataFrame(
        [
            {
                "business_function": "Support",
                "service": service,
                "impact_score": 80.0,
                "complexity_score": 20.0,
                "disposition": "integrate",
                "teams": "Care, Sales",
                "business_impact": "Critical",
                "customers_per_year": 1234567,
            }
            for service in ("zendesk_support", "legacy_call_log")
        ]
    )
    flip = {"service": "legacy_call_log", "dimension": "customers", "change": "weight -10%"}
    flips = pd.DataFrame(
        [
            flip | {"what": "rank", "before": "3", "after": "2"},
            flip | {"what": "disposition", "before": "integrate_later", "after": "retire"},
        ]
    )
    page = Page(rendered(plan, overlap, flips))
    for said in (
        "Care, Sales",
        "1,234,567",
        "Legacy Call Log: integrate later becomes retire",
        "Legacy Call Log 3 → 2",
    ):
        assert said in page.text, said


def test_the_page_needs_nothing_from_outside(plan) -> None:
    html = rendered(plan)
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert [url for url in re.findall(r"https?://[^\"'\s<]+", html) if url != "http://www.w3.org/2000/svg"] == []
    assert not re.search(r"url\(|@import|javascript:", html)
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_page_can_be_read_aloud(plan) -> None:
    page = Page(rendered(plan))
    assert page.all("html")[0]["lang"] == "en"
    assert page.text.strip().startswith("Northwind: service scorecard, 2026-11-05")
    assert all(header.get("scope") for header in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
    (picture,) = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert picture["aria-labelledby"] == "quadrant-title quadrant-text"
    assert "Impact over complexity of 3 services: 1 integrate, 1 integrate later, 1 keep as is" in page.text


@pytest.mark.parametrize("where", ["system", "reason", "project"])
def test_no_name_becomes_markup(row_of, default_config, where: str) -> None:
    system = f"Tool {HOSTILE}" if where == "system" else "Tool"
    rows = [row_of(system), row_of("Other")]
    decided = {
        "service": rows[0].service,
        "disposition": "integrate",
        "decided_by": HOSTILE,
        "role": HOSTILE,
        "decided_on": "2026-10-20",
        "reason": HOSTILE,
    }
    decisions = Decisions(decisions=[Decision.model_validate(decided)]) if where == "reason" else Decisions()
    plan = build_plan(rows, default_config, decisions, {}, FIRST)
    html = rendered(plan, name=HOSTILE if where == "project" else "Northwind")
    page = Page(html)
    assert page.all("script") == []
    assert "49" not in page.text.replace("49.", "")
    assert "<script>alert" in page.text
    ET.fromstring(quadrant_svg(plan))
    assert re.fullmatch(r"!\[[\w ,:]+\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)", quadrant_markdown(plan))


def test_the_markdown_holds_the_whole_picture_and_no_persons_name(plan) -> None:
    data = base64.b64decode(quadrant_markdown(plan).partition("base64,")[2].rstrip(")")).decode()
    assert data == quadrant_svg(plan)
    picture = ET.fromstring(data)
    texts = " ".join("".join(element.itertext()) for element in picture.iter())
    assert "Stripe Billing" in texts
    assert "Marsh" not in data
    assert not re.search(r"url\(|@import|href|<script|\son\w+=", data)


def test_the_page_is_the_same_however_the_rows_of_its_tables_are_ordered(plan) -> None:
    flips = pd.DataFrame(
        [
            {"service": service, "dimension": name, "change": change, "what": what, "before": "1", "after": "2"}
            for service in plan.names
            for name in plan.config.dimensions
            for change in ("weight -10%", "weight +10%")
            for what in ("rank", "disposition")
        ]
    )
    overlap = plan.integration_plan().assign(
        business_function=["B", "A", "B"], teams="Care", business_impact="Critical", customers_per_year=1
    )
    assert rendered(plan, overlap, flips) == rendered(plan, overlap.iloc[::-1], flips.sample(frac=1, random_state=1))


# --- the picture ----------------------------------------------------------------------------------------------------

PLACES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=25)


@settings(max_examples=30, deadline=None)
@given(PLACES)
def test_labels_and_marks_never_overlap(row_of, places) -> None:
    quadrant = _quadrant(row_of, places)
    labels = [mark.label for mark in quadrant.marks if mark.label is not None]
    for n, label in enumerate(labels):
        assert PLOT.holds(label)
        assert not any(label.meets(other) for other in labels[n + 1 :])
    for mark in quadrant.marks:
        near = [other for other in quadrant.marks if (other.x - mark.x) ** 2 + (other.y - mark.y) ** 2 < 14**2]
        assert near == [mark]
        for label in labels:
            assert not (label.left < mark.x < label.right and label.top < mark.y < label.bottom)
        if mark.leader is not None:
            assert not any(label.touches_line(*mark.leader) for label in labels if label is not mark.label)


def test_a_dozen_spread_services_all_have_their_names(row_of) -> None:
    quadrant = _quadrant(row_of, [(10 + 27 * (n % 4), 8 + 32 * (n // 4)) for n in range(12)])
    assert [mark.shown for mark in quadrant.marks if not mark.shown] == []
    assert quadrant.unlabelled == []


def test_marks_lie_where_their_scores_are(row_of) -> None:
    (mark,) = _quadrant(row_of, [(25, 75)]).marks
    assert mark.x == pytest.approx(PLOT.left + 0.75 * (PLOT.right - PLOT.left))
    assert mark.y == pytest.approx(PLOT.top + 0.75 * (PLOT.bottom - PLOT.top))


def _quadrant(row_of, places: list[tuple[int, int]]):
    config = ScoringConfig.model_validate(
        {
            "dimensions": {
                name: {"score": name, "column": name, "weight": 1, "scale": {"highest": 100}}
                for name in ("impact", "complexity")
            },
            "bands": [{"disposition": "integrate", "min_impact": 50}, {"disposition": "retire"}],
        }
    )
    rows = [
        row_of(f"Service number {n}", extras={"impact": str(i), "complexity": str(c)})
        for n, (i, c) in enumerate(places)
    ]
    return layout(build_plan(rows, config, Decisions(), {}, FIRST))


# --- colours --------------------------------------------------------------------------------------------------------


def _palettes() -> dict[str, dict[str, str]]:
    package = files("cx_orchestration.scoring")
    light = package.joinpath("palette.css").read_text(encoding="utf-8")
    dark = package.joinpath("scorecard.css").read_text(encoding="utf-8").partition("}\n}")[0]
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css)) for name, css in (("light", light), ("dark", dark))
    }


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_marks_stand_out_from_their_background(theme: str) -> None:
    colours = _palettes()[theme]
    tints = [name for name in colours if name.endswith("-tint")]
    assert len(tints) == 6
    for background in ("paper", "panel", *tints):
        assert _contrast(colours["ink"], colours[background]) >= 7, background
    assert _contrast(colours["soft"], colours["paper"]) >= 4.5
    for tint in tints:
        disposition = tint.removesuffix("-tint")
        assert _contrast(colours[disposition], colours[tint]) >= 4.5, disposition
        assert _contrast(colours[disposition], colours["paper"]) >= 4.5, disposition
