"""One federated service as declared in ``services/<name>.yaml``: connection, streams, mapping to customer events.

The connection part speaks the vocabulary of dlt's ``rest_api`` where that has a word for it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cx_orchestration.model.base import Declared, EnvName, EventType, Owner, Slug, TimeZone

# --- connection -----------------------------------------------------------------------------------------------------


class NoAuth(Declared):
    type: Literal["none"] = "none"


class BearerAuth(Declared):
    type: Literal["bearer"]
    token_env: EnvName


class HeaderAuth(Declared):
    """Credentials in headers of their own: header name to the environment variable that holds its value."""

    type: Literal["headers"]
    headers_env: dict[str, EnvName] = Field(min_length=1)


class BasicAuth(Declared):
    type: Literal["basic"]
    username_env: EnvName
    password_env: EnvName


class OAuth2ClientCredentials(Declared):
    """RFC 6749, 4.4. ``token_path`` is relative to the service's base URL."""

    type: Literal["oauth2_client_credentials"]
    token_path: str
    client_id_env: EnvName
    client_secret_env: EnvName
    scope: str | None = None


Auth = Annotated[NoAuth | BearerAuth | HeaderAuth | BasicAuth | OAuth2ClientCredentials, Field(discriminator="type")]


class Rate(Declared):
    per_second: float = Field(default=20, gt=0)


class Client(Declared):
    base_url: str = Field(description="http(s) address; ${NAME} is taken from the environment", min_length=1)
    auth: Auth = NoAuth()
    headers: dict[str, str] = Field(default_factory=dict, description="Constant headers, no credentials")
    rate: Rate = Rate()
    timeout_seconds: float = Field(default=30, gt=0, description="Total time one request may take")
    max_attempts: int = Field(default=4, ge=1, description="Attempts per request on transient failures")


# --- paging ---------------------------------------------------------------------------------------------------------


class SinglePage(Declared):
    type: Literal["single_page"]


class PageNumberPaginator(Declared):
    """``?page=1``, 2, ... until a page has no records."""

    type: Literal["page_number"]
    page_param: str = "page"
    base_page: int = 1


class OffsetPaginator(Declared):
    """``?offset=0``, 100, ... until ``total_path`` is reached."""

    type: Literal["offset"]
    limit: int = Field(gt=0)
    limit_param: str = "limit"
    offset_param: str = "offset"
    total_path: str


class CursorPaginator(Declared):
    """The next cursor stands in the body; paging ends when ``end_path`` equals ``end_value`` or, without
    ``end_path``, when the cursor is null."""

    type: Literal["cursor"]
    cursor_path: str
    cursor_param: str
    end_path: str | None = None
    end_value: bool | str = True


class LastIdPaginator(Declared):
    """The id of the last record goes into ``cursor_param`` as long as ``has_more_path`` is true."""

    type: Literal["last_id"]
    id_path: str = "id"
    cursor_param: str = "starting_after"
    has_more_path: str = "has_more"


class NextUrlPaginator(Declared):
    """The body holds the address of the next page, absolute or relative; it must stay on the service's host."""

    type: Literal["next_url"]
    next_url_path: str
    done_path: str | None = Field(default=None, description="A boolean that must be true on the last page")


class LinkHeaderPaginator(Declared):
    """RFC 8288 ``Link: <...>; rel="next"``."""

    type: Literal["link_header"]


Paginator = Annotated[
    SinglePage
    | PageNumberPaginator
    | OffsetPaginator
    | CursorPaginator
    | LastIdPaginator
    | NextUrlPaginator
    | LinkHeaderPaginator,
    Field(discriminator="type"),
]

#: How a time is written: ISO 8601 with offset, ISO without offset (in ``time_zone``), epoch, or a strptime format.
TimeFormat = Literal["iso", "epoch_s", "epoch_ms", "epoch_us", "date"] | Annotated[str, Field(pattern="%")]


class Window(Declared):
    """What ``{window.start}`` and ``{window.end}`` in the endpoint's path and parameters become.

    The window asked for is half open, ``[start, end)``. ``end: inclusive`` says that the API's upper bound includes
    the instant named, so the last unit of ``format`` before the end is sent. Records are filtered to the window again
    on our side whatever the API does.
    """

    format: TimeFormat = "iso"
    end: Literal["exclusive", "inclusive"] = "exclusive"
    max_days: int = Field(default=31, ge=1, description="The longest range that is asked for in one query")


