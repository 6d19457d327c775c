# SPDX-License-Identifier: MIT
"""The processes that the demo starts, each known by its pid and ended by it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from huey_green import clock

T = TypeVar("T")

#: Seconds that a process has to end by itself after SIGTERM, and again after a second one.
PATIENCE = 3.0

#: Seconds that a process has to start.
STARTUP = 15.0

#: Lines of a process's output that are shown when it has died.
TAIL = 15

#: Colours and cursor movements, which do not belong into a report.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class DemoError(Exception):
    """The demo cannot go on; the text is for the user's eyes."""


class Child:
    """A process of ours, its output in a file.

    It has a session of its own: a Ctrl-C in the terminal reaches the demo alone, which then
    ends its children in order.
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
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=_environment(variables or {}),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise DemoError, with the end of its output, when the process has ended."""
        status = self._process.poll()
        if status is not None:
            raise DemoError(f"the {self.what} has ended with status {status}{self.last_words()}")

    def wait_for(self, ready: Callable[[], T | None]) -> T:
        """Ask ``ready`` until it gives something; DemoError if that or the process ends first."""
        ends_at = clock.monotonic() + STARTUP
        while (answer := ready()) is None:
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
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                continue
        if self._process.stdin is not None:
            self._process.stdin.close()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a child imports the huey_green that runs now."""
    environment = {**os.environ, **variables}
    root = Path(__file__).resolve().parents[2]
    # On the path already when installed; there it would come before the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        before = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{before}" if before else str(root)
    return environment
