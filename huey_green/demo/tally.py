# SPDX-License-Identifier: MIT
"""What a crawl has brought so far, and the arithmetic of its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any


@dataclass(slots=True)
class HostTally:
    """What one host gave; ``seconds`` are the durations of its successful fetches."""

    fetched: int = 0
    failed: int = 0
    retries: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Counts of pages and attempts, from the records that the crawl's task leaves.

    ``alone`` adds up, over all attempts, the seconds that one worker would have waited: what
    the server says that it took, else (a timeout, a reset) what was measured, but at most
    ``patience`` seconds. What was measured contains our own queueing under load, which one
    worker does not have.
    """

    patience: float = inf

    asked: int = 0
    fetched: int = 0
    failed: int = 0
    retries: int = 0
    alone: float = 0.0
    bytes: int = 0
    links: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    hosts: dict[str, HostTally] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        """Pages that are fetched or given up."""
        return self.fetched + self.failed

    def host(self, name: str) -> HostTally:
        """Return the tally of one host, a new one when it is first met."""
        return self.hosts.setdefault(name, HostTally())

    def page(self, record: Mapping[str, Any]) -> None:
        """Count a page that was fetched."""
        host = self.host(record["host"])
        host.fetched += 1
        host.seconds.append(record["seconds"])
        self.fetched += 1
        self.bytes += record["bytes"]
        self.links += record["links"]
        self._attempt(record)

    def attempt_failed(self, record: Mapping[str, Any]) -> None:
        """Count a failed attempt; whether the page is lost is another matter."""
        self.errors[record["kind"]] += 1
        if record["will_retry"]:
            self.retries += 1
            self.host(record["host"]).retries += 1
        self._attempt(record)

    def gave_up(self, host: str) -> None:
        """Count a page whose last attempt has failed."""
        self.failed += 1
        self.host(host).failed += 1

    def _attempt(self, record: Mapping[str, Any]) -> None:
        self.alone += record["served_in"] or min(record["seconds"], self.patience)


class Pace:
    """How many pages ended in the best second of a run."""

    def __init__(self) -> None:
        self.best = 0.0
        self._marks: list[tuple[float, int]] = []

    def add(self, seconds: float, finished: int) -> None:
        """Note that so many pages had ended after so many seconds."""
        self._marks.append((seconds, finished))
        while len(self._marks) > 1 and seconds - self._marks[1][0] >= 1.0:
            del self._marks[0]
        since, before = self._marks[0]
        if seconds - since >= 1.0:
            self.best = max(self.best, (finished - before) / (seconds - since))


def percentile(values: list[float], percent: float) -> float:
    """Return the value that ``percent`` of 100 values do not exceed (nearest rank), else 0.0."""
    if not values:
        return 0.0
    return sorted(values)[max(ceil(len(values) * percent / 100) - 1, 0)]


def per_second(count: int, seconds: float) -> float:
    """Return a rate; 0.0 when no time has passed."""
    return count / seconds if seconds > 0 else 0.0


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``8.3 s``, ``11 min 5 s``, ``2 h 3 min``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Return a number of bytes as kB or MB (powers of ten)."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
