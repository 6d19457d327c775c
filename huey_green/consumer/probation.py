# SPDX-License-Identifier: MIT
"""Finds the task that kills its consumers without blaming those that ran beside it.

A message that has been in a consumer's death is delivered again. The more often that happened,
the fewer of its kind run at once, and only what has begun is counted; at its last chance a task
runs without another suspect beside it. So a task that kills ends up alone with its deed, and
what merely waited or ran beside it never uses up its deliveries. What was never in a death is
not slowed down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

#: How many run at once at the last delivery that is allowed, at the one before, and so on.
PLACES = (1, 4, 32)

#: Seconds between looks whether the consumer stops, while waiting for a place.
LOOK_EVERY = 0.2


class Stopped(Exception):
    """The consumer stops; the place was not got."""


class Probation:
    """Places for deliveries that come again, by how many chances they have left."""

    def __init__(self, max_deliveries: int) -> None:
        self._max = max_deliveries
        self._places = [BoundedSemaphore(places) for places in PLACES]
        self.closing = False

    @contextmanager
    def place(self, attempt: int) -> Iterator[None]:
        """Wait for a place for a delivery of this ``attempt``, from 2; raises ``Stopped``."""
        chances_left = max(0, self._max - attempt)
        if chances_left >= len(self._places):
            yield
            return
        places = self._places[chances_left]
        while not places.acquire(timeout=LOOK_EVERY):
            if self.closing:
                raise Stopped
        try:
            yield
        finally:
            places.release()
