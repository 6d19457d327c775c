# SPDX-License-Identifier: MIT
"""Events on a pub/sub channel of Redis."""

from __future__ import annotations

from typing import Any

from huey_green.events import BaseEventEmitter, Ear, Outbox
from huey_green.native import end_hub, has_own_sockets
from huey_green.storage.redis.announcements import Announcements
from huey_green.storage.redis.connect import Link, translated

#: Seconds that an answer may take.
PATIENCE = 5.0


class RedisEventEmitter(BaseEventEmitter):
    """Publishes events on ``channel``, from a thread and over a connection of its own.

    ``connection`` is what ``RedisHuey`` takes: ``url``, or host, port, db, password..., or a
    ``connection_pool``. ``dropped`` counts the events that this process could not send: Redis
    was away, or slower than they came.
    """

    def __init__(self, channel: str, *, link: Link | None = None, **connection: Any) -> None:
        """``link`` is a storage's, in place of settings of a connection."""
        super().__init__(channel, **connection)
        self._link = Link(**connection) if link is None else link
        self._outbox = Outbox(self._publish, self._leave)
        # Opened and used in the thread of the outbox alone.
        self._own: Link | None = None

    @property
    def dropped(self) -> int:
        """How many events were dropped here."""
        return self._outbox.dropped

    def emit(self, data: str) -> None:
        self._outbox.put(data)

    def listen(self) -> Ear:
        return _RedisEar(self._link, self.channel)

    def flush(self, timeout: float = 1.0) -> bool:
        return self._outbox.flush(timeout)

    def close(self) -> None:
        self._outbox.close()

    def _publish(self, batch: list[str]) -> None:
        if self._own is None:
            self._own = self._link.another(patience=PATIENCE)
        self._own.together(*(("PUBLISH", self.channel, data) for data in batch))

    def _leave(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None
            if has_own_sockets():  # They made a hub for this thread.
                end_hub()


class _RedisEar:
    """One subscription, whose errors are ours."""

    def __init__(self, link: Link, channel: str) -> None:
        self._where = link.where
        self._announcements = Announcements(link, channel)

    def open(self) -> None:
        with translated(self._where):
            self._announcements.open()

    def read(self, seconds: float) -> bytes | None:
        with translated(self._where):
            return self._announcements.read(seconds)

    def interrupt(self) -> None:
        self._announcements.interrupt()

    def close(self) -> None:
        self._announcements.close()


__all__ = ["RedisEventEmitter"]
