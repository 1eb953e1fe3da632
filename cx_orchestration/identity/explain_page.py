"""The page that shows why some records are one customer: one HTML file that needs no network.

Belongs here: what the page lists and in which order. Does not belong here: its looks (``explain_page.html``,
``explain_page.css``), finding the reasons (``explain.py``).
"""

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from cx_orchestration.identity.explain import Explanation
from cx_orchestration.identity.explain_drawing import draw
from cx_orchestration.identity.explain_evidence import evidence_of
from cx_orchestration.identity.explain_weights import bars
from cx_orchestration.identity.explain_words import field_words, namespace_words


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


_TEMPLATES = Environment(
    loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters["field"] = field_words
_TEMPLATES.filters["bars"] = bars
_TEMPLATES.filters["namespace"] = namespace_words


def render_page(found: Explanation) -> str:
    """The page as HTML, every value escaped. It is personal data."""
    evidence = evidence_of(link for link in found.links if link.stands)
    titles = [record.title for record in found.records if record.title]
    return _TEMPLATES.get_template("explain_page.html").render(
        found=found,
        title=max(titles, key=titles.count) if titles else "A customer without a name",
        services=sorted({record.name.split("/")[0] for record in found.records}),
        drawing=draw(found, evidence),
        evidence=evidence,
        outside=evidence_of(link for link in found.outside if link.stands),
        gone=evidence_of(link for link in (*found.links, *found.outside) if not link.stands),
    )
