# SPDX-License-Identifier: MIT
"""Children, the Redis they share, and the one measurement most workloads need: ``drain``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
from redis import Redis

from huey_green.testing.redis import PrivateRedis

#: Where ``benchmarks`` can be imported from; children run here.
ROOT = Path(__file__).resolve().parent.parent

#: Seconds in which a child has to begin, to make some progress, or to end when told to.
PATIENCE = 30.0

#: Lines of a failed child's log that are shown.
LOG_LINES = 25

#: Keys under this prefix are backlogs kept for the next round.
KEPT = "backlog:"


#: Databases of the private Redis: 0 is the one in use, the others may hold backlogs.
DATABASES = 256


class ChildFailed(RuntimeError):
    """A child ended, or did nothing for too long; the message ends with its log's last lines."""


@dataclass(frozen=True)
class Scale:
    """How much is done; ``rounds`` is how often all contestants take their turn."""

    rounds: int
    tasks: int
    one_by_one: int
    samples: int
    idle_seconds: float
    #: (how many, seconds each, workers)
    sleeps: Sequence[tuple[int, float, int]]
    #: Two lengths of a backlog, or of a schedule, that are compared.
    backlogs: tuple[int, int]
    #: Tasks that wait at once, at so many workers; and callers that wait for results.
    waiting: int
    callers: int
    #: Tasks scheduled, and the seconds over which they are due.
    scheduled: tuple[int, float]
    #: Members of a chord.
    members: int
    #: Periodic tasks; 0 leaves them out, for they take until the next minute.
    cron_tasks: int
    #: Tasks of a millisecond of Python.
    computing: int


class Child:
    """A Python process in a group of its own, so that Ctrl-C reaches only us, and we end it."""

    def __init__(
        self,
        title: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        program: str = sys.executable,
        directory: Path = ROOT,
    ) -> None:
        self.title = title
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._process = subprocess.Popen(
            [program, *arguments],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._usage = psutil.Process(self._process.pid)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """Return the CPU seconds used so far."""
        self.check()
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> int:
        """Return the bytes of memory in use."""
        self.check()
        return int(self._usage.memory_info().rss)

    def queued(self) -> float:
        """Return the seconds it could have run and had no core: others took it. 0 if unknown."""
        try:
            schedule = Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text()
        except OSError:
            return 0.0  # Not Linux.
        return int(schedule.split()[1]) / 1e9

    def check(self) -> None:
        """Raise ``ChildFailed`` if it has ended."""
        if self._process.poll() is not None:
            raise self.failure(f"ended with status {self._process.returncode}")

    def stop(self) -> None:
        """End it in good order."""
        self.check()
        self._process.terminate()
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise self.failure(f"did not end within {PATIENCE:g} s of SIGTERM") from None
        if status != 0:
            raise self.failure(f"ended with status {status}")

    def failure(self, what: str) -> ChildFailed:
        """Return an error that says what happened and shows the log's end."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        log = "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"
        return ChildFailed(f"{self.title} {what}:\n{log}")


class Family(Child):
    """A child that may have children of its own, as workers of several processes do."""

    def __exit__(self, *details: object) -> None:
        # Whatever is left of its group: a parent that was killed leaves its children behind.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        super().__exit__(*details)

    def __enter__(self) -> Family:
        return self

    def cpu(self) -> float:
        """Return the CPU seconds used so far by all of them, the ended ones included."""
        self.check()
        used = 0.0
        for member in self._members():
            with suppress(psutil.NoSuchProcess):
                used += sum(member.cpu_times()[:4])
        return used

    def rss(self) -> int:
        """Return the bytes of memory in use: of one process all, of several what is theirs.

        Pages that several processes share are divided by them (PSS).
        """
        self.check()
        members = self._members()
        if len(members) == 1:
            return super().rss()
        used = 0
        for member in members:
            with suppress(psutil.NoSuchProcess):
                used += member.memory_full_info().pss
        return int(used)

    def end(self, patience: float) -> None:
        """Ask it to end, and kill what has not ended after ``patience`` seconds."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)

    def _members(self) -> list[psutil.Process]:
        try:
            return [self._usage, *self._usage.children(recursive=True)]
        except psutil.NoSuchProcess:
            return [self._usage]


class Bench:
    """A private Redis and what the workloads do with it."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.redis: Any = Redis.from_url(url)

    def clear(self) -> None:
        """Delete all but the kept backlogs."""
        keys = [key for key in self.redis.scan_iter() if not key.startswith(KEPT.encode())]
        if keys:
            self.redis.delete(*keys)

    def keep(self, name: str) -> None:
        """Remember all keys as the backlog ``name``: enqueueing takes longer than running."""
        for key in self.redis.scan_iter():
            if not key.startswith(KEPT.encode()):
                self.redis.copy(key, f"{KEPT}{name}:".encode() + key, replace=True)

    def restore(self, name: str) -> None:
        """Have the backlog ``name`` and nothing else."""
        self.clear()
        prefix = f"{KEPT}{name}:".encode()
        for key in self.redis.scan_iter(prefix + b"*"):
            self.redis.copy(key, key.removeprefix(prefix))

    def drop_kept(self) -> None:
        """Forget all backlogs."""
        self.redis.flushdb()

    def connections(self) -> int:
        return int(self.redis.info("clients")["connected_clients"])

    def cpu(self) -> float:
        """Return the CPU seconds that Redis has used."""
        used = self.redis.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def calls(self) -> dict[str, int]:
        """Return how often each command was carried out, those inside scripts included."""
        statistics = self.redis.info("commandstats")
        return {name.removeprefix("cmdstat_"): one["calls"] for name, one in statistics.items()}


@contextmanager
def bench() -> Iterator[Bench]:
    """Start a private Redis; it and all files are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as directory,
        PrivateRedis(arguments=("--databases", str(DATABASES))) as server,
    ):
        yield Bench(server.url, Path(directory))


