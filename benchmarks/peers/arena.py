# SPDX-License-Identifier: MIT
"""Where the contestants run: their environment, their workers, and what they have run.

Whether a task ran is read from a file that all applications share with us (``apps.contest``):
looking costs neither Redis nor the contestant anything.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.peers.catalogue import Entry
from benchmarks.peers.venvs import venv
from benchmarks.runner import DATABASES, PATIENCE, ROOT, Bench, ChildFailed, Family

APPS = Path(__file__).resolve().parent / "apps"

#: Seconds that a worker gets to end in good order; what it counted is known by then.
FAREWELL = 5.0

#: Seconds that enqueueing may take.
FILLING = 600.0

_DELAY = struct.Struct("d")


class Tally:
    """How often each of ``count`` tasks has run, and how late it began."""

    def __init__(self, directory: Path, count: int) -> None:
        self.count = count
        self.path, self.delays_path = directory / "tally", directory / "delays"
        # New files: a worker that is still ending writes into the old ones.
        for path, size in ((self.path, count), (self.delays_path, count * _DELAY.size)):
            path.unlink(missing_ok=True)
            path.write_bytes(bytes(size))
        with open(self.path, "r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 0)

    def ran(self) -> int:
        """Return how many tasks have run at least once."""
        return self.count - self._bytes[:].count(0)

    def doubled(self) -> int:
        """Return how many tasks have run more than once."""
        seen = self._bytes[:]
        return self.count - seen.count(0) - seen.count(1)

    def delays(self, first: int, count: int) -> list[float]:
        """Return the delays of the tasks ``first`` to ``first + count``."""
        content = self.delays_path.read_bytes()[first * _DELAY.size :][: count * _DELAY.size]
        return [delay for (delay,) in _DELAY.iter_unpack(content)]


@dataclass
class Arena:
    """All that a contestant needs to be run on the private Redis of ``bench``."""

    bench: Bench
    _backlogs: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def environment(
        self, entry: Entry, tally: Tally, workers: int, results: bool, latency: bool
    ) -> dict[str, str]:
        path = [str(APPS), *([] if entry.peer.is_a_guest else [str(ROOT)])]
        return {
            "PYTHONPATH": os.pathsep.join(path),
            "BENCHMARK_URL": self.bench.url,
            "BENCHMARK_TALLY": str(tally.path),
            "BENCHMARK_DELAYS": str(tally.delays_path),
            "BENCHMARK_WORKERS": str(workers),
            "BENCHMARK_RESULTS": "1" if results else "0",
            "BENCHMARK_LATENCY": "1" if latency else "0",
            "BENCHMARK_VARIANT": entry.variant.key,
        }

    def drive(self, entry: Entry, environment: dict[str, str], *arguments: Any) -> dict[str, Any]:
        """Run the producer to its end; return what it measured. Raises ``ChildFailed``."""
        command = [python(entry), "driver.py", entry.peer.app, *map(str, arguments)]
        try:
            done = subprocess.run(
                command,
                cwd=APPS,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=FILLING,
            )
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"{entry.name}: {arguments} took over {FILLING:g} s") from None
        if done.returncode:
            raise ChildFailed(f"{entry.name}: the producer failed:\n{done.stderr[-2000:]}")
        measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return measured

    def work(
        self, entry: Entry, environment: dict[str, str], mode: str = "drain", seconds: float = 0.0
    ) -> Family:
        """Start the worker."""
        words = {
            "workers": environment["BENCHMARK_WORKERS"],
            "mode": mode,
            "seconds": f"{seconds:g}",
            "url": self.bench.url,
            "bin": str(Path(python(entry)).parent),
        }
        program, *arguments = (word.format(**words) for word in entry.variant.command)
        own = Path(python(entry))
        program = str(own if program == "python" else own.with_name(program))
        return Family(entry.name, arguments, environment, program=program, directory=APPS)

    def backlog(
        self, entry: Entry, environment: dict[str, str], count: int, seconds: float
    ) -> None:
        """Have ``count`` tasks wait in Redis, and nothing else.

        They are enqueued once; later rounds, and variants that agree on what a message is, get a
        copy of what was there.
        """
        self.bench.redis.flushdb()
        keys = ("BENCHMARK_RESULTS", "BENCHMARK_VARIANT")
        kept = (entry.peer.name, count, seconds, *(environment[key] for key in keys))
        if kept in self._backlogs:
            _copy(self.bench.url, self._backlogs[kept], 0)
            return
        self.drive(entry, environment, "fill", count, seconds)
        if len(self._backlogs) + 1 < DATABASES:
            self._backlogs[kept] = len(self._backlogs) + 1
            _copy(self.bench.url, 0, self._backlogs[kept])

    def forget(self) -> None:
        """Drop all backlogs."""
        for database in self._backlogs.values():
            _database(self.bench.url, database).flushdb()
        self._backlogs.clear()
        self.bench.redis.flushdb()

    def results(self, entry: Entry) -> int:
        """Return how many results Redis holds."""
        pattern = entry.peer.results
        if pattern.endswith("#"):
            return int(self.bench.redis.hlen(pattern[:-1]))
        return sum(1 for _ in self.bench.redis.scan_iter(pattern, count=1000))


def python(entry: Entry) -> str:
    """Return the interpreter that the contestant runs in."""
    return str(venv(entry.peer) / "python") if entry.peer.is_a_guest else sys.executable


def wait_for(tally: Tally, count: int, worker: Family, what: str) -> None:
    """Wait until ``count`` tasks have run. Raises ``ChildFailed``."""
    ends_at = time.monotonic() + PATIENCE
    while tally.ran() < count:
        worker.check()
        if time.monotonic() > ends_at:
            raise worker.failure(f"{what}: ran {tally.ran()} of {count} in {PATIENCE:g} s")
        time.sleep(0.001)


def _database(url: str, number: int) -> Any:
    """Return a client for another database of the same Redis."""
    return Redis.from_url(f"{url.rpartition('/')[0]}/{number}")


def _copy(url: str, source: int, target: int) -> None:
    """Copy all keys of one database to another."""
    redis = _database(url, source)
    keys: Sequence[bytes] = list(redis.scan_iter(count=1000))
    for start in range(0, len(keys), 1000):
        with redis.pipeline(transaction=False) as pipe:
            for key in keys[start : start + 1000]:
                pipe.copy(key, key, destination_db=target, replace=True)
            pipe.execute()
    redis.close()
