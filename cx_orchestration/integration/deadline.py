"""A deadline for a whole HTTP exchange: a server that drips one byte a second cannot hold a request for ever.

A socket's timeout starts anew with each byte. Here every read gets what is left of one budget, headers included.
Belongs here: sockets and the adapter that installs them. Does not belong here: what is asked, and what an answer means.
"""

import socket
import ssl
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context


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

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._deadline = None if self.timeout is None else time.monotonic() + self.timeout
        self._pass_on()
        super().request(*args, **kwargs)  # type: ignore[misc]  # a mixin: the connection class comes after it

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # a mixin: the connection class comes after it
        self._pass_on()

    def _pass_on(self) -> None:
        if isinstance(self.sock, _DeadlineSocket | _DeadlineSSLSocket):
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


class DeadlineAdapter(HTTPAdapter):
    """A ``requests`` adapter under which ``timeout`` bounds connecting, waiting and reading together."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _DeadlineSSLSocket
        super().init_poolmanager(*args, ssl_context=context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As in the base class; behind a proxy the deadline holds for plain sockets."""
        through = super().proxy_manager_for(proxy, **kwargs)
        through.pool_classes_by_scheme = _POOLS
        return through


_POOLS = {"http": _DeadlineHTTPPool, "https": _DeadlineHTTPSPool}
