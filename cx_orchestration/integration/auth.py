"""The kinds of credentials a declaration may name.

Belongs here: from a declaration to credentials. Does not belong here: how a kind works (``credentials.py``,
``oauth.py``).
"""

from collections.abc import Mapping

from cx_orchestration.integration.credentials import Credentials, basic, environment_value
from cx_orchestration.integration.oauth import ClientCredentials, RefreshToken, TokenStore
from cx_orchestration.model.connection import (
    Auth,
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    NoAuth,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
)
from cx_orchestration.model.failures import PermanentFailure


def credentials_of(
    service: str, auth: Auth, environ: Mapping[str, str], *, tokens: TokenStore | None, patience: float
) -> Credentials:
    """The credentials that a declaration describes, with their values from the environment.

    ``tokens`` keeps refresh tokens, for those who declare one. ``patience`` is how many seconds getting a token may
    take with all its attempts.
    """

    def value(name: str) -> str:
        return environment_value(service, name, environ)

    match auth:
        case NoAuth():
            return Credentials({}, "client.auth: none is declared")
        case BearerAuth():
            return Credentials(
                {"Authorization": f"Bearer {value(auth.token_env)}"}, f"the environment variable {auth.token_env}"
            )
        case HeaderAuth():
            names = ", ".join(auth.headers_env.values())
            headers = {header: value(name).strip() for header, name in auth.headers_env.items()}
            variables = "variable" if len(headers) == 1 else "variables"
            return Credentials(headers, f"the environment {variables} {names}")
        case BasicAuth():
            return Credentials(
                basic(value(auth.username_env), value(auth.password_env)),
                f"the environment variables {auth.username_env} and {auth.password_env}",
            )
        case OAuth2ClientCredentials():
            return ClientCredentials(service, auth, environ)
        case OAuth2RefreshToken():
            if tokens is None:
                raise PermanentFailure(
                    f"{service}: client.auth of type oauth2_refresh_token needs the project's registry, which keeps "
                    "the tokens"
                )
            return RefreshToken(service, auth, environ, tokens, patience=patience)