class Endpoint(Declared):
    path: str
    params: dict[str, str | int | bool] = Field(default_factory=dict)
    data_selector: str = Field(description="Path of the list of records; '$' when the body is the list itself")
    paginator: Paginator
    window: Window | None = Field(default=None, description="Absent: everything is listed, then filtered by time")


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


# --- mapping --------------------------------------------------------------------------------------------------------


def _path_shorthand(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Value(Declared):
    """One value taken from a record. In YAML a plain string is short for ``{path: <string>}``.

    Exactly one of ``path``, ``const``, ``coalesce``, ``concat`` says where it comes from; ``map`` then translates it
    (values absent from the map become ``default``, or null), ``scale`` multiplies it, and ``default`` stands in for
    null.
    """

    path: str | None = Field(default=None, description="a.b, a[0].b; names with other characters in double quotes")
    const: str | int | float | bool | None = None
    coalesce: list["ValueOrPath"] | None = Field(default=None, min_length=2)
    concat: list["ValueOrPath"] | None = Field(default=None, min_length=2, description="null if any part is null")
    map: dict[str, str] | None = None
    scale: float | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [self.path, self.const, self.coalesce, self.concat]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("a value needs exactly one of 'path', 'const', 'coalesce', 'concat'")
        return self


ValueOrPath = Annotated[Value, BeforeValidator(_path_shorthand, json_schema_input_type=str | Value)]


class Time(Declared):
    """A point in time taken from a record. In YAML a plain string is a path to an ISO 8601 time."""

    path: str | None = None
    coalesce: list[str] | None = Field(default=None, min_length=2, description="The first path that is not null")
    format: TimeFormat = "iso"
    time_zone: TimeZone | None = Field(default=None, description="IANA zone of times written without one; else UTC")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.path is None) == (self.coalesce is None):
            raise ValueError("a time needs exactly one of 'path' and 'coalesce'")
        return self

    @property
    def paths(self) -> list[str]:
        return [self.path] if self.path is not None else list(self.coalesce or [])


TimeOrPath = Annotated[Time, BeforeValidator(_path_shorthand, json_schema_input_type=str | Time)]


class Condition(Declared):
    """True when the value at ``path`` fits; a null value fits only ``exists: false`` and ``none_of``."""

    path: str
    any_of: list[str] | None = None
    none_of: list[str] | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _has_one_test(self) -> Self:
        if sum(test is not None for test in (self.any_of, self.none_of, self.exists)) != 1:
            raise ValueError("a condition needs exactly one of 'any_of', 'none_of', 'exists'")
        return self


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


class ProfileMapping(Declared):
    """What a record says about the customer it describes; the latest record of an entity counts."""

    when: list[Condition] = Field(default_factory=list)
    entity: ValueOrPath
    keys: dict[Slug, ValueOrPath] = Field(default_factory=dict)
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
    record_id: ValueOrPath
    updated_at: TimeOrPath
    lookback_days: int | None = Field(
        default=None,
        ge=0,
        description="Days before yesterday that the nightly sync reads again; absent: the project's",
    )
    settle_hours: int = Field(
        default=0, ge=0, description="How long after a day's end it may still gain records; until then it stays open"
    )
    events: list[EventMapping] = Field(default_factory=list)
    profile: ProfileMapping | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.endpoint is None) == (self.files is None):
            raise ValueError("a stream needs exactly one of 'endpoint' and 'files'")
        return self


class ServiceDeclaration(Declared):
    service: Slug = Field(description="The slug of the System/Service Name in the inventory")
    kind: Literal["rest", "files"]
    description: str = ""
    owner: Owner = Field(default="", description="Shown in the UI: an e-mail address or team:name")
    freshness_hours: int = Field(default=36, ge=1, description="Older than this the service's data counts as stale")
    client: Client | None = None
    streams: dict[Slug, Stream] = Field(min_length=1)

    @model_validator(mode="after")
    def _kind_matches_streams(self) -> Self:
        if (self.kind == "rest") != (self.client is not None):
            raise ValueError("'client' is needed for kind 'rest' and only there")
        for name, stream in self.streams.items():
            if (stream.endpoint is not None) != (self.kind == "rest"):
                origin = "endpoint" if self.kind == "rest" else "files"
                raise ValueError(f"stream '{name}': kind '{self.kind}' goes with '{origin}'")
        return self
