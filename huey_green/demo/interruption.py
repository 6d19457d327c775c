# SPDX-License-Identifier: MIT
"""Ctrl-C and SIGTERM, turned into one exception at a moment when it does no harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """We are asked to end. A SystemExit, because gevent prints a KeyboardInterrupt on its way."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Interruption:
    """While entered, the first signal raises ``Interrupted``, and the ones after it do nothing.

    Nor do they after ``Interrupted`` has left the block: the process is about to exit then, with
    status 128 and the signal's number, 130 for Ctrl-C.
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._status: int | None = None
        self._holding = False
        self._raised = False

    def __enter__(self) -> Interruption:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Who was interrupted is about to exit, and nothing may change the status any more.
        ending = isinstance(error, Interrupted)
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._status is None:
            self._status = 128 + number
        if not self._holding:
            self._raise()

    def _raise(self) -> None:
        if self._status is not None and not self._raised:
            self._raised = True
            raise Interrupted(self._status)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put off the exception to the end of this block: what it starts is then known to us."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        self._raise()

    def ignore(self) -> None:
        """From here on signals do nothing: all is being ended already."""
        self._raised = True
