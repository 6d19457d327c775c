# SPDX-License-Identifier: MIT
"""Capacity, fetch, hand over: the main loop of a consumer."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from huey_green import probe
from huey_green.backoff import exponential
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.consumer.slots import Slots
from huey_green.message import Delivery
from huey_green.settings import ConsumerSettings
from huey_green.storage.base import BaseStorage

#: Seconds that one fetch waits for a message where the storage can wait.
FETCH_WAIT = 30.0

#: Most messages that one fetch asks for: enough to share a round trip, few enough to be quick.
FETCH_LIMIT = 500


#: How many deliveries are few.
FEW = 2


class Fetcher(Service):
    """Asks for as many messages as there are free slots, and for nothing when there are none."""

    name = "fetcher"
    interval = 0.0
    #: Most messages of one fetch.
    at_once = FETCH_LIMIT

    def __init__(
        self,
        storage: BaseStorage,
        consumer: str,
        slots: Slots,
        settings: ConsumerSettings,
        outage: Outage,
        needs_leases: Callable[[], bool],
    ) -> None:
        """``needs_leases`` is asked before each fetch: tasks may be declared at any time."""
        super().__init__(outage)
        self._storage = storage
        self._consumer = consumer
        self._slots = slots
        self._settings = settings
        self._needs_leases = needs_leases
        self._empty = 0

    def tick(self) -> None:
        """Fetch once."""
        capacity = self._slots.capacity()
        if capacity == 0 or self.stopping.is_set():
            return
        deliveries = self._fetch(min(capacity, self.at_once))
        self.answered()
        if deliveries:
            self._empty = 0
            self._slots.put(deliveries)
            probe.reached("fetched", len(deliveries))
            if len(deliveries) <= FEW:
                # Where little is to do each task is begun, and settled if it is quick, before the
                # next wait is prepared.
                gevent.sleep(0)
                gevent.sleep(0)
        elif not self._storage.blocking:
            self._poll()

    def _fetch(self, limit: int) -> list[Delivery]:
        return self._ask(limit, FETCH_WAIT)

    def _ask(self, limit: int, wait: float) -> list[Delivery]:
        lease = self._settings.lease if self._needs_leases() else None
        return self._storage.fetch(self._consumer, limit, wait, lease)

    def _poll(self) -> None:
        """Wait before asking again, longer each time that nothing was there."""
        options = self._settings
        self.stopping.wait(
            exponential(self._empty, options.initial_delay, options.backoff, options.max_delay)
        )
        self._empty += 1

    def stop(self) -> None:
        """Ask it to end, and end the wait for a message."""
        super().stop()
        self._storage.interrupt(self._consumer)
