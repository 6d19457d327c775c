# SPDX-License-Identifier: MIT
"""Accepts everything and keeps nothing: for tests of what an application sends, and no more."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from huey_green.events import BaseEventEmitter
from huey_green.exceptions import ConfigurationError
from huey_green.message import Claim, Delivery
from huey_green.storage.base import BaseStorage, Moment


class _Silence(BaseEventEmitter):
    def emit(self, data: str) -> None:
        """Discard an event."""


class BlackHoleStorage(BaseStorage):
    """Discards what is written to it, and always appears to be empty.

    What depends on something being there already succeeds: a value is always the first of its
    key, a claim is free, a limit is not reached. A ``fetch`` waits in vain, without spinning.
    """

    blocking = True
    leases = True

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        if storage_kwargs:
            raise ConfigurationError(
                f"{type(self).__name__} has no options; unknown: {', '.join(storage_kwargs)}"
            )
        self._interrupts: dict[str, threading.Event] = {}

    def describe(self) -> str:
        return "a black hole"

    def event_emitter(self) -> BaseEventEmitter:
        return _Silence("none")

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Discard a message."""

    def dequeue(self) -> bytes | None:
        return None

    def queue_size(self) -> int:
        return 0

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return []

    def flush_queue(self) -> None:
        """There is nothing to delete."""

    def fetch(
        self,
        consumer: str,
        limit: int,
        wait: float = 0.0,
        lease: float | None = 30.0,
    ) -> list[Delivery]:
        interrupt = self._interrupt_of(consumer)
        if wait > 0:
            interrupt.wait(wait)
        interrupt.clear()
        return []

    def interrupt(self, consumer: str) -> None:
        self._interrupt_of(consumer).set()

    def leave(self, consumer: str) -> None:
        self._interrupts.pop(consumer, None)

    def _interrupt_of(self, consumer: str) -> threading.Event:
        return self._interrupts.setdefault(consumer, threading.Event())

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        """Discard a message."""

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return []

    def schedule_size(self) -> int:
        return 0

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return []

    def flush_schedule(self) -> None:
        """There is nothing to delete."""

    # Values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        """Discard a value."""

    def peek_data(self, key: str) -> bytes | None:
        return None

    def pop_data(self, key: str) -> bytes | None:
        return None

    def has_data_for_key(self, key: str) -> bool:
        return False

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        return True

    def result_store_size(self) -> int:
        return 0

    def result_items(self) -> Mapping[str, bytes]:
        return {}

    def flush_results(self) -> None:
        """There is nothing to delete."""

    def incr(self, key: str, amount: int = 1) -> int:
        """Return what a counter that starts at 0 is then."""
        return amount

    def delete_counter(self, key: str) -> None:
        """There is nothing to delete."""

    def has_revocations(self) -> bool:
        return False

    # Claims and limits.

    def postpone(self, data: bytes, claim: Claim, at: float, replace: bool = False) -> str | None:
        return None

    def hit(self, key: str, limit: int, per: float, now: float | None = None) -> float:
        return 0.0

    def hits(self, key: str, per: float, now: float | None = None) -> int:
        return 0

    def forget_hits(self, key: str) -> None:
        """There is nothing to delete."""


__all__ = ["BlackHoleStorage"]
