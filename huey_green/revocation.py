# SPDX-License-Identifier: MIT
"""Revoked tasks: marks in the store, looked for only when there may be any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green.serializer import Serializer
from huey_green.storage.base import BaseStorage


def all_of(name: str) -> str:
    """Return the key under which all tasks registered as ``name`` are revoked."""
    return f"rt:{name}"


class Revocations:
    """The marks of one queue. A mark is (until: epoch seconds or None, once: bool)."""

    def __init__(self, storage: BaseStorage, serializer: Serializer, utc: bool) -> None:
        self._storage = storage
        self._serializer = serializer
        self._utc = utc

    def revoke(self, key: str, until: datetime | None, once: bool) -> None:
        """Put a mark, in place of the one before; a naive ``until`` is local time."""
        ends_at = None if until is None else until.timestamp()
        self._storage.put_revocation(key, self._serializer.serialize((ends_at, once)))

    def restore(self, key: str) -> bool:
        """Take a mark away; say whether there was one."""
        return self._storage.pop_revocation(key) is not None

    def is_revoked(self, keys: Sequence[str], now: float, peek: bool) -> bool:
        """Say whether one of ``keys`` is marked.

        Without ``peek`` this is the check before a run: a mark for one time is used up. A mark
        that has ended is taken away either way.
        """
        marks = self._storage.peek_many(keys)
        return any(self._holds(key, marks[key], now, peek) for key in keys if key in marks)

    def _holds(self, key: str, data: bytes, now: float, peek: bool) -> bool:
        until, once = self._serializer.deserialize(data)
        if until is not None and self._epoch(until) <= now:
            if self._epoch(until) <= clock.wall():  # ``now`` may be a moment to come.
                self._storage.pop_revocation(key)
            return False
        if once and not peek:
            # Of several consumers that see the mark, the one that takes it away has used it.
            return self._storage.pop_revocation(key) is not None
        return True

    def _epoch(self, until: Any) -> float:
        # A huey of old wrote a datetime.
        return clock.to_epoch(until, self._utc)
