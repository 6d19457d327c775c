# SPDX-License-Identifier: MIT
"""Settles what has ended: all of it in one round trip, again and again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from gevent.event import Event

from huey_green import probe
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.exceptions import StorageUnavailable
from huey_green.message import NOTHING, Delivery, Effects, Settlement
from huey_green.storage.base import BaseStorage

log = logging.getLogger("huey_green.consumer")


class Batch:
    """Settlements that share a round trip, and an event for those who wait for it."""

    __slots__ = ("doubtful", "refused", "settled", "settlements")

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []
        self.settled: Event | None = None
        self.refused: list[Settlement] = []
        #: Refused as well, but maybe because it was taken before, and the answer was lost.
        self.doubtful: list[Settlement] = []

    def wait(self) -> None:
        """Wait until the storage has taken the batch, for as long as that takes."""
        if self.settled is None:
            self.settled = Event()
        self.settled.wait()

    def was_refused(self, delivery: Delivery) -> bool:
        """Say whether the lease of ``delivery`` was no longer ours."""
        return any(one.delivery is delivery for one in self.refused)

    def is_surely_ours(self, delivery: Delivery) -> bool:
        """Say whether nobody else can have got ``delivery``."""
        return not any(one.delivery is delivery for one in (*self.refused, *self.doubtful))


def may_be_repeated(settlement: Settlement) -> bool:
    """Say whether a settlement that is applied twice is no more than applied once."""
    effects = settlement.effects
    return settlement.delivery.receipt is not None or not (effects.enqueue or effects.schedule)


class Acknowledger(Service):
    """Collects settlements while the last round trip is under way, then sends them together.

    Nothing waits for company: the first one goes at once. What the storage did not take because
    it was away is kept and sent again; a lease fences each settlement, so that none is doubled.
    """

    name = "acknowledger"
    interval = 0.0

    def __init__(
        self,
        storage: BaseStorage,
        consumer: str,
        outage: Outage,
        expect: Callable[[float], None],
        bury: Callable[[Delivery, Exception], object],
    ) -> None:
        """``expect`` is told the moments, epoch seconds, for which messages were scheduled;
        ``bury`` is called in place of a settlement that the storage cannot carry out."""
        super().__init__(outage)
        self._expect = expect
        self._bury = bury
        self._storage = storage
        self._consumer = consumer
        self._open = Batch()
        self._sending: Batch | None = None
        self._something = Event()
        #: The batch now under way was sent before, and no answer came.
        self._in_doubt = False

    def add(self, delivery: Delivery, effects: Effects) -> Batch:
        """Settle a delivery soon; the batch can be waited for."""
        batch = self._open
        batch.settlements.append(Settlement(delivery, effects))
        if not self._something.is_set():
            self._something.set()
        return batch

    @property
    def pending(self) -> int:
        """How many settlements the storage has not taken yet."""
        sending = 0 if self._sending is None else len(self._sending.settlements)
        return sending + len(self._open.settlements)

    def tick(self) -> None:
        """Send one batch. The one that failed goes first, by itself."""
        if self._sending is None:
            if not self._open.settlements:
                self._something.clear()
                if self.stopping.is_set():
                    return
                self._something.wait()
            if not self._open.settlements:
                return
            self._sending = self._take()
        batch = self._sending
        refused = self._settle(batch)
        self.answered()
        self._sending = None
        if refused:
            self._note_refused(batch, refused)
        self._in_doubt = False
        for _, effects in batch.settlements:
            if effects is not NOTHING:
                for planned in effects.schedule:
                    self._expect(planned.at)
        if batch.settled is not None:
            batch.settled.set()
        probe.reached("settled", len(batch.settlements))

    def _take(self) -> Batch:
        batch, self._open = self._open, Batch()
        return batch

    def _settle(self, batch: Batch) -> list[Settlement]:
        try:
            return self._storage.settle(self._consumer, batch.settlements)
        except BaseException as error:
            # All of it is sent again, and the storage may have taken some or all of it.
            self._in_doubt = True
            # What is to run at most once has no lease to fence it: what would run twice if the
            # storage had taken it already is not sent again.
            batch.settlements = [one for one in batch.settlements if may_be_repeated(one)]
            if isinstance(error, StorageUnavailable) or not isinstance(error, Exception):
                raise  # It is away, or somebody has killed this greenlet.
        return self._settle_each(batch)

    def _settle_each(self, batch: Batch) -> list[Settlement]:
        """One that cannot be carried out would hold up all others for ever: it is told apart."""
        refused = []
        for one in batch.settlements:
            try:
                refused += self._storage.settle(self._consumer, [one])
            except StorageUnavailable:
                raise
            except Exception as error:
                log.exception("a settlement failed; its message goes to the dead letters")
                if one.effects.dead is None:
                    batch.refused.append(one)
                    self._bury(one.delivery, error)
                else:
                    # The letter alone; if not even that can be kept, all wait for a better day.
                    letter = one._replace(effects=Effects(dead=one.effects.dead))
                    refused += self._storage.settle(self._consumer, [letter])
        return refused

    def _note_refused(self, batch: Batch, refused: list[Settlement]) -> None:
        if self._in_doubt:
            # The storage may have taken them just before we lost its answer.
            log.info("%d tasks had been settled already, or were taken over", len(refused))
            batch.doubtful = refused
            return
        batch.refused = refused
        self._report(refused)

    def stop(self) -> None:
        """Ask it to end; ``flush`` first, or what is pending is left to the leases."""
        super().stop()
        self._something.set()

    def wait_pending(self) -> None:
        """Wait until the storage has taken what was added before."""
        batch = self._open if self._open.settlements else self._sending
        if batch is not None:
            batch.wait()

    def flush(self, timeout: float) -> bool:
        """Wait until the storage has taken everything; say whether it has."""
        batch = self._open if self._open.settlements else self._sending
        while batch is not None:
            if batch.settled is None:
                batch.settled = Event()
            if not batch.settled.wait(timeout):
                return False
            batch = self._open if self._open.settlements else None
        return True

    def _report(self, refused: list[Settlement]) -> None:
        log.warning(
            "%d finished tasks were no longer ours: their leases had run out and were taken over "
            "(was this process suspended, or cut off from the storage?). Their results are not "
            "stored; another run's are.",
            len(refused),
        )
        probe.reached("refused", len(refused))


class FrugalAcknowledger(Acknowledger):
    """Sends at most ``at_once`` settlements together, for those who share its event loop."""

    at_once = 1

    def __init__(
        self,
        storage: BaseStorage,
        consumer: str,
        outage: Outage,
        expect: Callable[[float], None],
        bury: Callable[[Delivery, Exception], object],
    ) -> None:
        super().__init__(storage, consumer, outage, expect, bury)
        #: Batches that wait for their turn. The open one comes after them, and is not empty then.
        self._full: deque[Batch] = deque()

    def add(self, delivery: Delivery, effects: Effects) -> Batch:
        """Settle a delivery soon; the batch can be waited for."""
        if len(self._open.settlements) >= self.at_once:
            self._full.append(self._open)
            self._open = Batch()
        return super().add(delivery, effects)

    @property
    def pending(self) -> int:
        """How many settlements the storage has not taken yet."""
        return super().pending + sum(len(batch.settlements) for batch in self._full)

    def _take(self) -> Batch:
        return self._full.popleft() if self._full else super()._take()
