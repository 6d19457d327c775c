# SPDX-License-Identifier: MIT
"""A few turns that many callers take one after the other, whatever cuts their waiting short."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turns:
    """As a semaphore in a ``with`` statement; who came first is first.

    Not ``threading.Semaphore``: when gevent's Timeout comes up while its condition takes its lock
    again, a lock is released that is not held. Here who waits holds nothing.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def free(self) -> int:
        """How many turns nobody has."""
        return self._free

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            gate.acquire()
        except BaseException:
            self._give_up(gate)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._pass_on()

    def _give_up(self, gate: threading.Lock) -> None:
        with self._lock:
            if gate in self._waiting:
                self._waiting.remove(gate)
            else:
                self._pass_on()  # It was our turn already.

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._free += 1
