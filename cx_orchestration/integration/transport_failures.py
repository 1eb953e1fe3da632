"""What went wrong when no complete answer came, and whether to ask again.

Belongs here: exceptions of ``requests`` and of what lies under it. Does not belong here: what an answer means
(``answers.py``). Messages have names of exceptions and never their texts, which hold addresses.
"""

import http.client
import ssl
from collections.abc import Iterator

import requests
import urllib3

from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure


def transport_failure(where: str, error: Exception, seconds: float) -> Failure:
    """The failure for an exception; ``where`` begins its message, ``seconds`` is what the exchange had in all."""
    reasons = list(_reasons(error))

    def met(*kinds: type[BaseException]) -> bool:
        return any(isinstance(reason, kinds) for reason in reasons)

    if met(ssl.SSLCertVerificationError):
        return PermanentFailure(f"{where}: the TLS certificate is not accepted; check client.base_url")
    if met(requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError):
        return PermanentFailure(f"{where}: the address is malformed; check client.base_url and the endpoint's path")
    if met(http.client.LineTooLong) or any(_too_many_headers(reason) for reason in reasons):
        return PermanentFailure(f"{where} sent more headers than any service needs; check client.base_url")
    if met(requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        return TransientFailure(f"{where} took longer than client.timeout_seconds ({seconds:g} s) in all")
    return TransientFailure(f"{where}: no complete answer ({type(reasons[-1]).__name__}); is the service up?")


def _reasons(error: BaseException) -> Iterator[BaseException]:
    """An exception and, from the outside in, those that it wraps."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _reasons(inner)


def _too_many_headers(reason: BaseException) -> bool:
    return type(reason) is http.client.HTTPException and "headers" in str(reason)
