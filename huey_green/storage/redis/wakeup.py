# SPDX-License-Identifier: MIT
"""Wakes callers that wait for a result: one connection per process, whatever their number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Set
from itertools import chain

import redis

from huey_green import clock
from huey_green.backoff import exponential, jittered
from huey_green.storage.redis.announcements import SILENCE, Announcements
from huey_green.storage.redis.connect import Link

#: Seconds that the connection is kept when nobody waits any more.
IDLE = 30.0

#: Seconds after which the keeper looks whether somebody reads the connection.
KEEPS_EVERY = 1.0

#: Seconds that the keeper waits for more to be read: it is for what is there already.
MOMENT = 0.001


class _Waiter:
    """One caller that waits; ``announced`` says that one of its keys was.

    A set of keys is used as it is, so that to wait again and again for what is left of many
    costs nothing for those many; whoever waits may take keys out of it meanwhile.
    """

    __slots__ = ("announced", "event", "is_in_doubt", "key", "keys")

    def __init__(self, keys: Collection[str]) -> None:
        #: The key of one who waits for one alone.
        self.key = next(iter(keys)) if len(keys) == 1 else None
        self.keys = keys if isinstance(keys, Set) else frozenset(keys)
        self.event = threading.Event()
        self.announced = False
        #: What it waits for may have come without being announced to it.
        self.is_in_doubt = True

    def look_again(self) -> None:
        self.is_in_doubt = True
        self.event.set()


class Wakeup:
    """Waits on one pub/sub channel for keys: of results that were stored, "p:ID" for progress.

    One of those who wait reads the connection for all, so that the only one who waits is woken by
    the server itself; when that one has what it waited for, another one takes its place. What an
    announcement costs does not depend on how many keys a caller waits for, nor on how many
    callers wait for one key each.
    """

    def __init__(self, link: Link, channel: str) -> None:
        self._link = link
        self._channel = channel
        link.when_silent.append(self._interrupt)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[_Waiter]] = {}
        self._waiting_for_many: set[_Waiter] = set()
        self._announcements = Announcements(self._link, self._channel)
        #: Who opens and reads the connection; the keeper when it clears what nobody has read.
        self._reader: _Waiter | threading.Thread | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._failures = 0
        self._deaf_since: float | None = None

    def _interrupt(self) -> None:
        """End what is being read; not in a forked child, where the connection is the parent's."""
        if self._pid == os.getpid():
            self._announcements.interrupt()

    @property
    def is_listening(self) -> bool:
        """Whether what is announced now is heard here."""
        return self._announcements.is_open

    def wait_result(self, key: str, is_stored: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until the result of ``key`` is stored, at most ``timeout`` seconds.

        Where an announcement leaves no doubt, ``is_stored`` is not asked again.
        """
        return self._wait([key], is_stored, timeout, not key.startswith("p:"))

    def wait(
        self, keys: Collection[str], is_ready: Callable[[], bool], timeout: float | None
    ) -> bool:
        """Wait until ``is_ready``, asked whenever one of ``keys`` is announced, or now and then.

        Gives up after ``timeout`` seconds; returns what ``is_ready`` said last.
        """
        return self._wait(keys, is_ready, timeout, False)

    def _wait(
        self,
        keys: Collection[str],
        is_ready: Callable[[], bool],
        timeout: float | None,
        is_certain: bool,
    ) -> bool:
        if self._pid != os.getpid():
            self._reset()
        ends_at = None if timeout is None else clock.monotonic() + timeout
        if timeout is not None and timeout <= 0:
            return is_ready()
        if not self.is_listening and is_ready():
            return True
        waiter = _Waiter(keys)
        self._register(waiter)
        try:
            while True:
                # Not before we listen: what is stored between a look and a wait would be missed.
                if self._reader is waiter and not self.is_listening:
                    self._listen(waiter, ends_at)
                if waiter.is_in_doubt:
                    waiter.is_in_doubt = False
                    if is_ready():
                        return True
                left = _left(ends_at, SILENCE)
                if left <= 0:
                    return not self.is_listening and is_ready()
                self._pause(waiter, left)
                if waiter.announced and is_certain:
                    return True
        finally:
            self._unregister(waiter)

    def _register(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.key is None:
                self._waiting_for_many.add(waiter)
            else:
                self._waiting.setdefault(waiter.key, set()).add(waiter)
            if self._reader is None:
                self._reader = waiter

    def _unregister(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting_for_many.discard(waiter)
            if waiter.key is not None:
                waiters = self._waiting.get(waiter.key, set())
                waiters.discard(waiter)
                if not waiters:
                    self._waiting.pop(waiter.key, None)
            if self._reader is waiter:
                self._pass_on()

    def _pass_on(self) -> None:
        """Make another one who waits the reader, if there is one; with the lock held."""
        self._reader = next(self._waiters(), None)
        if self._reader is not None:
            self._reader.event.set()

    def _waiters(self) -> Iterator[_Waiter]:
        return chain(chain.from_iterable(self._waiting.values()), self._waiting_for_many)

    # The reader.

    def _listen(self, waiter: _Waiter, ends_at: float | None) -> None:
        """Open the connection; where that fails wait a little, so that it can be tried again."""
        try:
            self._announcements.open()
        except (redis.RedisError, OSError):
            self._failures += 1
            self._deaf_since = self._deaf_since or clock.monotonic()
            pause = jittered(exponential(self._failures, 0.05, 2.0, 2.0))
            clock.sleep(max(0.0, _left(ends_at, pause)))
            # It may come back in a moment; and whoever asks is told that it is away.
            waiter.is_in_doubt = clock.monotonic() - self._deaf_since >= SILENCE
            return
        self._failures, self._deaf_since = 0, None
        # What was stored before was not announced to us.
        self._look_again()
        with self._lock:
            if self._keeper is None:
                self._closing = threading.Event()
                keeper = threading.Thread(target=self._keep, name="huey_green-wakeup", daemon=True)
                keeper.start()
                self._keeper = keeper

    def _pause(self, waiter: _Waiter, seconds: float) -> None:
        """Wait until there is something to do for ``waiter``, as the reader or not."""
        ends_at = clock.monotonic() + seconds
        if self._reader is not waiter:
            is_told = waiter.event.wait(seconds)
        else:
            self._read(waiter, ends_at)
            is_told = waiter.event.is_set()
        waiter.event.clear()
        if not is_told and clock.monotonic() >= ends_at:
            waiter.is_in_doubt = True

    def _read(self, waiter: _Waiter, ends_at: float) -> None:
        """Read for all who wait, until there is something for ``waiter``."""
        try:
            while not waiter.event.is_set() and (left := ends_at - clock.monotonic()) > 0:
                self._read_one(left)
        except (redis.RedisError, OSError):
            self._announcements.close()

    def _read_one(self, seconds: float) -> bool:
        announcement = self._announcements.read(seconds)
        if announcement is not None:
            self._heard(announcement.decode(errors="replace"))
        return announcement is not None

    def _heard(self, message: str) -> None:
        """Wake those who wait for the keys in a message: their number, and a line for each."""
        number, *keys = message.split("\n")
        if number != str(len(keys)):
            # There is a line break in one of them, or somebody else wrote it.
            self._look_again()
            return
        for key in self._waiting.keys() & set(keys):
            for waiter in tuple(self._waiting.get(key, ())):
                waiter.announced = True
                waiter.look_again()
        for waiter in tuple(self._waiting_for_many):
            if any(key in waiter.keys for key in keys):
                waiter.look_again()

    def _look_again(self) -> None:
        with self._lock:
            waiters = list(self._waiters())
        for waiter in waiters:
            waiter.look_again()

    # The keeper: a connection that nobody reads is cut off by the server sooner or later.

    def _keep(self) -> None:
        """Read what nobody else does; let go of the connection when nobody has waited for long."""
        closing, me = self._closing, threading.current_thread()
        idle_since = clock.monotonic()
        while not closing.wait(KEEPS_EVERY):
            with self._lock:
                if self._reader is not None:
                    idle_since = clock.monotonic()
                    continue
                self._reader = me
            try:
                self._clear()
            finally:
                with self._lock:
                    self._pass_on()
                    is_over = self._reader is None and clock.monotonic() - idle_since > IDLE
                    if is_over:
                        self._announcements.close()
                        self._keeper = None
            if is_over:
                return

    def _clear(self) -> None:
        try:
            while not (self._waiting or self._waiting_for_many) and self._read_one(MOMENT):
                continue
        except (redis.RedisError, OSError):
            self._announcements.close()

    def close(self) -> None:
        """Let go of the connection; waiting again opens another."""
        if self._pid != os.getpid():
            return
        keeper, self._keeper = self._keeper, None
        self._closing.set()
        self._announcements.interrupt()
        if keeper is not None:
            keeper.join(SILENCE)
            with self._lock:
                if self._reader is None:
                    self._announcements.close()


def _left(ends_at: float | None, at_most: float) -> float:
    return at_most if ends_at is None else min(at_most, ends_at - clock.monotonic())
