"""How a federated service is reached: address, credentials, how often it may be asked, which answers mean "later".

Speaks the vocabulary of dlt's ``rest_api`` where that has a word for it. Belongs here: what holds for all streams of a
service. Does not belong here: what one stream asks for (``endpoint.py``).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, EnvName
from cx_orchestration.model.endpoint import Paginator


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
    """RFC 6749, 4.4. ``token_path`` is relative to the service's base URL, or the whole address of another host that
    gives out tokens: the client's secret goes there, and nowhere else."""

    type: Literal["oauth2_client_credentials"]
    token_path: str
    client_id_env: EnvName
    client_secret_env: EnvName
    scope: str | None = None


class OAuth2RefreshToken(Declared):
    """RFC 6749, 6: an access token for a person's consent, renewed by a refresh token. ``token_path`` is as above.

    The first refresh token comes from ``refresh_token_env``. Where the service hands out a new one with each renewal,
    the registry keeps the newest, encrypted with the key in the environment variable ``CX_REGISTRY_KEY``.
    """

    type: Literal["oauth2_refresh_token"]
    token_path: str
    client_id_env: EnvName
    client_secret_env: EnvName | None = Field(default=None, description="Absent for a public client")
    refresh_token_env: EnvName
    scope: str | None = None


Auth = Annotated[
    NoAuth | BearerAuth | HeaderAuth | BasicAuth | OAuth2ClientCredentials | OAuth2RefreshToken,
    Field(discriminator="type"),
]


class Rate(Declared):
    """How often the service may be asked, by all streams, threads and runs together."""

    per_second: float = Field(default=20, gt=0)
    per_minute: int | None = Field(default=None, gt=0)
    per_day: int | None = Field(default=None, gt=0, description="A day of UTC")
    concurrency: int | None = Field(default=None, gt=0, description="Requests under way at once")


class RetryRule(Declared):
    """An answer that means "later", although its status alone does not say so.

    It is recognised by its status and, where ``code_path`` is given, by a value in its JSON body. How long to wait
    stands in ``wait_header``, else in ``Retry-After``, else it is ``wait_seconds``, else the usual growing pause.
    """

    status: int = Field(ge=200, le=599)
    code_path: str | None = Field(default=None, description="Path of an error code in the body")
    codes: list[str] = Field(default_factory=list, description="The codes at code_path that mean later")
    wait_header: str | None = Field(default=None, description="Header that says how long to wait")
    wait_format: Literal["seconds", "epoch_s", "epoch_ms"] = "seconds"
    wait_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _code_goes_with_path(self) -> Self:
        if self.code_path is not None and "codes" in self.model_fields_set and not self.codes:
            raise ValueError("codes must not be empty: name those at 'code_path' that mean later")
        if (self.code_path is None) != (not self.codes):
            raise ValueError("'code_path' and 'codes' go together")
        if self.status == 200 and self.code_path is None:
            raise ValueError("status 200 needs a 'code_path': else every answer would mean later")
        return self


class Client(Declared):
    base_url: str = Field(description="http(s) address; ${NAME} is taken from the environment", min_length=1)
    auth: Auth = NoAuth()
    headers: dict[str, str] = Field(default_factory=dict, description="Constant headers, no credentials")
    paginator: Paginator | None = Field(default=None, description="For every endpoint that declares none of its own")
    rate: Rate = Rate()
    retry_on: list[RetryRule] = Field(
        default_factory=list, description="Answers that mean later, besides 408, 425, 429, 500, 502, 503 and 504"
    )
    timeout_seconds: float = Field(default=30, gt=0, description="Total time one request may take")
    max_attempts: int = Field(default=4, ge=1, description="Attempts per request on transient failures")
