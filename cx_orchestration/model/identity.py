"""How a company tells that two records are one person (R3): key namespaces and their rules."""

from typing import Annotated, Literal

from pydantic import Field

from cx_orchestration.model.base import Declared, Slug


class KeyNamespace(Declared):
    """One kind of identity key.

    ``strong`` keys link entities; ``weak`` keys are kept and shown but never link. A value held by more than
    ``max_entities`` distinct entities is taken to be shared (a role mailbox, a kiosk) and links nobody.
    """

    normalise: Literal["email", "phone", "lower", "exact"] = "exact"
    strength: Literal["strong", "weak"] = "strong"
    max_entities: int = Field(default=10, ge=2)
    ignore: list[str] = Field(default_factory=list, description="Placeholder values that never link, after normalising")


class Survivorship(Declared):
    """Which value a customer's profile keeps: the first trusted service that has one, else the most recent."""

    trusted_services: list[Slug] = Field(default_factory=list)


class IdentityConfig(Declared):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="US", description="ISO 3166 region of phone numbers written without a country code"
    )
    namespaces: dict[Slug, KeyNamespace]
    survivorship: dict[Slug, Survivorship] = Field(default_factory=dict, description="By profile field")
