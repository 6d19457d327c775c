# SPDX-License-Identifier: MIT
"""Finds the task that kills its consumers without blaming those that ran beside it.

A message that has been in a consumer's death is delivered again. The more often that happened,
the fewer of its kind run at once, and only what has begun is counted; at its last chance a task
runs without another suspect beside it. So a task that kills ends up alone with its deed, and
what merely waited or ran beside it never uses up its deliveries. What was never in a death is
not slowed down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

#: All the room there is for suspects, and what one takes of it at the last delivery that is
#: allowed, at the one before, and so on: 1, 4, 32 or 1,000 fit in at once, and at the last one
#: no other suspect beside it.
ROOM = 8000
SHARES = (8000, 2000, 250, 8)

#: Seconds between looks whether the consumer stops, while waiting for a place.
LOOK_EVERY = 0.2


class Stopped(Exception):
    """The consumer stops; the place was not got."""


class Probation:
    """Places for deliveries that come again, in the order in which they ask."""

    def __init__(self, max_deliveries: int) -> None:
        self._max = max_deliveries
        self._free = ROOM
        self._waiting: deque[Event] = deque()
        self.closing = False

    @contextmanager
    def place(self, attempt: int) -> Iterator[None]:
        """Wait for a place for a delivery of this ``attempt``, from 2; raises ``Stopped``."""
        chances_left = max(0, self._max - attempt)
        share = SHARES[min(chances_left, len(SHARES) - 1)]
        turn = Event()
        self._waiting.append(turn)
        try:
            while self._waiting[0] is not turn or self._free < share:
                if self.closing:
                    raise Stopped
                turn.wait(LOOK_EVERY)
                turn.clear()
            self._free -= share
        finally:
            self._waiting.remove(turn)
            self._call_next()
        try:
            yield
        finally:
            self._free += share
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0].set()
