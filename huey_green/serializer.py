# SPDX-License-Identifier: MIT
"""Bytes from objects and back: pickle by default, compressed if wanted; meant to be overridden."""

from __future__ import annotations

import gzip
import pickle
import zlib
from copy import copy
from typing import Any

from huey_green.exceptions import ConfigurationError

_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_FIRST = 0x78


class Serializer:
    """Turns tasks and results into bytes. Override ``_serialize`` and ``_deserialize``.

    ``compression`` compresses with gzip, or zlib with ``use_zlib``, at ``compression_level``
    0 (least) to 9 (most). Data that was written without compression is read all the same, so
    that it can be switched on with tasks in the queue. (API reference, "Serializer".)
    """

    def __init__(
        self, compression: bool = False, compression_level: int = 6, use_zlib: bool = False
    ) -> None:
        if not 0 <= compression_level <= 9:
            raise ConfigurationError(
                f"compression_level is 0 (least) to 9 (most), not {compression_level!r}"
            )
        self.comp = compression
        self.comp_level = compression_level
        self.use_zlib = use_zlib

    def _serialize(self, data: Any) -> bytes:
        return pickle.dumps(data, pickle.HIGHEST_PROTOCOL)

    def _deserialize(self, data: bytes) -> Any:
        return pickle.loads(data)

    def serialize(self, data: Any) -> bytes:
        """Return ``data`` as bytes, compressed if this serializer compresses."""
        serialized = self._serialize(data)
        if self.comp:
            if self.use_zlib:
                return zlib.compress(serialized, self.comp_level)
            return gzip.compress(serialized, self.comp_level)
        return serialized

    def deserialize(self, data: bytes) -> Any:
        """Return what ``serialize`` was given; raises whatever the format raises on other bytes."""
        return self._deserialize(self._decompress(data) if self.comp else data)

    def _decompress(self, data: bytes) -> bytes:
        if data.startswith(_GZIP_MAGIC):
            return gzip.decompress(data)
        if data and data[0] == _ZLIB_FIRST:
            try:
                return zlib.decompress(data)
            except zlib.error:
                return data  # A format whose data may begin with the same byte.
        return data


def compressing(serializer: Serializer, compression: bool, use_zlib: bool) -> Serializer:
    """Return ``serializer``, or a copy of it that compresses where that is asked for besides."""
    if compression and not serializer.comp:
        serializer = copy(serializer)
        serializer.comp, serializer.use_zlib = True, use_zlib
    return serializer
