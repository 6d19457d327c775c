# SPDX-License-Identifier: MIT
"""A child process as its parent sees it, and the place in which one follows another."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from huey_green.backoff import exponential

#: Seconds of life after which the end of a child is no longer one more of a row of failures.
SETTLED = 60.0

#: Seconds before the second try in a row to start a child, and at most.
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


class Child:
    """A process: its pid, and our ends of the pipes from it."""

    def __init__(self, pid: int, control: int, log: int) -> None:
        self.pid = pid
        self.control = control
        self.log = log
        #: Those of the two that something may still come from.
        self.open = {control, log}
        self.started_at = time.monotonic()
        self.is_ready = False
        #: What it has written of a line that has not ended.
        self.rest = b""
        self._status: int | None = None

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def status(self) -> int | None:
        """Return its exit status, or minus the signal that ended it; None while it runs."""
        if self._status is None:
            try:
                pid, waited = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # Somebody else has waited for it.
                pid, waited = self.pid, 0
            if pid:
                self._status = os.waitstatus_to_exitcode(waited)
        return self._status

    def read(self) -> str:
        """Return the lines that it has written since; all of the rest once it has ended."""
        try:
            data = os.read(self.log, 65536)
        except BlockingIOError:
            return ""
        whole, newline, self.rest = (self.rest + data).rpartition(b"\n")
        if not data:
            self.open.discard(self.log)
            whole, newline, self.rest = self.rest, b"\n" if self.rest else b"", b""
        return (whole + newline).decode("utf-8", "replace")

    def heard(self) -> bytes:
        """Return what it has told its parent since."""
        try:
            said = os.read(self.control, 64)
        except BlockingIOError:
            return b""
        if not said:
            self.open.discard(self.control)
        return said

    def close(self) -> None:
        """Let go of the pipes."""
        os.close(self.control)
        os.close(self.log)


class Place:
    """Where one child runs, and another one after it; while they change there are two."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: Child | None = None
        #: The one that is to take its place as soon as it is ready.
        self.successor: Child | None = None
        #: When to start a child here, monotonic.
        self.due_at = 0.0
        self._failures = 0

    @property
    def children(self) -> list[Child]:
        """Those that run here."""
        return [one for one in (self.child, self.successor) if one is not None]

    def note_end(self, child: Child) -> float:
        """Note that the child of this place has ended by itself; return the seconds to wait
        before the next one: none the first time, longer and longer for a row of them."""
        now = time.monotonic()
        if now - child.started_at > SETTLED:
            self._failures = 0
        wait = exponential(self._failures - 1, FIRST_WAIT, 2.0, LONGEST_WAIT)
        wait = wait if self._failures else 0.0
        self._failures += 1
        self.due_at = now + wait
        return wait


def how_it_ended(status: int) -> str:
    """Say in words what an exit status of ``Child.status`` means."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory?)" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{hint}"
