"""The templates of pages and pictures in this package, and the words they share.

Belongs here: how text becomes a page without a value ever becoming markup. Does not belong here: what is shown.
"""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from cx_orchestration.model.scoring import Disposition

#: The shape of each disposition around the origin, about 14 wide: told apart without colour.
SHAPES = {
    Disposition.INTEGRATE: "M-6.5 0a6.5 6.5 0 1 0 13 0a6.5 6.5 0 1 0-13 0z",
    Disposition.INTEGRATE_LATER: "M-5-6.6L7 0L-5 6.6z",
    Disposition.KEEP: "M-5.7-5.7H5.7V5.7H-5.7z",
    Disposition.CONSOLIDATE: "M0-7.6L7.6 0L0 7.6L-7.6 0z",
    Disposition.REPLACE: "M-6.8-5.2H6.8L0 6.8z",
    Disposition.RETIRE: "M-6-4L-4-6L0-2L4-6L6-4L2 0L6 4L4 6L0 2L-4 6L-6 4L-2 0z",
}


def words(name: str) -> str:
    """A name of ours as a reader sees it: ``integrate_later`` to ``Integrate later``."""
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


_TEMPLATES = Environment(
    loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters["words"] = words
_TEMPLATES.globals["shapes"] = SHAPES


def render(name: str, **context: Any) -> str:
    """A template of this package with its values filled in, every value escaped."""
    return _TEMPLATES.get_template(name).render(**context)