class Contestant(Protocol):
    """A consumer that works off a backlog."""

    def start(self) -> Child: ...

    def waiting(self) -> int:
        """Return how many tasks nobody has taken yet; costs Redis next to nothing."""

    def left(self, total: int) -> int:
        """Return how many of ``total`` are not settled yet, at least whether any."""

    def executed(self) -> int:
        """Return how many tasks have run, once the child has stopped."""


@dataclass(frozen=True)
class Run:
    """What one drain took. CPU is in seconds, memory in bytes and the peak of samples.

    ``queued`` are the seconds in which others had the cores: a measure of the noise.
    """

    seconds: float
    cpu: float
    queued: float
    redis_cpu: float
    rss: int
    connections: int


def drain(bench: Bench, contestant: Contestant, total: int) -> Run:
    """Let ``contestant`` work off a backlog of ``total`` tasks, and measure from outside.

    The clock runs from the first task taken to the last one settled, as Redis shows it: start
    and imports are not part of it, the acknowledgement of the last task is. Looking takes a
    millisecond's pause at first and half a percent of the elapsed time later, so that the error
    is about as small and the looking costs the contestant nothing.
    """
    contestant.left(total)  # Opens our own connections before they are counted.
    others = bench.connections()
    with contestant.start() as child:
        patience_ends_at = time.monotonic() + PATIENCE
        while contestant.waiting() == total:
            _expect_progress(child, patience_ends_at)
            time.sleep(0.001)
        began_at = time.perf_counter()
        cpu, queued, redis_cpu = child.cpu(), child.queued(), bench.cpu()
        peak = connections = 0
        sample_at = began_at
        left, last_left = total, None
        while left:
            now = time.perf_counter()
            time.sleep(min(0.02, max(0.001, (now - began_at) / 200)))
            if now >= sample_at:
                peak = max(peak, child.rss())
                connections = max(connections, bench.connections() - others)
                sample_at = now + 0.1
            now = time.perf_counter()
            left = contestant.left(total)
            if left != last_left:
                patience_ends_at = time.monotonic() + PATIENCE
                last_left = left
            _expect_progress(child, patience_ends_at)
        run = Run(
            seconds=now - began_at,
            cpu=child.cpu() - cpu,
            queued=child.queued() - queued,
            redis_cpu=bench.cpu() - redis_cpu,
            rss=max(peak, child.rss()),
            connections=connections,
        )
        child.stop()
    # What runs at most once is settled before it runs: the last few may not have begun by then,
    # and go back. (All others are 0 here.)
    executed = contestant.executed()
    if executed + contestant.waiting() != total:
        raise ChildFailed(f"{child.title} ran {executed:,} tasks of {total:,}")
    return run


def _expect_progress(child: Child, patience_ends_at: float) -> None:
    child.check()
    if time.monotonic() > patience_ends_at:
        raise child.failure(f"made no progress within {PATIENCE:g} s")
