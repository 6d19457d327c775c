# SPDX-License-Identifier: MIT
"""What a consumer says of itself, and as what it travels: a line of JSON every few seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

#: Most running tasks that one report names, those that run for longest.
MOST_NAMED = 100

#: Seconds for which a report counts: some are made meanwhile, if who makes them still lives.
KEPT = 30.0


class RunningTask(NamedTuple):
    """A task that runs now: since when, in epoch seconds by the storage's clock, and who runs it.

    ``attempt`` says which delivery it is, from 1.
    """

    id: str
    name: str
    started_at: float
    attempt: int
    consumer: str


class ConsumerState(NamedTuple):
    """One consumer, as far as the storage knows of it; moments are by the storage's clock.

    ``name`` begins with its host. It counts as alive until ``lease_ends_at``, and ``holds`` so many
    messages. The rest is what it said of itself at ``told_at``, None if it has said nothing for
    30 seconds: since when it consumes, how many tasks it may run at once (``workers``), how many
    run and how many are ``ready`` beside them, and the ``lag`` of its event loop, in seconds: what
    that took to answer, or has taken so far. ``tasks`` are those that run for longest, 100 at most.
    """

    name: str
    lease_ends_at: float
    holds: int = 0
    told_at: float | None = None
    started_at: float = 0.0
    workers: int = 0
    running: int = 0
    ready: int = 0
    lag: float = 0.0
    tasks: tuple[RunningTask, ...] = ()

    @property
    def host(self) -> str:
        """The host it runs on, or in a container the name of that."""
        return self.name.partition(":")[0]

    @property
    def pid(self) -> int | None:
        """Its process on that host; None for a name that is not one of ours."""
        parts = self.name.rsplit(":", 3)
        return int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else None


class Counts(NamedTuple):
    """How many messages a queue has, by where they are, and how many ``results`` and other values.

    ``parked`` are those that wait until fewer of their kind run.
    """

    waiting: int
    scheduled: int
    parked: int
    in_flight: int
    dead: int
    results: int


class Finding(NamedTuple):
    """What a look at a storage found: ``level`` is "ok", "warning" or "error"."""

    level: str
    subject: str
    text: str


def encode_report(
    told_at: float,
    started_at: float,
    workers: int,
    running: int,
    ready: int,
    lag: float,
    tasks: Iterable[tuple[str, str, float, int]],
) -> bytes:
    """Return a report as bytes. ``tasks`` are ids, names, the seconds that they run, attempts."""
    fields = {
        "told_at": round(told_at, 3),
        "started_at": round(started_at, 3),
        "workers": workers,
        "running": running,
        "ready": ready,
        "lag": round(lag, 4),
        "tasks": [[id_, name, round(age, 3), attempt] for id_, name, age, attempt in tasks],
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_report(state: ConsumerState, data: bytes) -> ConsumerState:
    """Return ``state`` with what its consumer said, in this version or another one.

    What cannot be read counts as not said.
    """
    try:
        fields: dict[str, Any] = json.loads(data)
        told_at = float(fields["told_at"])
        return state._replace(
            told_at=told_at,
            started_at=float(fields["started_at"]),
            workers=int(fields["workers"]),
            running=int(fields["running"]),
            ready=int(fields["ready"]),
            lag=float(fields["lag"]),
            tasks=tuple(
                RunningTask(str(id_), str(name), told_at - float(age), int(attempt), state.name)
                for id_, name, age, attempt, *_ in fields["tasks"]
            ),
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        return state


__all__ = [
    "KEPT",
    "MOST_NAMED",
    "ConsumerState",
    "Counts",
    "Finding",
    "RunningTask",
    "decode_report",
    "encode_report",
]
