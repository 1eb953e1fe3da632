"""Gzip, member by member, up to a number of bytes: a few kilobytes can stand for gigabytes."""

import zlib


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
