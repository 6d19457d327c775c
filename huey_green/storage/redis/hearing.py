# SPDX-License-Identifier: MIT
"""Wakes callers that wait for keys of several shards: one thread and connection for each shard."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from huey_green import clock
from huey_green.storage.base import LOOK_AGAIN
from huey_green.storage.redis.wakeup import Wakeup

#: Seconds between looks of a caller while one of its shards is not listened to.
LOOK = 0.2


class _Ear(Set[str]):
    """A set of keys that has none, and tells which keys it was asked for: those announced."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def __contains__(self, key: object) -> bool:
        self._tell(str(key))
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Hearing:
    """Listens at shards for those who wait for keys of more than one of them.

    Who waits for keys of one shard alone does so at that shard, and needs none of this.
    """

    def __init__(self, wakeups: Sequence[Wakeup]) -> None:
        self._wakeups = wakeups
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[threading.Event]] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._closing = False

    def wait(
        self,
        keys: Mapping[int, Sequence[str]],
        is_ready: Callable[[], bool],
        timeout: float | None,
    ) -> bool:
        """Wait until ``is_ready``, asked whenever one of these keys is announced, or now and then.

        ``keys`` are those of each shard. Gives up after ``timeout`` seconds; returns what
        ``is_ready`` said last.
        """
        if self._pid != os.getpid():
            self._reset()
        ends_at = None if timeout is None else clock.monotonic() + timeout
        event = threading.Event()
        wanted = [key for some in keys.values() for key in some]
        with self._lock:
            self._closing = False
            for key in wanted:
                self._waiting.setdefault(key, set()).add(event)
            for number in keys:
                self._listen(number)
        try:
            while True:
                # Asked before the look: what is stored between the two is announced to us.
                is_heard = all(self._wakeups[number].is_listening for number in keys)
                event.clear()
                if is_ready():
                    return True
                pause = LOOK_AGAIN if is_heard else LOOK
                left = pause if ends_at is None else min(pause, ends_at - clock.monotonic())
                if left <= 0:
                    return False
                event.wait(left)
        finally:
            self._forget(event, wanted)

    def _forget(self, event: threading.Event, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                waiting = self._waiting.get(key, set())
                waiting.discard(event)
                if not waiting:
                    self._waiting.pop(key, None)

    def _listen(self, number: int) -> None:
        """Have somebody listen at a shard; with the lock held."""
        if number not in self._threads:
            thread = threading.Thread(
                target=self._run, args=(number,), name="huey_green-hearing", daemon=True
            )
            self._threads[number] = thread
            thread.start()

    def _run(self, number: int) -> None:
        self._wakeups[number].wait(_Ear(self._told), lambda: self._is_over(number), None)

    def _told(self, key: str) -> None:
        for event in tuple(self._waiting.get(key, ())):
            event.set()

    def _is_over(self, number: int) -> bool:
        """Say whether to listen no more; asked when something may have been missed."""
        with self._lock:
            if self._closing or not self._waiting:
                self._threads.pop(number, None)
                return True
            for waiting in self._waiting.values():
                for event in waiting:
                    event.set()
            return False

    def close(self) -> None:
        """Listen no more; waiting again begins anew. The shards are closed after this."""
        if self._pid != os.getpid():
            return
        self._closing = True
        for number, thread in list(self._threads.items()):
            self._wakeups[number].close()
            thread.join(LOOK_AGAIN)
