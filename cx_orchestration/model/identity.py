"""How a company tells that two records are one person (R3): key namespaces and their rules."""

import math
from typing import Annotated, Any, Literal, Self

import phonenumbers
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from cx_orchestration.model.base import Declared, Slug

#: Under this name a Customer document lists the services' own ids, so no key namespace may be called so.
SERVICE_IDS = "entity"

#: How a value is brought into one spelling, see docs/identity.md.
Normaliser = Literal["email", "phone", "lower", "exact", "number", "device", "card", "date"]

#: Kinds of keys that a household, a kiosk or an office may share, so that names must not contradict a link by them.
SHAREABLE: frozenset[Normaliser] = frozenset({"email", "phone", "device", "card"})


def _listed(text: str) -> list[str]:
    return text.split()


#: Mailboxes of a function, in the languages of Western Europe: whoever is in charge reads them.
ROLE_MAILBOXES = _listed(
    "abuse accounting accounts accueil achats admin administration administrator all almacen billing booking "
    "bookings buchhaltung comercial commercial compras comptabilite contabilidad contabilita contact contacto "
    "contato customercare customerservice einkauf empfang enquiries enquiry everyone facturation feedback finance "
    "frontdesk hello help helpdesk hostmaster hr info information infos inquiries it jobs kontakt kundenservice "
    "legal mail mailbox marketing media news newsletter office ops orders order payments personal postmaster "
    "presse press privacy purchasing rechnung rechnungen reception recepcion reservations reservation returns "
    "root sales secretary sekretariat service services shop staff support sysadmin team tech ufficio vendas "
    "ventas verkauf verwaltung vertrieb webmaster welcome"
)


#: A domain as addresses are compared: lower case, international ones in Unicode.
Domain = Annotated[str, StringConstraints(pattern=r"^[^\s@A-Z.]+(\.[^\s@A-Z.]+)+$")]


class EmailProvider(Declared):
    """What a provider takes for one mailbox: of ``jane.doe+news@`` the part before ``sub_address``, with or without
    dots, under its domain or one of ``same_as``."""

    sub_address: Annotated[str, StringConstraints(pattern=r"^[^\sA-Za-z0-9@.]$")] | None = Field(
        default="+", description="The character that a tag begins with; null: no tags"
    )
    ignores_dots: bool = False
    same_as: list[Domain] = Field(default_factory=list, description="Further domains of the same mailboxes")


#: As the providers document it. Yahoo's disposable addresses begin with a base name of their own and are left alone.
EMAIL_PROVIDERS: dict[str, EmailProvider] = {
    "gmail.com": EmailProvider(ignores_dots=True, same_as=["googlemail.com"]),
    "outlook.com": EmailProvider(),
    "hotmail.com": EmailProvider(),
    "live.com": EmailProvider(),
    "icloud.com": EmailProvider(same_as=["me.com", "mac.com"]),
    "proton.me": EmailProvider(ignores_dots=True, same_as=["protonmail.com", "pm.me"]),
    "fastmail.com": EmailProvider(),
    "zoho.com": EmailProvider(),
}


def _strong_is_person(value: Any) -> Any:
    return "person" if value == "strong" else value


Strength = Annotated[
    Literal["person", "household", "weak"],
    BeforeValidator(_strong_is_person, json_schema_input_type=Literal["person", "household", "weak", "strong"]),
]


class KeyNamespace(Declared):
    """One kind of identity key.

    Keys that identify a ``person`` (in older files ``strong``) link the entities that hold the same value; those that a
    ``household`` shares and ``weak`` ones are kept and never link on their own. The other rules say when a value that
    several entities hold is nobody's, and which of its holders it does not link.
    """

    normalise: Normaliser = "exact"
    strength: Strength = "person"
    max_entities: int = Field(
        default=10, ge=2, description="Distinct entities beyond which a value links nobody, unless all bear one name"
    )
    max_names: int = Field(
        default=3, ge=1, description="Given names, told apart by their first letters, beyond which a value is generic"
    )
    ignore: list[str] = Field(default_factory=list, description="Placeholder values that never link, after normalising")
    role_mailboxes: list[str] = Field(
        default_factory=lambda: list(ROLE_MAILBOXES),
        description="Of e-mail addresses: what stands before the @ of a mailbox that belongs to nobody",
    )
    names: bool | None = Field(
        default=None,
        description="Holders whose given names begin differently are not linked; absent: so for e-mail, phone, device "
        "and card, not for ids that are issued to one account",
    )
    unique: bool = Field(default=False, description="Two different values forbid that records are one customer")
    valid_for_days: int | None = Field(
        default=None,
        ge=1,
        description="A value passes to another person: holders who were seen further apart are not linked",
    )
    links_when: Literal["seen", "authenticated"] = Field(
        default="seen",
        description="authenticated: a value links others to an entity that was signed in when it was seen",
    )

    @property
    def guards_names(self) -> bool:
        return self.normalise in SHAREABLE if self.names is None else self.names


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


class Alarms(Declared):
    """When the scorecard warns; nothing is stopped by it."""

    largest_cluster: int = Field(default=100, ge=2, description="Records of one customer beyond which it warns")
    most_values: int = Field(default=10, ge=2, description="Values of one key of one customer beyond which it warns")
    validity: float = Field(
        default=0.5, ge=0, le=1, description="Share of usable values of a service's key below which it warns"
    )


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
    absent_bits: float = Field(
        default=-4.0, le=0, description="What a pair that is not in the ledger weighs where groups are compared"
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
        if self.absent_bits >= self.union_bits:
            raise ValueError(
                f"expected absent_bits to be below union_probability, {self.union_bits:.1f} bits: else records are"
                " united that nobody compared"
            )
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


def _with_well_known(own: dict[str, EmailProvider | None]) -> dict[str, EmailProvider]:
    rules = EMAIL_PROVIDERS | own
    return {domain: rule for domain, rule in rules.items() if rule is not None}


class IdentityConfig(Declared):
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="US", description="ISO 3166 region of phone numbers written without a country code"
    )
    namespaces: dict[Slug, KeyNamespace]
    matching: Matching = Field(default_factory=Matching, description="Records that agree without a strong key")
    publish_gate: PublishGate = Field(default_factory=PublishGate, description="What stops a new identity map")
    review: Review = Field(default_factory=Review, description="Which pairs people are asked about")
    email_providers: dict[Domain, EmailProvider | None] = Field(
        default_factory=dict,
        description="By domain, what a provider takes for one mailbox; in place of the defaults, null takes one away",
    )
    alarms: Alarms = Alarms()
    survivorship: dict[Slug, Survivorship] = Field(
        default_factory=dict, description="By profile field, attribute or key namespace"
    )

    @property
    def mailbox_rules(self) -> dict[str, EmailProvider]:
        """The rules of e-mail providers by domain: the company's own before the well-known ones."""
        return _with_well_known(self.email_providers)

    @field_validator("email_providers")
    @classmethod
    def _gives_each_domain_one_provider(cls, value: dict[str, EmailProvider | None]) -> dict[str, EmailProvider | None]:
        provider: dict[str, str] = {}
        for name, rule in _with_well_known(value).items():
            for domain in (name, *dict.fromkeys(rule.same_as)):
                first = provider.setdefault(domain, name)
                own = domain == name and name in rule.same_as
                if own or first != name:
                    where = f"{name} itself" if own else f"{first} and {name}"
                    raise ValueError(
                        f"expected each domain once, as an entry or under one same_as; '{domain}' is under {where} "
                        f"(well-known without an entry: {', '.join(EMAIL_PROVIDERS)}; null takes one away)"
                    )
        return value

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
