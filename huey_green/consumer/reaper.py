# SPDX-License-Identifier: MIT
"""Gives expired leases back, so that a task outlives the process that held it; and tidies up."""

from __future__ import annotations

import logging
import math
import random

from huey_green import clock, probe
from huey_green.consumer.identity import died_here
from huey_green.consumer.outage import Outage
from huey_green.consumer.scheduler import StorageClock
from huey_green.consumer.service import Service
from huey_green.exceptions import StorageUnavailable
from huey_green.storage.base import BaseStorage

log = logging.getLogger("huey_green.consumer")

#: Most messages that one round gives back, and dead letters that it deletes.
BATCH = 1000

#: Seconds after which the storage is asked to give back even if nobody seems to be dead.
ASK_EVERY = 30.0

#: Seconds between two rounds in which what has ended is deleted. For so long it takes room.
PRUNE_EVERY = 30.0


class Reaper(Service):
    """Looks for consumers whose leases have ended, or whose process on this host is gone."""

    name = "reaper"
    interval = 4.0

    def __init__(
        self, storage: BaseStorage, outage: Outage, storage_clock: StorageClock, lease: float
    ) -> None:
        super().__init__(outage)
        self._storage = storage
        self._clock = storage_clock
        self._lease = lease
        self._was_away = False
        #: What the storage's clock showed, at the last look, when our monotonic one shows zero.
        self._offset = math.inf
        self._waits_until = self._asks_at = -math.inf
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
        self._notice_step()
        consumers = self._storage.consumers()
        self.answered()
        dead = died_here(list(consumers))
        now, present = self._clock.now(), clock.monotonic()
        reclaimed = 0
        if dead or present >= self._asks_at or any(end <= now for end in consumers.values()):
            self._clock.check(0.0)
            self._notice_step()
            if present >= self._waits_until:
                self._asks_at = present + ASK_EVERY
                reclaimed = self._storage.reclaim(BATCH, dead)
        if reclaimed:
            log.warning("gave %d tasks of dead consumers back to the queue", reclaimed)
        if present >= self._prunes_at:
            self._prune()
        probe.reached("reaped", reclaimed)

    def _notice_step(self) -> None:
        """Look whether the storage's clock was set forward: then all leases look as if they had
        ended, and whoever is alive extends them within a third of one."""
        offset = self._clock.at(0.0)
        ahead = offset - self._offset if self._clock.is_known else 0.0
        self._offset = offset
        if ahead > self._lease / 4:
            self._waits_until = clock.monotonic() + self._lease / 2
            log.warning(
                "the storage's clock was set forward by %.1f s: leases that ended by that are left "
                "to their consumers for %.1f s more",
                ahead,
                self._lease / 2,
            )

    def _prune(self) -> None:
        deleted = self._storage.prune(BATCH)
        if deleted:
            log.warning("deleted %d dead letters, which were too many or too old", deleted)
        if deleted < BATCH:  # Else there may be more: the next round goes on.
            self._prunes_at = clock.monotonic() + PRUNE_EVERY
        probe.reached("pruned", deleted)
