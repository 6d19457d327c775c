# SPDX-License-Identifier: MIT
"""A wall clock that is wrong, and can be set while a process runs.

$CHAOS_CLOCK names a file with the seconds by which this process's clock is ahead of the machine's.
The monotonic clock is left alone, as by those who set a clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from huey_green import clock

VARIABLE = "CHAOS_CLOCK"

#: The clock of the machine, whatever this process's shows.
true_time = time.time


def install() -> None:
    """Have this process live by the clock that the environment names, if it names one."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    file = os.open(path, os.O_RDONLY)

    def wall() -> float:
        return true_time() + float(os.pread(file, 32, 0))

    time.time = wall
    time.time_ns = lambda: round(wall() * 1e9)
    clock.wall = wall


class Clock:
    """The harness's hand on such a clock; ``variables`` is for the processes that live by it."""

    def __init__(self, directory: Path, name: str, ahead: float = 0.0) -> None:
        self._path = directory / f"{name}.clock"
        self.variables = {VARIABLE: str(self._path)}
        self.set(ahead)

    def set(self, ahead: float) -> None:
        """Set it so many seconds ahead of the machine's clock."""
        # In one write of one size, which a reader sees whole.
        mode = os.O_WRONLY | os.O_CREAT
        file = os.open(self._path, mode, 0o600)
        os.pwrite(file, f"{ahead:+031.6f}\n".encode(), 0)
        os.close(file)
