"""What people decided about who is who: pairs that are always one person, and pairs that never are (R3)."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cx_orchestration.model.base import Declared

#: A service and the id that its customer has there: ``crm/C-17``.
EntityName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}/\S(.*\S)?$", max_length=500)]

Verdict = Literal["always", "never"]


class Override(Declared):
    """One decision on one pair. ``always`` outweighs everything but a ``never``; ``never`` outweighs everything."""

    left: EntityName = Field(description="SERVICE/ENTITY of one of the two, such as crm/C-17")
    right: EntityName = Field(description="SERVICE/ENTITY of the other")
    decision: Verdict
    by: str = Field(min_length=1, description="The role of who decided, such as data steward")
    on: dt.date = Field(description="The day of the decision")
    why: str = Field(min_length=1, description="What was known; it is kept in the ledger, so no customer's values")

    @property
    def pair(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The two entities as (service, entity), the smaller first, as the ledger has them."""
        first, second = sorted((split_entity(self.left), split_entity(self.right)))
        return first, second


class Overrides(Declared):
    """``identity_overrides.yaml``. ``overrides:`` with nothing below it, as taking out the last entry leaves it, says
    that nothing is decided."""

    overrides: list[Override] | None = None


def split_entity(name: str) -> tuple[str, str]:
    """``crm/C-17`` to its service and its entity, which may itself contain a slash."""
    service, _, entity = name.partition("/")
    return service, entity
