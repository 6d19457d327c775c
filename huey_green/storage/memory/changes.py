# SPDX-License-Identifier: MIT
"""A lock around what is kept, and a bell for those who wait for it to change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from huey_green import clock
from huey_green.native import thread_rlock


class Changes:
    """Guards a storage in a ``with`` statement; nobody waits for anything while inside.

    The lock is one between native threads: greenlets do not switch inside, and need none. Not
    ``threading.Condition``: when gevent's Timeout comes up while that takes its lock again, a
    lock is released that is not held, and others wait for ever. Here who waits holds nothing.
    """

    def __init__(self) -> None:
        self._lock = thread_rlock()
        self._gates: set[threading.Lock] = set()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def notify_all(self) -> None:
        """Wake all who wait. To be called inside."""
        gates, self._gates = self._gates, set()
        for gate in gates:
            gate.release()

    def wait_for(self, is_so: Callable[[], object], timeout: float | None) -> bool:
        """Wait until ``is_so``, at most ``timeout`` seconds; say whether it came to that.

        To be called outside. It is asked first, and after each change.
        """
        ends_at = None if timeout is None else clock.monotonic() + timeout
        while True:
            gate = threading.Lock()
            gate.acquire()
            with self:
                self._gates.add(gate)
            try:
                if is_so():
                    return True
                left = -1.0 if ends_at is None else ends_at - clock.monotonic()
                if ends_at is not None and left <= 0:
                    return False
                gate.acquire(True, left)
            finally:
                with self:
                    self._gates.discard(gate)
