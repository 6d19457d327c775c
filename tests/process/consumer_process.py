# SPDX-License-Identifier: MIT
"""A consumer as a process of its own, as a person or a service manager starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

#: Seconds that a condition may take to come true; only a machine in trouble needs them.
PATIENCE = 30.0

ROOT = Path(__file__).resolve().parents[2]

#: Warnings are errors in the consumer too: gevent warns of what is imported before it patches.
PYTHON = (sys.executable, "-W", "error")
COMMAND = (*PYTHON, "-m", "huey_green")

_numbers = count(1)


def eventually(
    condition: Callable[[], Any], what: str = "", patience: float = PATIENCE, say: Any = None
) -> Any:
    """Wait until ``condition`` is true and return what it said; ``say`` explains a failure."""
    ends_at = time.monotonic() + patience
    while not (answer := condition()):
        if time.monotonic() > ends_at:
            explained = say() if say else ""
            raise AssertionError(f"not within {patience:g} s: {what}\n{explained}")
        time.sleep(0.01)
    return answer


def environment(**extra: str) -> dict[str, str]:
    """Return an environment in which huey_green is importable and nothing else is special."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


class ConsumerProcess:
    """``huey_green app.huey`` in ``directory``; all that it says is in ``said``."""

    def __init__(
        self, directory: Path, *options: str, shell: str = 'exec "$@"', first: str = "app.huey"
    ) -> None:
        self._log = directory / f"said-{next(_numbers)}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", shell, "sh", *COMMAND, first, *options],
                cwd=directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def count(self, text: str) -> int:
        """How often it has said something."""
        return self.said.count(text)

    def says(self, text: str, times: int = 1, patience: float = PATIENCE) -> None:
        """Wait until it has said ``text`` so many times."""
        self.wait_for(lambda: self.count(text) >= times, f"{text!r} in the log", patience)

    def wait_for(
        self, condition: Callable[[], Any], what: str = "", patience: float = PATIENCE
    ) -> Any:
        """Wait for something that this process is to bring about."""

        def looked() -> Any:
            answer = condition()
            if not answer and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.said}")
            return answer

        return eventually(looked, what, patience, lambda: self.said)

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ends(self, patience: float = PATIENCE) -> int:
        """Wait until it has ended; return its exit status."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {patience:g} s:\n{self.said}") from None

    def stop(self, patience: float = PATIENCE) -> None:
        """End it as a service manager does, and see it end well."""
        self.send(signal.SIGTERM)
        status = self.ends(patience)
        assert status == 0, self.said
        # Each traceback is that of a task which raised something.
        assert self.count("Traceback") == self.count(" raised "), self.said[
            max(0, self.said.find("Traceback") - 600) :
        ][:3000]

    def kill(self) -> None:
        """End it as a crash does; a process that is suspended or has ended too."""
        self.process.kill()
        self.process.wait(PATIENCE)
