"""The inventory of interactions with systems on behalf of a customer (C1), one row each.

Belongs here: the row, its column names, and how labels, numbers and business functions in it are read. Does not belong
here: reading the file, scoring.
"""

import datetime as dt
import re
from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from cx_orchestration.model.base import Declared, slug


class BusinessImpact(StrEnum):
    CRITICAL = "Critical"
    SUPPORTIVE = "Supportive"
    REDUNDANT = "Redundant"


class CustomerImpact(StrEnum):
    ALL = "All"
    MOST = "Most"
    SOME = "Some"
    FEW = "Few"


class ImplementationProfile(StrEnum):
    LICENSED_SERVICE = "Licensed Service"
    LICENSED_SYSTEM = "Licensed System"
    CUSTOM_SYSTEM = "Custom System"


class IntegrationProfile(StrEnum):
    FULLY_ACCESSIBLE = "Fully-Accessible"
    PARTIALLY_ACCESSIBLE = "Partially-Accessible"
    INACCESSIBLE = "Inaccessible"


class ProductDependency(StrEnum):
    TIGHTLY_COUPLED = "Tightly-Coupled"
    LOOSELY_COUPLED = "Loosely-Coupled"
    UNCOUPLED = "Uncoupled"


class InventoryRow(Declared):
    """One interaction with a system on behalf of a customer; a field's title is its header in the file.

    ``extras`` holds further columns of the file, by header slug, for scoring dimensions added without code.
    """

    system: str = Field(min_length=1, title="System/Service Name", description="The name as people say it")
    business_leader: str = Field(min_length=1, title="Business Leader")
    technical_leader: str = Field(min_length=1, title="Technical Leader")
    business_function: str = Field(
        min_length=1, title="Business Function", description="What it supports in the product line"
    )
    business_impact: BusinessImpact = Field(title="Business Impact")
    customer_impact: CustomerImpact = Field(title="Customer Impact")
    customers_per_year: int = Field(ge=0, le=10**12, title="Approx. Number of Customers Impacted Annually")
    implementation_profile: ImplementationProfile = Field(title="Implementation Profile")
    integration_profile: IntegrationProfile = Field(title="Integration Profile")
    product_dependency: ProductDependency = Field(title="Product Dependency")
    team: str = Field(min_length=1, title="Team", description="The team that uses it")
    observed_by: str = Field(min_length=1, title="Observed By", description="Who visited the team")
    observed_on: dt.date = Field(title="Observed On")
    extras: dict[str, str] = Field(default_factory=dict)

    @property
    def service(self) -> str:
        """The name of the service in keys and files."""
        return slug(self.system)

    def text_of(self, column: str) -> str | None:
        """The content of a column, named by field or by the slug of its header; ``None`` when there is no such one."""
        field = FIELD_BY_HEADER.get(column, column)
        if field in HEADERS:
            return str(getattr(self, field))
        return self.extras.get(column)


#: The header of each column of the inventory, by field, in the order in which C1 lists them.
HEADERS: dict[str, str] = {
    name: field.title for name, field in InventoryRow.model_fields.items() if field.title is not None
}

#: The field of each column, by the slug of its header.
FIELD_BY_HEADER: dict[str, str] = {slug(header): name for name, header in HEADERS.items()}

#: Fields that name a person: their content stays out of logs and metadata.
PEOPLE = frozenset({"business_leader", "technical_leader", "observed_by"})

_GROUPED = re.compile(r"[0-9]{1,3}([,\u0020\u00a0\u2009\u202f'\u2019])[0-9]{3}(?:\1[0-9]{3})*")


def label_key(text: str) -> str:
    """What remains of a label when case, spaces and punctuation do not count: ``fully accessible`` as
    ``Fully-Accessible``."""
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


def read_number(text: str) -> float | None:
    """The number that a cell holds, or ``None`` when it holds no number that can be read in one way only.

    Thousands may be grouped by comma, space or apostrophe (``120,000``, ``120 000``); a point starts decimals. As
    ``120.000`` is a hundred and twenty to some and a hundred and twenty thousand to others, it is not read.
    """
    text = text.strip()
    whole, point, decimals = text.removeprefix("-").partition(".")
    if match := _GROUPED.fullmatch(whole):
        whole = whole.replace(match.group(1), "")
    elif point and len(decimals) == 3 and len(whole) <= 3 and whole != "0":
        return None
    if not re.fullmatch(r"[0-9]{1,15}", whole) or (point and not re.fullmatch(r"[0-9]{1,15}", decimals)):
        return None
    number = float(f"{whole}.{decimals or '0'}")
    return -number if text.startswith("-") else number


def function_key(business_function: str) -> str:
    """What makes two business functions the same one: their words, whatever the case and punctuation."""
    return re.sub(r"[\W_]+", " ", business_function.casefold()).strip()


def services_by_function(rows: Iterable[InventoryRow]) -> dict[str, list[str]]:
    """The services of each business function, by ``function_key``, both in alphabetical order."""
    services: dict[str, set[str]] = {}
    for row in rows:
        services.setdefault(function_key(row.business_function), set()).add(row.service)
    return {function: sorted(services[function]) for function in sorted(services)}
