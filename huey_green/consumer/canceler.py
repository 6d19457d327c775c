# SPDX-License-Identifier: MIT
"""Stops the tasks that somebody has canceled while they run here."""

from __future__ import annotations

import logging

from huey_green import probe
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.consumer.worker import Worker
from huey_green.storage.base import CANCEL_KEPT, BaseStorage

log = logging.getLogger("huey_green.consumer")

#: Seconds by which two looks overlap: a note is written a moment after its time was taken.
OVERLAP = 2.0


class Canceler(Service):
    """Looks for notes of canceled tasks, while anything runs and once more after that."""

    name = "canceler"
    interval = 0.5

    def __init__(self, storage: BaseStorage, worker: Worker, outage: Outage) -> None:
        super().__init__(outage)
        self._storage = storage
        self._worker = worker
        self._since = 0.0

    def tick(self) -> None:
        """Look once."""
        if self._worker.is_idle():
            return
        ids, now = self._storage.canceled(self._since)
        self.answered()
        self._since = now - OVERLAP
        if self._worker.cancel(ids, CANCEL_KEPT):
            log.info("interrupting canceled tasks")
        probe.reached("canceled", ids)
