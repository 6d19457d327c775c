# SPDX-License-Identifier: MIT
"""An application of old in a directory, and its consumer as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that a condition may take to come true; only a machine in trouble needs them.
PATIENCE = 30.0

#: Warnings are errors, but for those that this is about.
PYTHON = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning"]


def eventually(condition: Callable[[], Any], say: Callable[[], str] = str) -> Any:
    """Wait until ``condition`` is true and return what it said; ``say`` explains a failure."""
    ends_at = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < ends_at, say()
        time.sleep(0.01)
    return answer


class Application:
    """Modules of an application in ``directory``."""

    def __init__(self, directory: Path, **modules: str) -> None:
        self.directory = directory
        self.log = directory / "said.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        for name, code in modules.items():
            (directory / f"{name}.py").write_text(code)

    def python(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python to its end, in the directory of the application."""
        return subprocess.run(
            [*PYTHON, *arguments],
            cwd=self.directory,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=check,
        )

    def run(self, code: str) -> str:
        """Run a program; return what it prints."""
        return self.python("-c", code).stdout

    def consume(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a consumer; return when it consumes."""
        before = self.said.count(" consumes ")
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*PYTHON, "-m", module, *arguments],
                cwd=self.directory,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        self.says(lambda: self.said.count(" consumes ") > before)
        return process

    def says(self, condition: Callable[[], Any]) -> Any:
        """Wait for something that the consumers are to bring about."""
        return eventually(condition, lambda: self.said)

    @property
    def said(self) -> str:
        """What the consumers have said."""
        return self.log.read_text() if self.log.exists() else ""

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a consumer in good order."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, self.said

    def close(self) -> None:
        """End what is left."""
        for process in self._processes:
            process.kill()
            process.wait(PATIENCE)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
