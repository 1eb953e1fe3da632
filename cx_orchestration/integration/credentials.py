"""Credentials as headers, from environment variables.

Belongs here: values that headers can carry, and what every kind of credentials has in common. Does not belong here:
OAuth2 (``oauth.py``), which kinds there are (``auth.py``), and sending requests.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from cx_orchestration.model.failures import PermanentFailure

#: Posts a form to a path of the service, with headers, and returns the parsed body.
PostForm = Callable[[str, Mapping[str, str], Mapping[str, str]], Any]


def environment_value(service: str, name: str, environ: Mapping[str, str]) -> str:
    """A variable that a declaration names, fit to be part of an HTTP header.

    Raises ``PermanentFailure`` naming the variable, never its value.
    """
    value = environ.get(name, "")
    if not value:
        raise PermanentFailure(
            f"{service}: the environment variable {name} is not set; the service's declaration names it"
        )
    if not (value.isascii() and value.isprintable()):
        raise PermanentFailure(
            f"{service}: the environment variable {name} holds a character that HTTP headers cannot carry"
        )
    return value


class Credentials:
    """Constant headers. ``named`` tells the on-call engineer where the credentials come from."""

    def __init__(self, headers: Mapping[str, str], named: str) -> None:
        self._headers = dict(headers)
        self.named = named

    def headers(self, post: PostForm) -> Mapping[str, str]:  # noqa: ARG002
        """What goes on a request; ``post`` may be used to get it."""
        return self._headers

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Get rid of what was refused; true if the next request would carry something new."""
        return False


def basic(username: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic (RFC 7617)."""
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
