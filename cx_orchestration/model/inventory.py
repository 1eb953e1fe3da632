"""The inventory of interactions with systems on behalf of a customer (C1), one row each."""

import datetime as dt
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
    """One interaction with a system on behalf of a customer.

    ``extras`` holds further columns of the file, by header slug, for scoring dimensions added without code (S2).
    """

    system: str = Field(min_length=1, description="System/Service Name as people call it")
    business_leader: str = Field(min_length=1)
    technical_leader: str = Field(min_length=1)
    business_function: str = Field(min_length=1, description="What it supports in the product line")
    business_impact: BusinessImpact
    customer_impact: CustomerImpact
    customers_per_year: int = Field(ge=0, description="Approximate number of customers impacted annually")
    implementation_profile: ImplementationProfile
    integration_profile: IntegrationProfile
    product_dependency: ProductDependency
    team: str = Field(min_length=1, description="The team that uses it")
    observed_by: str = Field(min_length=1, description="Who visited the team")
    observed_on: dt.date
    extras: dict[str, str] = Field(default_factory=dict)

    @property
    def service(self) -> str:
        """The name of the service in keys and files."""
        return slug(self.system)
