# SPDX-License-Identifier: MIT
"""Tells those who cannot read a connection themselves: one thread for each shard they wait for.

They wait for keys of several shards, or in an event loop that is not to wait for a socket.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial

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
    """Listens at shards, or at the only one, in threads of its own.

    A thread that waits for keys of one shard alone does so at that shard, and needs none of this.
    """

    def __init__(self, wakeups: Sequence[Wakeup]) -> None:
        self._wakeups = wakeups
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Callable[[], object]]] = {}
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
        ends_at = None if timeout is None else clock.monotonic() + timeout
        event = threading.Event()
        forget = self.tell(keys, event.set)
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
            forget()

    def tell(
        self, keys: Mapping[int, Sequence[str]], told: Callable[[], object]
    ) -> Callable[[], None]:
        """Have ``told`` called when one of these keys is announced, or may have been.

        ``keys`` are those of each shard. Returns what ends that.
        """
        if self._pid != os.getpid():
            self._reset()
        wanted = [key for some in keys.values() for key in some]
        with self._lock:
            self._closing = False
            for key in wanted:
                self._waiting.setdefault(key, set()).add(told)
            for number in keys:
                self._listen(number)
        return partial(self._forget, told, wanted)

    def _forget(self, told: Callable[[], object], keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                waiting = self._waiting.get(key, set())
                waiting.discard(told)
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
        try:
            self._wakeups[number].wait(_Ear(self._told), lambda: self._is_over(number), None)
        finally:
            with self._lock:
                if self._threads.get(number) is threading.current_thread():
                    del self._threads[number]  # It failed: the next one who waits tries again.

    def _told(self, key: str) -> None:
        for told in tuple(self._waiting.get(key, ())):
            told()

    def _is_over(self, number: int) -> bool:
        """Say whether to listen no more; asked when something may have been missed."""
        with self._lock:
            if self._closing or not self._waiting:
                self._threads.pop(number, None)
                return True
            waiting = set().union(*self._waiting.values())
        for told in waiting:
            told()
        return False

    def close(self) -> None:
        """Listen no more; waiting again begins anew. The shards are closed after this."""
        if self._pid != os.getpid():
            return
        self._closing = True
        for number, thread in list(self._threads.items()):
            self._wakeups[number].close()
            thread.join(LOOK_AGAIN)
