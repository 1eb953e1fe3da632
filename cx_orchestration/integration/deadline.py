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
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import make_headers
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


class Connections:
    """Requests to one origin, and to no other: whatever address is asked for, only its path and query are used.

    ``base_url`` names the origin. Proxies (``HTTPS_PROXY``, ``NO_PROXY``, ...) and a certificate bundle of the
    company's own (``REQUESTS_CA_BUNDLE``) are taken from the process's environment, as ``requests`` does.
    """

    def __init__(self, base_url: str) -> None:
        origin = urlsplit(base_url)
        proxy = select_proxy(base_url, get_environ_proxies(base_url))
        more: dict[str, Any] = {"ssl_context": _tls()} if origin.scheme == "https" else {}
        manager = PoolManager(**more) if proxy is None else _through(proxy, more)
        manager.pool_classes_by_scheme = _POOLS
        self._pool = manager.connection_from_host(origin.hostname, origin.port, origin.scheme)
        self._prefix = f"http://{origin.netloc}" if proxy is not None and origin.scheme == "http" else ""

    def send(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> BaseHTTPResponse:
        """The answer with its body unread. It has ``seconds`` in all, reading the body included.

        ``target`` is a path with its query. Raises ``urllib3.exceptions.HTTPError`` and ``OSError``.
        """
        return self._pool.urlopen(
            method, self._prefix + target, body, headers, retries=False, redirect=False, assert_same_host=False,
            timeout=seconds, preload_content=False, decode_content=False,
        )  # fmt: skip

    def close(self) -> None:
        self._pool.close()


def _through(proxy: str, more: dict[str, Any]) -> ProxyManager:
    """Behind a proxy the deadline holds for plain sockets."""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    username, password = get_auth_from_url(proxy)
    headers = make_headers(proxy_basic_auth=f"{username}:{password}") if username else None
    return ProxyManager(proxy, proxy_headers=headers, **more)


def _tls() -> ssl.SSLContext:
    """Certificates are read once: loading them for every connection costs more than all the rest of a request."""
    context = create_urllib3_context()
    context.sslsocket_class = _DeadlineSSLSocket
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    if Path(bundle).is_dir():
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(cafile=bundle)
    return context
