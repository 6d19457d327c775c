# SPDX-License-Identifier: MIT
"""Revoked tasks: marks in the store, looked for only when there may be any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from huey_green import clock
from huey_green import signals as s
from huey_green.serializer import Serializer
from huey_green.storage.base import BaseStorage

#: Seconds for which a canceled task is remembered that nobody has come upon.
CANCELED_KEPT = 7 * 86400.0

#: Seconds for which a single task stays revoked if nobody says until when: it may have ended
#: already, and while there is any mark each task has to be looked up. As long as a chord is kept.
TASK_KEPT = 400 * 86400.0


def all_of(name: str) -> str:
    """Return the key under which all tasks registered as ``name`` are revoked."""
    return f"rt:{name}"


def one_call(name: str, fingerprint: str) -> str:
    """Return the key under which the calls of a task with certain arguments are revoked."""
    return f"ra:{name}:{fingerprint}"


class _Mark(NamedTuple):
    """What is stored: the moment until which it holds, whether for one time, and the signal."""

    until: float | None = None
    once: bool = False
    signal: str = s.SIGNAL_REVOKED


class Revocations:
    """The marks of one queue."""

    def __init__(self, storage: BaseStorage, serializer: Serializer, utc: bool) -> None:
        self._storage = storage
        self._serializer = serializer
        self._utc = utc

    def revoke(
        self, key: str, until: datetime | None, once: bool, kept: float | None = None
    ) -> None:
        """Put a mark, in place of the one before; a naive ``until`` is local time.

        One without ``until`` is forgotten after ``kept`` seconds, None for never.
        """
        ends_at = None if until is None else until.timestamp()
        ttl = kept if ends_at is None else max(0.001, ends_at - clock.wall())
        self._storage.put_revocation(key, self._serializer.serialize((ends_at, once)), ttl)

    def cancel(self, key: str) -> None:
        """Put a mark that tells of a canceled task; it is used up by the first who sees it."""
        ends_at = clock.wall() + CANCELED_KEPT
        data = self._serializer.serialize((ends_at, True, s.SIGNAL_CANCELED))
        self._storage.put_revocation(key, data, CANCELED_KEPT)

    def take_canceled(self, key: str) -> bool:
        """Take away a mark that tells of a canceled task; say whether there was one."""
        data = self._storage.peek_many([key]).get(key)
        if data is None or _Mark(*self._serializer.deserialize(data)).signal != s.SIGNAL_CANCELED:
            return False
        return self.restore(key)

    def restore(self, key: str) -> bool:
        """Take a mark away; say whether there was one."""
        return self._storage.pop_revocation(key) is not None

    def reason(self, keys: Sequence[str], now: float, peek: bool) -> str | None:
        """Return the signal of the first of ``keys`` that is marked, None when none is.

        Without ``peek`` this is the check before a run: a mark for one time is used up. A mark
        that has ended is taken away either way.
        """
        marks = self._storage.peek_many(keys)
        for key in keys:
            if key in marks:
                mark = _Mark(*self._serializer.deserialize(marks[key]))
                if self._holds(key, mark, now, peek):
                    return mark.signal
        return None

    def _holds(self, key: str, mark: _Mark, now: float, peek: bool) -> bool:
        if mark.until is not None and self._epoch(mark.until) <= now:
            if self._epoch(mark.until) <= clock.wall():  # ``now`` may be a moment to come.
                self._storage.pop_revocation(key)
            return False
        if mark.once and not peek:
            # Of several consumers that see the mark, the one that takes it away has used it.
            return self._storage.pop_revocation(key) is not None
        return True

    def _epoch(self, until: Any) -> float:
        # A huey of old wrote a datetime.
        return clock.to_epoch(until, self._utc)
