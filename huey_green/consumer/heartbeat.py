# SPDX-License-Identifier: MIT
"""Extends what is in flight, from a native thread: a task that hogs the hub keeps its lease."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from gevent import monkey

from huey_green import clock, probe
from huey_green.backoff import jittered
from huey_green.consumer.reporter import EVERY, Reporter
from huey_green.exceptions import StorageUnavailable
from huey_green.native import end_hub
from huey_green.storage.base import BaseStorage

log = logging.getLogger("huey_green.consumer")

#: As shares of the lease: the time between heartbeats, that for which one waits for its answer,
#: and that to the next one if it was lost. That one has its time, too, before the lease ends.
SHARE, PATIENCE, AGAIN = 1 / 3, 1 / 4, 1 / 6

#: Seconds after a heartbeat that was lost, at most: a storage that is back hears from those that
#: live before their leases are taken for ended. See ``Reaper``.
RETRY = 1.0

_start_native: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")
_native_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")


class Heartbeat:
    """Calls ``extend`` every third of a lease until it is stopped.

    The thread has a storage handle of its own. Where modules are patched its sockets belong to
    the thread's own hub, so that nothing is shared with the consumer's. What ``reporter`` has to
    tell goes the same way.
    """

    def __init__(
        self, storage: BaseStorage, consumer: str, lease: float, reporter: Reporter | None = None
    ) -> None:
        self._reporter = reporter
        self._storage = storage
        self._consumer = consumer
        self._lease = lease
        self._stop = _native_lock()
        self._ended = _native_lock()

    def start(self) -> None:
        """Begin to beat. Called in the thread of the event loop."""
        if self._reporter is not None:
            self._reporter.start()
        self._stop.acquire()
        self._ended.acquire()
        _start_native(self._run, ())

    def stop(self, timeout: float = 2.0) -> None:
        """End it, waiting at most ``timeout`` seconds for a beat under way."""
        self._stop.release()
        self._ended.acquire(True, timeout)

    def _run(self) -> None:
        storage = self._storage.independent(self._lease * PATIENCE)
        reporter = self._reporter
        beats_at = clock.monotonic() + self._lease * SHARE
        reports_at = math.inf if reporter is None else 0.0
        try:
            while not self._stop.acquire(True, self._until(min(beats_at, reports_at))):
                now = clock.monotonic()
                if now >= beats_at:
                    beats_at = now + self._beat(storage)
                elif reporter is not None:  # The beat goes first: others wait for that.
                    reporter.tell(storage)
                    reports_at = clock.monotonic() + EVERY
            if reporter is not None:
                reporter.end(storage)
        finally:
            storage.close()
            self._leave_hub()
            self._ended.release()

    def _until(self, moment: float) -> float:
        return max(0.0, moment - clock.monotonic())

    def _beat(self, storage: BaseStorage) -> float:
        """Extend the leases; return the seconds until the next beat."""
        regular = self._lease * SHARE
        try:
            storage.extend(self._consumer, self._lease)
            probe.reached("heartbeat")
        except StorageUnavailable:
            # The services report the outage.
            log.debug("a heartbeat found no storage")
            return min(self._lease * AGAIN, jittered(RETRY))
        except Exception:
            log.exception("a heartbeat failed; leases end in %.0f s without one", self._lease)
        return regular

    def _leave_hub(self) -> None:
        # Patched sockets made a hub for this thread; without this it would leak its loop.
        if monkey.is_module_patched("socket"):
            end_hub()
