# SPDX-License-Identifier: MIT
"""Extends what is in flight, from a native thread: a task that hogs the hub keeps its lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gevent import monkey

from huey_green import probe
from huey_green.backoff import jittered
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
    the thread's own hub, so that nothing is shared with the consumer's.
    """

    def __init__(self, storage: BaseStorage, consumer: str, lease: float) -> None:
        self._storage = storage
        self._consumer = consumer
        self._lease = lease
        self._stop = _native_lock()
        self._ended = _native_lock()

    def start(self) -> None:
        """Begin to beat."""
        self._stop.acquire()
        self._ended.acquire()
        _start_native(self._run, ())

    def stop(self, timeout: float = 2.0) -> None:
        """End it, waiting at most ``timeout`` seconds for a beat under way."""
        self._stop.release()
        self._ended.acquire(True, timeout)

    def _run(self) -> None:
        storage = self._storage.independent(self._lease * PATIENCE)
        regular = pause = self._lease * SHARE
        soon = self._lease * AGAIN
        try:
            while not self._stop.acquire(True, pause):
                pause = regular if self._beat(storage) else min(soon, jittered(RETRY))
        finally:
            storage.close()
            self._leave_hub()
            self._ended.release()

    def _beat(self, storage: BaseStorage) -> bool:
        """Extend the leases; say whether the storage was there."""
        try:
            storage.extend(self._consumer, self._lease)
            probe.reached("heartbeat")
        except StorageUnavailable:
            # The services report the outage.
            log.debug("a heartbeat found no storage")
            return False
        except Exception:
            log.exception("a heartbeat failed; leases end in %.0f s without one", self._lease)
        return True

    def _leave_hub(self) -> None:
        # Patched sockets made a hub for this thread; without this it would leak its loop.
        if monkey.is_module_patched("socket"):
            end_hub()
