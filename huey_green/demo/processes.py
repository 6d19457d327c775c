# SPDX-License-Identifier: MIT
"""The processes that the demo starts, each known by its pid and ended by it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from huey_green import clock

T = TypeVar("T")

#: Seconds that a process has after SIGTERM to finish what it does: most pages take half a one.
GRACE = 1.0

#: Seconds that it has to end after a second SIGTERM, which interrupts what it does.
PATIENCE = 3.0

#: Seconds that a process has to start.
STARTUP = 15.0

#: Lines of a process's output that are shown when it has died.
TAIL = 15

#: Ends a process whose starter was killed: reads a pipe that nobody writes to, until it closes.
#: Made of what the shell has built in, so that it needs nothing from PATH.
_WATCHDOG = 'read _; kill -9 "$1"'

#: Colours and cursor movements, which do not belong into a report.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class DemoError(Exception):
    """The demo cannot go on; the text is for the user's eyes."""


class Child:
    """A process of ours, its output in a file.

    It has a session of its own: a Ctrl-C in the terminal reaches the demo alone, which then
    ends its children in order. It ends with this process, even if that is killed.
    """

    def __init__(
        self,
        what: str,
        module: str,
        arguments: Sequence[str],
        directory: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run ``python -m module``; ``what`` is its name in messages."""
        self.what = what
        self.log = directory / f"{what}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=_environment(variables or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise DemoError, with the end of its output, when the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"the {self.what} has ended with status {status}{self.last_words()}")

    def wait_for(self, ready: Callable[[], T | None], check: Callable[[], None]) -> T:
        """Ask ``ready`` until it gives something, calling ``check`` in between.

        Raises DemoError when the process ends, or does not get ready in time.
        """
        ends_at = clock.monotonic() + STARTUP
        while (answer := ready()) is None:
            check()
            self.check()
            if clock.monotonic() > ends_at:
                raise DemoError(
                    f"the {self.what} has not started within {STARTUP:.0f} s{self.last_words()}"
                )
            clock.sleep(0.02)
        return answer

    def output(self) -> str:
        """Return what the process has written so far, as plain text."""
        return _ESCAPES.sub("", self.log.read_text(errors="replace"))

    def last_words(self) -> str:
        """Return the end of its output as lines to append to a message."""
        lines = self.output().splitlines()[-TAIL:]
        if not lines:
            return "; it has written nothing"
        return "; the last it wrote:\n" + "\n".join(f"  {line}" for line in lines)

    def end(self) -> None:
        """End the process if it still runs: politely, firmly, then by force."""
        self._end_watchdog()
        steps = ((signal.SIGTERM, GRACE), (signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE))
        for number, seconds in steps:
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)

    def _end_watchdog(self) -> None:
        # Before the process: it must not outlive it and kill who gets its number next.
        self._watchdog.kill()
        self._watchdog.wait()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a child imports the huey_green that runs now."""
    environment = {**os.environ, **variables}
    root = Path(__file__).resolve().parents[2]
    # On the path already when installed; there it would come before the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        before = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{before}" if before else str(root)
    return environment
