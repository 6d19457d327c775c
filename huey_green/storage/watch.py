# SPDX-License-Identifier: MIT
"""Waiting for what another process may write: one poll for all who wait in this one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from huey_green import clock

#: Seconds between two looks: short at first, for who asked just before the answer came.
FIRST_DELAY = 0.005
LONGEST_DELAY = 0.05
DELAY_GROWTH = 1.5

#: Returns which of the awaited topics have come true since the last look. It asks what is awaited
#: after it has read what was written: who comes in between would otherwise be overlooked.
Look = Callable[[Callable[[], Collection[str]]], Iterable[str]]


class Waiter:
    """One who waits for one of some topics; ``event`` also tells it to lead."""

    __slots__ = ("event", "has_news", "topics")

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self.event = threading.Event()
        self.has_news = False

    def tell(self) -> None:
        self.has_news = True
        self.event.set()


class Watch:
    """Wakes waiters at a change made in this process, and soon after one made in another.

    Of those who wait one leads: it looks for all, 50 ms apart, and when it goes another one
    does. So the work does not grow with the number of waiters, and no thread is needed.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._waiters: dict[str, list[Waiter]] = {}
        self._leader: Waiter | None = None

    @contextmanager
    def waiting_for(self, *topics: str) -> Iterator[Waiter]:
        """Announce the wish to wait. Check the topics inside: what came before is not told."""
        waiter = Waiter(frozenset(topics))
        with self._lock:
            for topic in waiter.topics:
                self._waiters.setdefault(topic, []).append(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                self._remove(waiter)

    def wait(self, waiter: Waiter, ends_at: float | None) -> bool:
        """Return True when a topic may have come true, False at ``ends_at`` (monotonic)."""
        delay = FIRST_DELAY
        while True:
            waiter.event.clear()
            if waiter.has_news:
                waiter.has_news = False
                return True
            left = None if ends_at is None else ends_at - clock.monotonic()
            if left is not None and left <= 0:
                return False
            if not self._leads(waiter):
                waiter.event.wait(left)
            elif not waiter.event.wait(delay if left is None else min(delay, left)):
                self.tell(self._look(lambda: list(self._waiters)))
                delay = min(delay * DELAY_GROWTH, LONGEST_DELAY)

    def tell(self, topics: Iterable[str]) -> None:
        """Wake those who wait for one of ``topics``."""
        if self._waiters:
            with self._lock:
                for topic in topics:
                    for waiter in self._waiters.get(topic, ()):
                        waiter.tell()

    def _leads(self, waiter: Waiter) -> bool:
        with self._lock:
            if self._leader is None:
                self._leader = waiter
            return self._leader is waiter

    def _remove(self, waiter: Waiter) -> None:
        for topic in waiter.topics:
            others = self._waiters[topic]
            others.remove(waiter)
            if not others:
                del self._waiters[topic]
        # Also when nobody leads: the one that was asked to may be this one.
        if self._leader in (waiter, None):
            self._leader = None
            for heirs in self._waiters.values():
                heirs[0].event.set()
                break
