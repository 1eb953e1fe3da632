"""How a company tells that two records are one person (R3): key namespaces and their rules."""

import math
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


class Matching(Declared):
    """How pairs are judged that agree in names, dates and addresses but hold no strong key in common.

    Probabilities are those of one person; in bits, log2(p / (1 - p)), they are compared with the ledger's weights.
    """

    enabled: bool = Field(default=True, description="Whether a model is trained where profiles have fields to compare")
    union_probability: float = Field(
        default=0.8, gt=0, lt=1, description="Groups of records are one customer where they agree as well as this"
    )
    review_probability: float = Field(
        default=0.1, gt=0, lt=1, description="Pairs between this and union_probability are worth a person's look"
    )
    least_bits: float = Field(
        default=-10.0, le=0, description="Pairs below this weight are not kept, those between are evidence against"
    )
    margin_bits: float = Field(
        default=2.0,
        ge=0,
        description="After training again, a pair changes sides only if it is so far beyond union_probability",
    )
    drift_warning: float = Field(
        default=0.1, gt=0, description="Largest change of a share, against training, that is no reason to train again"
    )

    @property
    def union_bits(self) -> float:
        """The weight from which groups are joined."""
        return math.log2(self.union_probability / (1 - self.union_probability))

    @property
    def review_bits(self) -> float:
        """The weight from which a pair is worth a person's look."""
        return math.log2(self.review_probability / (1 - self.review_probability))

    @model_validator(mode="after")
    def _reviews_what_is_not_united(self) -> "Matching":
        if self.review_probability > self.union_probability:
            raise ValueError("expected review_probability to be at most union_probability")
        return self


class PublishGate(Declared):
    """How far a new identity map may be from the one that stands before a person has to look; null: however far."""

    largest_cluster: int | None = Field(default=500, ge=2, description="Records of one customer")
    churn: float | None = Field(
        default=0.1, gt=0, le=1, description="Share of the known records that would get another customer id"
    )
    merges: float | None = Field(
        default=0.1, gt=0, le=1, description="Share of the customers that would be merged into others"
    )
    splits: float | None = Field(default=0.05, gt=0, le=1, description="Share of the customers that would be split")
    candidates: float | None = Field(default=200, gt=0, description="Scored pairs for each new record")
    from_customers: int = Field(
        default=1_000, ge=1, description="Shares are judged where so many customers (or new records) are known"
    )


class Review(Declared):
    """Which scored pairs people are asked about: those from ``matching.review_probability`` on (docs/identity.md)."""

    highest_bits: float = Field(default=6.0, description="Pairs that weigh more are clear: one person")
    most: int = Field(default=1_000, ge=1, description="Pairs in the queue; the most valuable ones stay")


class IdentityConfig(Declared):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="US", description="ISO 3166 region of phone numbers written without a country code"
    )
    namespaces: dict[Slug, KeyNamespace]
    matching: Matching = Field(default_factory=Matching, description="Records that agree without a strong key")
    publish_gate: PublishGate = Field(default_factory=PublishGate, description="What stops a new identity map")
    review: Review = Field(default_factory=Review, description="Which pairs people are asked about")
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
