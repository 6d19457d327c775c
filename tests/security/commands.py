# SPDX-License-Identifier: MIT
"""The command huey_green over an application of a test, and all that it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from huey_green.testing.concurrency import eventually

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that a condition may take to come true; only a machine in trouble needs them.
PATIENCE = 30.0

#: Warnings are errors in the consumer too: gevent warns of what is imported before it patches.
COMMAND = (sys.executable, "-W", "error", "-m", "huey_green")


class Command:
    """``huey_green app.huey`` in a folder where ``app.py`` is ``application``."""

    def __init__(self, folder: Path, application: str, *options: str, **environment: str) -> None:
        (folder / "app.py").write_text(application)
        self._log = folder / "said.log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "app.huey", *options],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said something."""

        def has_said() -> bool:
            assert text in self.said or self.process.poll() is None, self.said
            return text in self.said

        eventually(has_said, repr(text))

    def stop(self) -> int:
        """End it as a service manager does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.ends()

    def ends(self) -> int:
        """Wait until it has ended; return its exit status."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
