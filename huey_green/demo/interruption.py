# SPDX-License-Identifier: MIT
"""Ctrl-C and SIGTERM, turned into an exception at a moment when it does no harm."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """We were asked to end. ``status`` is 128 and the signal's number: 130 for Ctrl-C."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Interruption:
    """While entered, a signal is only noted, for ``check`` to raise.

    A handler that raises by itself does so wherever the process is: between a child's start and
    its registration, or in a finalizer, where Python prints the exception and goes on. (Seen: the
    demo ran to its end after a Ctrl-C.)
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._status: int | None = None

    def __enter__(self) -> Interruption:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
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

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._status is None:
            self._status = 128 + number

    def check(self) -> None:
        """Raise ``Interrupted`` if a signal has come."""
        if self._status is not None:
            raise Interrupted(self._status)
