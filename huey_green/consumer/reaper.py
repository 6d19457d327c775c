# SPDX-License-Identifier: MIT
"""Gives expired leases back, so that a task outlives the process that held it; and tidies up."""

from __future__ import annotations

import logging
import math
import random

from huey_green import clock, probe
from huey_green.consumer.identity import died_here
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.exceptions import StorageUnavailable
from huey_green.storage.base import BaseStorage

log = logging.getLogger("huey_green.consumer")

#: Most messages that one round gives back, and dead letters that it deletes.
BATCH = 1000

#: Seconds between two rounds in which what has ended is deleted. For so long it takes room.
PRUNE_EVERY = 30.0


class Reaper(Service):
    """Looks for consumers whose leases have ended, or whose process on this host is gone."""

    name = "reaper"
    interval = 3.0

    def __init__(self, storage: BaseStorage, outage: Outage, lease: float) -> None:
        super().__init__(outage)
        self._storage = storage
        self._lease = lease
        self._was_away = False
        #: What the storage's clock shows when our monotonic one shows zero.
        self._offset: float | None = None
        self._waits_until = -math.inf
        # At a random moment, so that those who never live for long come to it too, some of them.
        self._prunes_at = clock.monotonic() + random.uniform(0, PRUNE_EVERY)

    def tick(self) -> None:
        """Give back what dead consumers held; now and then, forget what has ended."""
        try:
            self._look()
        except StorageUnavailable:
            self._was_away = True
            raise

    def _look(self) -> None:
        if self._was_away:
            # Nobody could extend a lease meanwhile: the living may do so first.
            self._storage.ping()
            self._was_away = False
            self.answered()
            return
        if self._leaves_time():
            return
        dead = died_here(list(self._storage.consumers()))
        reclaimed = self._storage.reclaim(BATCH, dead)
        self.answered()
        if reclaimed:
            log.warning("gave %d tasks of dead consumers back to the queue", reclaimed)
        if clock.monotonic() >= self._prunes_at:
            self._prune()
        probe.reached("reaped", reclaimed)

    def _leaves_time(self) -> bool:
        """Say whether the storage's clock was set forward just now: all leases look as if they had
        ended, and whoever is alive extends them within a third of one."""
        now = clock.monotonic()
        offset = self._storage.time() - now
        self.answered()
        ahead = 0.0 if self._offset is None else offset - self._offset
        self._offset = offset
        if ahead > self._lease / 4:
            self._waits_until = now + self._lease / 2
            log.warning(
                "the storage's clock was set forward by %.1f s: leases that ended by that are left "
                "to their consumers for %.1f s more",
                ahead,
                self._lease / 2,
            )
        return now < self._waits_until

    def _prune(self) -> None:
        deleted = self._storage.prune(BATCH)
        if deleted:
            log.warning("deleted %d dead letters, which were too many or too old", deleted)
        if deleted < BATCH:  # Else there may be more: the next round goes on.
            self._prunes_at = clock.monotonic() + PRUNE_EVERY
        probe.reached("pruned", deleted)
