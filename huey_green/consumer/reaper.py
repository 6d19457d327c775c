# SPDX-License-Identifier: MIT
"""Gives expired leases back, so that a task outlives the process that held it."""

from __future__ import annotations

import logging

from huey_green import probe
from huey_green.consumer.identity import died_here
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.storage.base import BaseStorage

log = logging.getLogger("huey_green.consumer")

#: Most messages that one round gives back.
BATCH = 1000


class Reaper(Service):
    """Looks for consumers whose leases have ended, or whose process on this host is gone."""

    name = "reaper"
    interval = 3.0

    def __init__(self, storage: BaseStorage, outage: Outage) -> None:
        super().__init__(outage)
        self._storage = storage

    def tick(self) -> None:
        """Give back what dead consumers held."""
        dead = died_here(list(self._storage.consumers()))
        reclaimed = self._storage.reclaim(BATCH, dead)
        self.answered()
        if reclaimed:
            log.warning("gave %d tasks of dead consumers back to the queue", reclaimed)
        probe.reached("reaped", reclaimed)
