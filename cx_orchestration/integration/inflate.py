"""The body of an answer in bounded memory: bytes on the wire and bytes unzipped are counted while they come.

Gzip is undone member by member: a few kilobytes can stand for gigabytes. Belongs here: bytes. Does not belong here:
what they say.
"""

import zlib
from dataclasses import dataclass

from requests import Response

from cx_orchestration.model.failures import Failure, PermanentFailure, TransientFailure

_READ = 1 << 18


@dataclass(frozen=True)
class Limits:
    """What one answer may take: bytes on the wire, and bytes after decompression."""

    body_bytes: int = 64 * 2**20
    decoded_bytes: int = 128 * 2**20


def read_body(response: Response, limits: Limits, where: str) -> bytes | Failure:
    """The whole body, unzipped. ``where`` begins the message of a failure.

    ``response`` was asked for with ``stream=True``; what ``requests`` would unzip by itself has no limit. Failures of
    the connection are raised, as ``urllib3`` does.
    """
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", ""):
        known = encoding if encoding in ("br", "compress", "deflate", "zstd") else "of another kind"
        return PermanentFailure(f"{where} has a Content-Encoding ({known}); only gzip is accepted")
    inflate = Inflate(limits.decoded_bytes) if encoding == "gzip" else None
    parts: list[bytes] = []
    received = 0
    for chunk in response.raw.stream(_READ, decode_content=False):
        received += len(chunk)
        if received > limits.body_bytes:
            return _too_big(where, limits.body_bytes)
        if inflate is None:
            parts.append(chunk)
            continue
        try:
            parts += inflate(chunk)
        except zlib.error:
            return TransientFailure(f"{where} sent a body whose gzip is damaged")
        if inflate.overflow:
            return _too_big(where, limits.decoded_bytes)
    if inflate is not None and not inflate.complete:
        return TransientFailure(f"{where} sent a body whose gzip ends too early")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_big(where: str, limit: int) -> PermanentFailure:
    return PermanentFailure(f"{where} sent more than {limit} bytes in one answer: ask for smaller pages")


class Inflate:
    """Decompresses what it is called with. ``overflow`` is true once the limit is passed; it then gives no more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._member = zlib.decompressobj(wbits=31)
        self._size = 0

    @property
    def overflow(self) -> bool:
        return self._size > self._limit

    @property
    def complete(self) -> bool:
        return self._member.eof

    def __call__(self, chunk: bytes) -> list[bytes]:
        parts = []
        while chunk and not self.overflow:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            part = self._member.decompress(chunk, self._limit - self._size + 1)
            self._size += len(part)
            parts.append(part)
            chunk = self._member.unconsumed_tail or self._member.unused_data
        return parts
