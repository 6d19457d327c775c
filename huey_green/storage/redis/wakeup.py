# SPDX-License-Identifier: MIT
"""Wakes callers that wait for a result: one connection per process, whatever their number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Set
from typing import Any

import redis

from huey_green import clock
from huey_green.backoff import exponential, jittered
from huey_green.storage.redis.connect import Link, exchange, shut

#: Seconds after which a silent connection is asked whether it still lives, and after which a
#: caller looks for itself: the bound on what a lost wake-up can cost.
SILENCE = 5.0

#: Seconds that the connection is kept when nobody waits any more.
IDLE = 30.0


class _Waiter:
    """One caller that waits; ``announced`` says that one of its keys was.

    A set of keys is used as it is, so that to wait again and again for what is left of many
    costs nothing for those many; whoever waits may take keys out of it meanwhile.
    """

    __slots__ = ("announced", "event", "key", "keys")

    def __init__(self, keys: Collection[str]) -> None:
        #: The key of one who waits for one alone.
        self.key = next(iter(keys)) if len(keys) == 1 else None
        self.keys = keys if isinstance(keys, Set) else frozenset(keys)
        self.event = threading.Event()
        self.announced = False


class Wakeup:
    """Waits on one pub/sub channel for keys: of results that were stored, "p:ID" for progress.

    What an announcement costs does not depend on how many keys a caller waits for, nor on how
    many callers wait for one key each.
    """

    def __init__(self, link: Link, channel: str) -> None:
        self._link = link
        self._channel = channel
        link.when_silent.append(lambda: shut(self._connection))
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[_Waiter]] = {}
        self._waiting_for_many: set[_Waiter] = set()
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Any = None
        self._closed = False

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
        if not self._listening.is_set() and is_ready():
            return True
        waiter = _Waiter(keys)
        self._register(waiter)
        try:
            while True:
                # Not before we listen: what is stored between a look and a wait would be missed.
                self._listening.wait(_left(ends_at, SILENCE))
                if is_ready():
                    return True
                left = _left(ends_at, SILENCE)
                if left <= 0:
                    return False
                waiter.event.wait(left)
                if waiter.announced and is_certain:
                    return True
                waiter.event.clear()
        finally:
            self._unregister(waiter)

    def _register(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.key is None:
                self._waiting_for_many.add(waiter)
            else:
                self._waiting.setdefault(waiter.key, set()).add(waiter)
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(
                    target=self._run, name="huey_green-wakeup", daemon=True
                )
                self._thread.start()

    def _unregister(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting_for_many.discard(waiter)
            if waiter.key is not None:
                waiters = self._waiting.get(waiter.key, set())
                waiters.discard(waiter)
                if not waiters:
                    self._waiting.pop(waiter.key, None)

    def _waiters(self) -> list[_Waiter]:
        singles = [waiter for waiters in list(self._waiting.values()) for waiter in tuple(waiters)]
        return [*singles, *tuple(self._waiting_for_many)]

    def _run(self) -> None:
        failures = 0
        while True:
            connection = self._link.new_connection(read_timeout=SILENCE)
            self._connection = connection
            try:
                self._listen(connection)
                return
            except (redis.RedisError, OSError):
                if self._done():
                    return
                failures += 1
                clock.sleep(jittered(exponential(failures, 0.05, 2.0, 2.0)))
            finally:
                self._listening.clear()
                connection.disconnect()

    def _listen(self, connection: Any) -> None:
        """Wake waiters until nobody has waited for a while; an error ends it at once."""
        connection.connect()
        if self._closed and self._done():
            return  # Before there was a connection to end.
        exchange(connection, [("SUBSCRIBE", self._channel)])
        self._listening.set()
        # What was stored before we listened was not announced to us.
        self._look_again()
        asked = False
        idle_since = clock.monotonic()
        while True:
            try:
                answer = connection.read_response(disconnect_on_error=False)
            except redis.TimeoutError:
                if asked:
                    raise
                idle = clock.monotonic() - idle_since
                if idle > IDLE and self._done():
                    return
                connection.send_command("PING")
                asked = True
                continue
            asked = False
            if answer[0] == b"message":
                self._heard(answer[2].decode(errors="replace"))
            if self._is_waited_on():
                idle_since = clock.monotonic()

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
                waiter.event.set()
        for waiter in tuple(self._waiting_for_many):
            if any(key in waiter.keys for key in keys):
                waiter.event.set()

    def _look_again(self) -> None:
        for waiter in self._waiters():
            waiter.event.set()

    def _is_waited_on(self) -> bool:
        return bool(self._waiting or self._waiting_for_many)

    def _done(self) -> bool:
        """End the thread's life if nobody waits; whoever comes next starts another."""
        with self._lock:
            if self._is_waited_on() and not self._closed:
                return False
            self._thread = None
            return True

    def close(self) -> None:
        """Let go of the connection; waiting again opens another."""
        thread = self._thread
        self._closed = True
        if thread is not None and self._pid == os.getpid():
            shut(self._connection)
            thread.join(SILENCE)


def _left(ends_at: float | None, at_most: float) -> float:
    return at_most if ends_at is None else min(at_most, ends_at - clock.monotonic())
