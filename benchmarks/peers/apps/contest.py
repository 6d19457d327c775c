# SPDX-License-Identifier: MIT
"""What the applications of all contestants have in common; standard library only.

An application runs in a venv of its own and learns from the environment what it is to be. Each
task tells that it ran by adding one to its own byte of a shared file, which costs every
contestant the same 0.2 microseconds, asks nothing of Redis, works across processes, and shows
what was lost (0) and what was doubled (2).
"""

from __future__ import annotations

import mmap
import os
import struct

URL = os.environ["BENCHMARK_URL"]

#: Whether results are kept; where they are not, each library is told so in its own way.
RESULTS = os.environ["BENCHMARK_RESULTS"] == "1"

#: Tasks that may run at once in one process.
WORKERS = int(os.environ["BENCHMARK_WORKERS"])

#: Which of its ways an application is to take, as listed in ``benchmarks.peers.catalogue``.
VARIANT = os.environ["BENCHMARK_VARIANT"]

#: Whether single tasks are waited for, not many of them worked off.
LATENCY = os.environ["BENCHMARK_LATENCY"] == "1"

_DELAY = struct.Struct("d")


def _shared(variable: str) -> mmap.mmap:
    with open(os.environ[variable], "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


_tally = _shared("BENCHMARK_TALLY")
_delays = _shared("BENCHMARK_DELAYS")


def ran(number: int) -> int:
    """Note that the task ``number`` has run; return what its result is to be."""
    _tally[number] += 1
    return 1


def begun(number: int, delay: float) -> int:
    """Note that the task ``number`` was begun ``delay`` seconds after it was made."""
    _DELAY.pack_into(_delays, number * _DELAY.size, delay)
    return ran(number)
