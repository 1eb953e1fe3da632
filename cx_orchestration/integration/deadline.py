"""Connections to one origin under a deadline: a server that drips one byte a second cannot hold a request for ever.

A socket's timeout starts anew with each byte. Here every read gets what is left of one budget, connecting and headers
included. Belongs here: sockets, TLS, proxies, and the connections kept open. Does not belong here: what is asked, and
what an answer means.
"""

import logging
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidProxyURL
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

# Below this level urllib3 writes addresses with all their parameters, and headers, into its log.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)


class _DeadlineSocket(socket.socket):
    deadline: float | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.deadline is not None:
            self.settimeout(_left(self.deadline))
        return super().recv_into(*args, **kwargs)


class _DeadlineSSLSocket(ssl.SSLSocket):
    deadline: float | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.deadline is not None:
            self.settimeout(_left(self.deadline))
        return super().recv_into(*args, **kwargs)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time for this request is used up")
    return left


class _Deadline:
    """What the connections for http and https share: the request's timeout bounds the whole exchange."""

    sock: socket.socket | None
    timeout: float | None
    _deadline: float | None = None
    _connecting_since: float | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        began = time.monotonic() if self._connecting_since is None else self._connecting_since
        self._connecting_since = None
        self._deadline = None if self.timeout is None else began + self.timeout
        self._pass_on()
        super().request(*args, **kwargs)  # type: ignore[misc]  # a mixin: the connection class comes after it

    def connect(self) -> None:
        self._connecting_since = time.monotonic()
        super().connect()  # type: ignore[misc]  # a mixin: the connection class comes after it
        self._pass_on()

    def _pass_on(self) -> None:
        if isinstance(self.sock, _DeadlineSocket | _DeadlineSSLSocket):
            # What the last read left is not the time that sending may take.
            self.sock.settimeout(self.timeout)
            self.sock.deadline = self._deadline


class _DeadlineHTTPConnection(_Deadline, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        timeout = plain.gettimeout()
        sock = _DeadlineSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        sock.settimeout(timeout)
        return sock


class _DeadlineHTTPSConnection(_Deadline, HTTPSConnection):
    pass


class _DeadlineHTTPPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineHTTPConnection


class _DeadlineHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHTTPSConnection


_POOLS = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """What carries the exchanges with one origin; ``timeout`` is for the whole of one, reading the body included.

    ``base_url`` names the origin. Proxies (``HTTPS_PROXY``, ``NO_PROXY``, ...) and a certificate bundle of the
    company's own (``REQUESTS_CA_BUNDLE``) are taken from the process's environment, as a ``requests.Session`` does.
    Redirects are not followed; cookies and ``.netrc`` are a session's, and there is none. Raises
    ``requests.RequestException`` or ``urllib3.exceptions.LocationValueError`` for a host or proxy that is no address.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__()
        PreparedRequest().prepare_url(base_url, None)
        origin = urlsplit(base_url)
        proxy = select_proxy(base_url, get_environ_proxies(base_url))
        manager = self.poolmanager if proxy is None else self.proxy_manager_for(proxy)
        manager.pool_classes_by_scheme = _POOLS
        if origin.scheme == "https":
            manager.connection_pool_kw["ssl_context"] = _tls()
        self._pool: HTTPConnectionPool = manager.connection_from_host(origin.hostname, origin.port, origin.scheme)
        self._prefix = f"http://{origin.netloc}" if proxy is not None and origin.scheme == "http" else ""

    def exchange(self, request: PreparedRequest, seconds: float) -> Response:
        """The answer, with its body unread in ``raw``. Raises ``requests.RequestException``; reading the body raises
        ``urllib3.exceptions.HTTPError`` and ``OSError``."""
        return self.send(request, stream=True, timeout=seconds)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """Behind a proxy the deadline holds for plain sockets."""
        if proxy.lower().startswith("socks"):
            raise InvalidProxyURL("no deadline can be kept through SOCKS")
        return super().proxy_manager_for(proxy if "://" in proxy else f"http://{proxy}", **more)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The one pool, whatever address is asked for."""
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """Only path and query are taken from an address: a proxy, too, is told the one origin."""
        return self._prefix + request.path_url

    def cert_verify(self, *_: Any) -> None:
        """The pool's context knows the certificates: loading them for every connection costs more than all the rest."""


def _tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = _DeadlineSSLSocket
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    if Path(bundle).is_dir():
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(cafile=bundle)
    return context
