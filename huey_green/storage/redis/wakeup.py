# SPDX-License-Identifier: MIT
"""Wakes callers that wait for a result: one connection per process, whatever their number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import redis

from huey_green import clock
from huey_green.backoff import exponential, jittered
from huey_green.storage.redis.connect import Link, exchange

#: Seconds after which a silent connection is asked whether it still lives, and after which a
#: caller looks for itself: the bound on what a lost wake-up can cost.
SILENCE = 5.0

#: Seconds that the connection is kept when nobody waits any more.
IDLE = 30.0


class _Waiter:
    """One caller that waits; ``announced`` says that its key's result was stored."""

    __slots__ = ("announced", "event")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.announced = False


class Wakeup:
    """Waits on one pub/sub channel for the keys of results that have been stored."""

    def __init__(self, link: Link, channel: str) -> None:
        self._link = link
        self._channel = channel
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[_Waiter]] = {}
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False

    def wait(self, key: str, is_ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until ``key`` is announced or ``is_ready``, at most ``timeout`` seconds."""
        if self._pid != os.getpid():
            self._reset()
        ends_at = None if timeout is None else clock.monotonic() + timeout
        if timeout is not None and timeout <= 0:
            return is_ready()
        waiter = _Waiter()
        self._register(key, waiter)
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
                if waiter.announced:
                    return True
                waiter.event.clear()
        finally:
            self._unregister(key, waiter)

    def _register(self, key: str, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting.setdefault(key, set()).add(waiter)
            if self._thread is None:
                self._closed = False
                self._thread = threading.Thread(
                    target=self._run, name="huey_green-wakeup", daemon=True
                )
                self._thread.start()

    def _unregister(self, key: str, waiter: _Waiter) -> None:
        with self._lock:
            waiters = self._waiting.get(key, set())
            waiters.discard(waiter)
            if not waiters:
                self._waiting.pop(key, None)

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
                if not self._waiting and clock.monotonic() - idle_since > IDLE and self._done():
                    return
                connection.send_command("PING")
                asked = True
                continue
            asked = False
            if answer[0] == b"message":
                self._announce(answer[2].decode().split("\n"))
            if self._waiting:
                idle_since = clock.monotonic()

    def _announce(self, keys: list[str]) -> None:
        for key in self._waiting.keys() & set(keys):
            for waiter in tuple(self._waiting.get(key, ())):
                waiter.announced = True
                waiter.event.set()

    def _look_again(self) -> None:
        for waiters in list(self._waiting.values()):
            for waiter in tuple(waiters):
                waiter.event.set()

    def _done(self) -> bool:
        """End the thread's life if nobody waits; whoever comes next starts another."""
        with self._lock:
            if self._waiting and not self._closed:
                return False
            self._thread = None
            return True

    def close(self) -> None:
        """Let go of the connection; waiting again opens another."""
        thread = self._thread
        self._closed = True
        if thread is not None and self._pid == os.getpid():
            # Ends the read in the other thread; closing it here would not.
            sock = getattr(self._connection, "_sock", None)
            if sock is not None:
                try:
                    sock.shutdown(2)
                except OSError:
                    return
            thread.join(SILENCE)


def _left(ends_at: float | None, at_most: float) -> float:
    return at_most if ends_at is None else min(at_most, ends_at - clock.monotonic())
