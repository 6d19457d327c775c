# SPDX-License-Identifier: MIT
"""The classes that a queue, a store of results and a schedule of one's own were made from."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class EmptyData:
    """What a data store returns in place of a value that is not there: the class itself."""


class _Part:
    def __init__(self, name: str, **connection: Any) -> None:
        """A subclass opens its connections here."""
        self.name = name
        self.connection = connection

    def _missing(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has no {method}(): write it")


class BaseQueue(_Part):
    """A queue by huey 0.3 and 0.4; its subclasses write ``write`` and ``read``.

    ``__len__`` may be added: without it nobody knows how much waits.
    """

    #: ``read`` waits for a message. Otherwise it is asked at intervals.
    blocking = False

    def write(self, data: bytes) -> None:
        """Add a message."""
        raise self._missing("write")

    def read(self) -> bytes | None:
        """Remove and return the message that was written first, None when there is none."""
        raise self._missing("read")

    def remove(self, data: bytes) -> int:
        """Delete all messages that equal ``data``; return how many."""
        raise self._missing("remove")

    def flush(self) -> None:
        """Delete all messages. This one reads them, unless reading waits."""
        if self.blocking:
            raise self._missing("flush")
        while self.read() is not None:
            continue


class BaseDataStore(_Part):
    """Values by key, as huey 0.3 and 0.4 have them; its subclasses write ``put`` and ``get``."""

    def put(self, key: str, value: bytes) -> None:
        """Store a value, in place of the one before."""
        raise self._missing("put")

    def get(self, key: str) -> Any:
        """Remove and return a value, ``EmptyData`` when there is none."""
        raise self._missing("get")

    def peek(self, key: str) -> Any:
        """Return a value and keep it, ``EmptyData`` when there is none.

        This one takes it out and puts it back: somebody else may miss it in between.
        """
        value = self.get(key)
        if value is not EmptyData:
            self.put(key, value)
        return value

    def flush(self) -> None:
        """Delete all values."""
        raise self._missing("flush")


class BaseSchedule(_Part):
    """Messages by moment, as huey 0.4 has them; its subclasses write ``add`` and ``read``."""

    def add(self, data: bytes, timestamp: datetime) -> None:
        """Keep a message until ``timestamp``: naive, in UTC or local time as the Huey has it."""
        raise self._missing("add")

    def read(self, timestamp: datetime) -> list[bytes]:
        """Remove and return the messages that are due at ``timestamp``."""
        raise self._missing("read")

    def flush(self) -> None:
        """Delete all messages."""
        raise self._missing("flush")


__all__ = ["BaseDataStore", "BaseQueue", "BaseSchedule", "EmptyData"]
