"""How a company tells that two records are one person (R3): key namespaces and their rules."""

from typing import Annotated, Literal, Self

import phonenumbers
from pydantic import Field, field_validator, model_validator

from cx_orchestration.model.base import Declared, Slug

#: Under this name a Customer document lists the services' own ids, so no key namespace may be called so.
SERVICE_IDS = "entity"

Normaliser = Literal["email", "phone", "lower", "exact"]


class KeyNamespace(Declared):
    """One kind of identity key.

    ``strong`` keys link entities; ``weak`` keys are kept and shown but never link. A value held by more than
    ``max_entities`` distinct entities is taken to be shared (a role mailbox, a kiosk) and links nobody.
    """

    normalise: Normaliser = "exact"
    strength: Literal["strong", "weak"] = "strong"
    max_entities: int = Field(default=10, ge=2)
    ignore: list[str] = Field(default_factory=list, description="Placeholder values that never link, after normalising")


SurvivorshipRule = Literal["most_recent", "most_trusted", "most_frequent"]


class Survivorship(Declared):
    """Which value a customer's profile keeps.

    ``most_recent``: of the record that changed last. ``most_trusted``: of the first trusted service that has one, else
    the most recent. ``most_frequent``: the value that most records have. Among equals the most recent one, then that of
    the service trusted more. Naming trusted services without a rule means ``most_trusted``.
    """

    rule: SurvivorshipRule | None = Field(
        default=None, description="most_trusted where trusted_services are named, else most_recent"
    )
    trusted_services: list[Slug] = Field(default_factory=list, description="The service to believe first comes first")

    @model_validator(mode="after")
    def _trusts_somebody(self) -> Self:
        if self.rule == "most_trusted" and not self.trusted_services:
            raise ValueError("most_trusted needs trusted_services: the services to believe, the first one first")
        return self

    @property
    def applies(self) -> SurvivorshipRule:
        """The rule, or what its absence means."""
        return self.rule or ("most_trusted" if self.trusted_services else "most_recent")


class IdentityConfig(Declared):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="US", description="ISO 3166 region of phone numbers written without a country code"
    )
    namespaces: dict[Slug, KeyNamespace]
    survivorship: dict[Slug, Survivorship] = Field(
        default_factory=dict, description="By profile field, attribute or key namespace"
    )

    @field_validator("region")
    @classmethod
    def _has_phone_numbers(cls, value: str) -> str:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("expected an ISO 3166 region that has phone numbers, such as US, GB or CH")
        return value

    @field_validator("namespaces")
    @classmethod
    def _leaves_the_name_of_service_ids(cls, value: dict[str, KeyNamespace]) -> dict[str, KeyNamespace]:
        if SERVICE_IDS in value:
            raise ValueError(f"expected another name than '{SERVICE_IDS}', which stands for the services' own ids")
        return value
