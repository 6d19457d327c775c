# SPDX-License-Identifier: MIT
"""One connection to a pub/sub channel, on which results and progress are announced."""

from __future__ import annotations

from typing import Any

import redis

from huey_green import clock
from huey_green.storage.redis.connect import Link, exchange, shut

#: Seconds after which a silent connection is asked whether it still lives, and after which a
#: caller looks for itself: the bound on what a lost wake-up can cost.
SILENCE = 5.0


class Announcements:
    """What comes on a channel. Opened and read by one greenlet or thread at a time.

    One that is killed while it waits has taken nothing from the connection; the next reads on.
    """

    def __init__(self, link: Link, channel: str) -> None:
        self._link = link
        self._channel = channel
        self._connection: Any = None
        self._heard_at = 0.0
        self._asked_at: float | None = None
        #: Whether all that is announced from now on can be read here.
        self.is_open = False

    def open(self) -> None:
        """Subscribe; raises redis-py's errors."""
        connection = self._link.new_connection(read_timeout=SILENCE)
        # Kept before it is connected, so that ``interrupt`` finds it.
        self._connection = connection
        try:
            connection.connect()
            exchange(connection, [("SUBSCRIBE", self._channel)])
        except BaseException:
            connection.disconnect()
            raise
        self._heard_at, self._asked_at = clock.monotonic(), None
        self.is_open = True

    def read(self, seconds: float) -> bytes | None:
        """Return the next announcement, None when none came within some ``seconds``.

        Raises redis-py's errors, also when the server does not answer any more.
        """
        connection = self._connection
        try:
            # redis-py has a way of its own for this only since version 8.
            connection._sock.settimeout(seconds)
            answer = connection.read_response(disconnect_on_error=False)
        except redis.TimeoutError:
            self._note_silence()
            return None
        except AttributeError as error:  # It has been closed by another thread.
            raise redis.ConnectionError("closed") from error
        self._heard_at, self._asked_at = clock.monotonic(), None
        payload: bytes | None = answer[2] if answer[0] == b"message" else None
        return payload

    def _note_silence(self) -> None:
        now = clock.monotonic()
        if self._asked_at is not None and now - self._asked_at >= SILENCE:
            raise redis.TimeoutError("the server does not answer")
        if self._asked_at is None and now - self._heard_at >= SILENCE:
            self._asked_at = now
            self._connection.send_command("PING")

    def interrupt(self) -> None:
        """End what is being read, in another greenlet or thread: it raises an error there."""
        shut(self._connection)

    def close(self) -> None:
        """Let go of the connection; it can be opened again."""
        self.is_open = False
        if self._connection is not None:
            self._connection.disconnect()
