# SPDX-License-Identifier: MIT
"""The messages of the queue as the journal tells of them: ready, leased or parked.

A message keeps its number, and with it its place in the order, when it is given back.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

#: Where bytes are: position and size in the journal, or the name of a file of their own.
Ref = tuple[int, int] | str

#: Entries of the heap that are of no use any more, and are let be.
STALE = 1000


class Message:
    """One message, and what has become of it."""

    __slots__ = (
        "begun",
        "body",
        "consumer",
        "history",
        "is_in_heap",
        "lease",
        "number",
        "parked",
        "permit",
        "priority",
    )

    def __init__(self, number: int, priority: float, body: Ref) -> None:
        self.number = number
        self.priority = priority
        self.body = body
        self.consumer: str | None = None
        #: How often it was leased; with the number it is the receipt.
        self.lease = 0
        self.begun = False
        self.history: tuple[str, ...] = ()
        #: The key under which its lease holds a permit.
        self.permit: str | None = None
        #: The key for whose permit it waits, and how many had been parked before it.
        self.parked: tuple[str, int] | None = None
        self.is_in_heap = False

    @property
    def is_ready(self) -> bool:
        return self.consumer is None and self.parked is None

    @property
    def order(self) -> tuple[float, int]:
        return -self.priority, self.number

    @property
    def receipt(self) -> str:
        return f"{self.number}:{self.lease}"


class Messages:
    """Every message by its number. The methods that take ``base`` are words of the journal."""

    def __init__(self) -> None:
        self.next_number = 0
        self.every: dict[int, Message] = {}
        self.held: dict[str, dict[int, Message]] = {}
        #: When the leases of each consumer end, in epoch seconds.
        self.consumers: dict[str, float] = {}
        self.parked: dict[str, dict[int, Message]] = {}
        self.permits: dict[str, set[int]] = {}
        #: Files that hold a body nobody needs any more.
        self.freed: list[str] = []
        self._heap: list[tuple[float, int]] = []
        self._held_count = 0
        self._parked_count = 0
        self._parked_ever = 0

    @property
    def ready_count(self) -> int:
        return len(self.every) - self._held_count - self._parked_count

    def ready(self, limit: int | None) -> list[Message]:
        """Return the ready messages, the next one first."""
        ready = (one for one in self.every.values() if one.is_ready)
        if limit is None:
            return sorted(ready, key=lambda one: one.order)
        return heapq.nsmallest(limit, ready, key=lambda one: one.order)

    def next(self, limit: int) -> list[Message]:
        """Take the next messages off the heap; the caller leases or removes them."""
        found: list[Message] = []
        while self._heap and len(found) < limit:
            message = self.every.get(heapq.heappop(self._heap)[1])
            if message is not None:
                message.is_in_heap = False
                if message.is_ready:
                    found.append(message)
        return found

    def all_parked(self) -> list[Message]:
        """Return the parked messages, the longest waiting first."""
        every = [one for waiting in self.parked.values() for one in waiting.values()]
        return sorted(every, key=lambda one: one.parked[1] if one.parked else 0)

    def holder(self, consumer: str, receipt: str | None) -> Message | None:
        """Return the message of a receipt if ``consumer`` holds it."""
        number, _, lease = (receipt or "").partition(":")
        held = self.held.get(consumer)
        if not held or not number.isdecimal():
            return None
        message = held.get(int(number))
        return message if message is not None and str(message.lease) == lease else None

    # Words.

    def enqueue(self, base: int, *messages: list[Any]) -> None:
        for priority, data in messages:
            self._add(priority, place(base, data))

    def lease(self, base: int, consumer: str, ends_at: float, numbers: list[int]) -> None:
        self.consumers[consumer] = ends_at
        held = self.held.setdefault(consumer, {})
        for number in numbers:
            message = self.every[number]
            message.consumer = consumer
            message.lease += 1
            message.begun = False
            held[number] = message
        self._held_count += len(numbers)
        if len(self._heap) > 2 * self.ready_count + STALE:
            self._sort_anew()

    def extend(self, base: int, consumer: str, ends_at: float) -> None:
        self.consumers[consumer] = ends_at

    def forget(self, base: int, consumer: str) -> None:
        self.consumers.pop(consumer, None)

    def begin(self, base: int, numbers: list[int]) -> None:
        for number in numbers:
            self.every[number].begun = True

    def remove(self, base: int, numbers: list[int]) -> None:
        for number in numbers:
            message = self.every.pop(number)
            self._end_lease(message)
            self._free(message.body)

    def back(self, base: int, numbers: list[int], line: str | None = None) -> None:
        """Give messages back; with ``line`` because their consumer died."""
        for number in numbers:
            message = self.every[number]
            self._end_lease(message)
            if line is not None and (message.begun or not message.history):
                message.history = (*message.history, line)
            self._push(message)

    def permit(self, base: int, number: int, key: str) -> None:
        message = self.every[number]
        self._end_permit(message)
        message.permit = key
        self.permits.setdefault(key, set()).add(number)

    def park(self, base: int, number: int, key: str) -> None:
        message = self.every[number]
        self._end_lease(message)
        self._park(message, key)

    def unpark(self, base: int, key: str) -> None:
        waiting = self.parked[key]
        message = waiting.pop(next(iter(waiting)))
        if not waiting:
            del self.parked[key]
        message.parked = None
        self._parked_count -= 1
        self._push(message)

    def flush(self, base: int) -> None:
        """Remove what is ready or parked."""
        for message in self.every.values():
            if message.consumer is None:
                self._free(message.body)
        self.every = {number: one for number, one in self.every.items() if one.consumer is not None}
        self.parked.clear()
        self._parked_count = 0
        self._sort_anew()

    def flush_held(self, base: int) -> None:
        """Remove what is leased, and forget the consumers."""
        for held in list(self.held.values()):
            self.remove(base, list(held))
        self.consumers.clear()

    def message(self, base: int, *told: list[Any]) -> None:
        """Bring messages back as they were when the journal was written anew."""
        for number, priority, consumer, lease, begun, history, permit, parked, data in told:
            message = self.every[number] = Message(number, priority, place(base, data))
            message.lease, message.begun, message.history = lease, begun, tuple(history)
            if consumer is not None:
                message.consumer = consumer
                self.held.setdefault(consumer, {})[number] = message
                self._held_count += 1
            if permit is not None:
                self.permit(base, number, permit)
            if parked is not None:
                self._park(message, parked)
            if message.is_ready:
                self._push(message)

    def words(self) -> Iterable[tuple[Message, list[Any]]]:
        """Yield messages and what ``message`` needs to bring them back, but for the data."""
        parked = self.all_parked()
        rest = (one for one in self.every.values() if one.parked is None)
        for one in (*rest, *parked):
            state = [one.consumer, one.lease, one.begun, one.history, one.permit]
            yield one, [one.number, one.priority, *state, one.parked and one.parked[0]]

    def enqueue_at(self, priority: float, body: Ref) -> None:
        """Add a message whose body is in place already."""
        self._add(priority, body)

    def _add(self, priority: float, body: Ref) -> None:
        message = Message(self.next_number, priority, body)
        self.next_number += 1
        self.every[message.number] = message
        self._push(message)

    def _push(self, message: Message) -> None:
        if not message.is_in_heap:
            message.is_in_heap = True
            heapq.heappush(self._heap, message.order)

    def _sort_anew(self) -> None:
        for message in self.every.values():
            message.is_in_heap = message.is_ready
        self._heap = sorted(one.order for one in self.every.values() if one.is_in_heap)

    def _park(self, message: Message, key: str) -> None:
        message.parked = (key, self._parked_ever)
        self._parked_ever += 1
        self._parked_count += 1
        self.parked.setdefault(key, {})[message.number] = message

    def _end_lease(self, message: Message) -> None:
        if message.consumer is None:
            return
        held = self.held[message.consumer]
        del held[message.number]
        if not held:
            del self.held[message.consumer]
        message.consumer = None
        self._held_count -= 1
        self._end_permit(message)

    def _end_permit(self, message: Message) -> None:
        if message.permit is None:
            return
        holders = self.permits[message.permit]
        holders.discard(message.number)
        if not holders:
            del self.permits[message.permit]
        message.permit = None

    def _free(self, body: Ref) -> None:
        if isinstance(body, str):
            self.freed.append(body)


def place(base: int, data: list[int] | str) -> Ref:
    """Return where data is that a record tells of."""
    return data if isinstance(data, str) else (base + data[0], data[1])
