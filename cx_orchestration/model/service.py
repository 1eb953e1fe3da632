"""One federated service as declared in ``services/<name>.yaml``: its streams, and their mapping to customer events."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, EventType, Owner, Slug
from cx_orchestration.model.connection import Client
from cx_orchestration.model.endpoint import Endpoint, Parent, SnapshotTombstones, Tombstones
from cx_orchestration.model.quality import Quality
from cx_orchestration.model.values import Condition, TimeOrPath, Value, ValueOrPath


class FileDrop(Declared):
    """Files that somebody places in a folder: the way in for data whose system is inaccessible.

    ``pattern`` is relative to the project folder and may contain ``{day}`` (formatted by ``day_format``); without it
    every matching file is read and rows are assigned to days by the stream's ``updated_at``.
    """

    pattern: str
    format: Literal["csv", "jsonl", "parquet"]
    day_format: str = "%Y-%m-%d"
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    delimiter: str = ","


class EventMapping(Declared):
    """One customer event that a record stands for.

    ``type`` is an event type, or a value whose ``map`` gives event types; a record whose type is not in the map gives
    no event here. ``channel`` likewise is a word or a value.
    """

    type: EventType | Value
    when: list[Condition] = Field(default_factory=list, description="All must hold")
    occurred_at: TimeOrPath
    channel: Slug | Value
    entity: ValueOrPath = Field(description="The customer's id inside this service")
    keys: dict[Slug, ValueOrPath] = Field(default_factory=dict, description="Identity keys by namespace")
    authenticated_when: list[Condition] = Field(
        default_factory=list, description="The customer was signed in when all hold; then the keys are seen so"
    )
    logged_out_when: list[Condition] = Field(
        default_factory=list, description="The customer had been signed in before when all hold, and was not now"
    )
    amount: ValueOrPath | None = None
    currency: ValueOrPath | None = None
    score: ValueOrPath | None = None
    score_kind: Literal["nps", "csat", "ces"] | None = None
    attributes: dict[Slug, ValueOrPath] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.amount is None) != (self.currency is None):
            raise ValueError("'amount' and 'currency' go together")
        if (self.score is None) != (self.score_kind is None):
            raise ValueError("'score' and 'score_kind' go together")
        if isinstance(self.type, Value) and self.type.map is None:
            raise ValueError("a 'type' taken from the record needs a 'map' to event types")
        return self

    @property
    def types(self) -> set[str]:
        """The event types that it can give."""
        if isinstance(self.type, str):
            return {self.type}
        return set((self.type.map or {}).values()) | ({self.type.default} if self.type.default else set())


class ProfileMapping(Declared):
    """What a record says about the customer it describes; the latest record of an entity counts."""

    when: list[Condition] = Field(default_factory=list)
    entity: ValueOrPath
    keys: dict[Slug, ValueOrPath] = Field(default_factory=dict)
    authenticated_when: list[Condition] = Field(default_factory=list, description="As in an event")
    logged_out_when: list[Condition] = Field(default_factory=list, description="As in an event")
    name: ValueOrPath | None = None
    given_name: ValueOrPath | None = None
    family_name: ValueOrPath | None = None
    birth_date: ValueOrPath | None = None
    street: ValueOrPath | None = None
    postcode: ValueOrPath | None = None
    city: ValueOrPath | None = None
    country: ValueOrPath | None = None
    attributes: dict[Slug, ValueOrPath] = Field(default_factory=dict, description="What segments are made of")


class Stream(Declared):
    description: str = ""
    endpoint: Endpoint | None = None
    files: FileDrop | None = None
    parent: Parent | None = None
    record_id: ValueOrPath
    updated_at: TimeOrPath | None = Field(default=None, description="Absent only with sweep or parent")
    sweep: Literal["hash"] | None = Field(
        default=None, description="No time of change exists: list everything, land what is new or differs"
    )
    lookback_days: int | None = Field(
        default=None,
        ge=0,
        le=3660,
        description="Days before yesterday that the nightly sync reads again; absent: the project's",
    )
    settle_hours: int = Field(
        default=0,
        ge=0,
        le=24 * 366,
        description="How long after a day's end it may still gain records; until then it stays open",
    )
    tombstones: Tombstones | None = None
    events: list[EventMapping] = Field(default_factory=list)
    profile: ProfileMapping | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.endpoint is None) == (self.files is None):
            raise ValueError("a stream needs exactly one of 'endpoint' and 'files'")
        if self.endpoint is None and (self.parent or self.sweep or self.tombstones):
            raise ValueError("'parent', 'sweep' and 'tombstones' go with 'endpoint'")
        if (self.updated_at is None) != (self.sweep is not None) and self.parent is None:
            raise ValueError("a stream needs exactly one of 'updated_at' and 'sweep'")
        listed_whole = self.endpoint is not None and self.endpoint.window is None and self.parent is None
        by_own_listing = isinstance(self.tombstones, SnapshotTombstones) and self.tombstones.endpoint is None
        if (self.sweep or by_own_listing) and not listed_whole:
            raise ValueError(
                "'sweep', and tombstones of type 'snapshot' without an endpoint of their own, need a stream whose "
                "endpoint has no 'window' and that has no 'parent'"
            )
        if by_own_listing and self.endpoint is not None and self.endpoint.order is not None:
            raise ValueError(
                "tombstones of type 'snapshot' need the whole listing: leave out 'order', which ends it early"
            )
        return self


class ServiceDeclaration(Declared):
    service: Slug = Field(description="The slug of the System/Service Name in the inventory")
    extends: str | None = Field(default=None, description="A ready-made declaration that this one changes")
    kind: Literal["rest", "files"]
    description: str = ""
    owner: Owner = Field(default="", description="Shown in the UI: an e-mail address or team:name")
    freshness_hours: int = Field(
        default=36,
        ge=1,
        le=24 * 366,
        description="Dagster shows an asset as not fresh when its last materialization is older",
    )
    client: Client | None = None
    quality: Quality = Quality()
    streams: dict[Slug, Stream] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _hand_down_the_paginator(cls, declared: Any) -> Any:
        """An endpoint without a paginator has the client's; what has another shape is left to the fields to refuse."""
        match declared:
            case {"client": {"paginator": dict() as paginator}, "streams": dict() as streams}:
                return {
                    **declared,
                    "streams": {name: _with_paginator(each, paginator) for name, each in streams.items()},
                }
        return declared

    @model_validator(mode="after")
    def _kind_matches_streams(self) -> Self:
        if (self.kind == "rest") != (self.client is not None):
            raise ValueError("'client' is needed for kind 'rest' and only there")
        for name, stream in self.streams.items():
            if (stream.endpoint is not None) != (self.kind == "rest"):
                origin = "endpoint" if self.kind == "rest" else "files"
                raise ValueError(f"stream '{name}': kind '{self.kind}' goes with '{origin}'")
        for name, stream in self.streams.items():
            parent = self.streams.get(stream.parent.stream) if stream.parent else None
            if stream.parent is not None and (parent is None or parent.parent is not None or parent is stream):
                raise ValueError(f"stream '{name}': its parent must be another stream, which has no parent itself")
        return self


def _with_paginator(stream: Any, paginator: dict[str, Any]) -> Any:
    match stream:
        case {"endpoint": dict() as endpoint} if "paginator" not in endpoint:
            return {**stream, "endpoint": {**endpoint, "paginator": paginator}}
    return stream
