# SPDX-License-Identifier: MIT
"""``huey_green status``: how much waits, who consumes, what runs and since when."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from huey_green.exceptions import StorageUnavailable
from huey_green.huey import Huey
from huey_green.message import readable_consumer
from huey_green.report import ConsumerState, Counts, RunningTask
from huey_green.terminal import command
from huey_green.terminal.output import BOLD, GREEN, RED, YELLOW, Paper, duration, plain, to_json

#: A lag of an event loop, in seconds, that is worth a colour, and one that is trouble.
SLOW, STUCK = 0.1, 1.0

#: Running tasks that are shown, unless more are asked for.
SHOWN = 10


class Look(NamedTuple):
    """What there was to see of one queue at a moment of its storage's clock."""

    name: str
    storage: str
    at: float
    counts: Counts
    consumers: list[ConsumerState]
    running: list[RunningTask]
    note: str

    def as_json(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "name": self.name,
            "storage": self.storage,
            "at": self.at,
            **self.counts._asdict(),
            "consumers": [consumer_as_json(one, self.at) for one in self.consumers],
            "running": [
                {**one._asdict(), "running_for": round(max(0.0, self.at - one.started_at), 3)}
                for one in self.running
            ],
            "running_count": sum(one.running for one in self.consumers),
        }


def consumer_as_json(one: ConsumerState, now: float) -> dict[str, Any]:
    """Return a consumer for programs; its tasks are told elsewhere."""
    fields = one._asdict()
    del fields["tasks"]
    if one.told_at is None:
        for name in ("started_at", "workers", "running", "ready", "lag"):
            fields[name] = None
    return {**fields, "host": one.host, "pid": one.pid, "state": state_of(one, now)}


def state_of(one: ConsumerState, now: float) -> str:
    """Say how a consumer is: alive, silent (no report for 30 s), or dead (its lease has ended)."""
    if one.lease_ends_at <= now:
        return "dead"
    return "silent" if one.told_at is None else "alive"


def look(huey: Huey, limit: int | None) -> Look:
    """Look at a queue once."""
    storage = huey.storage
    counts, consumers = huey.counts(), huey.consumers()
    running = [task for one in consumers for task in one.tasks]
    running.sort(key=lambda task: task.started_at)
    return Look(
        huey.name,
        storage.describe(),
        storage.time(),
        counts,
        consumers,
        running[:limit],
        note_on(huey),
    )


def note_on(huey: Huey) -> str:
    """Return why less is to be seen of a Huey than of others; "" for most."""
    if huey.immediate:
        return "this Huey is immediate: its tasks run where they are called, and nothing waits"
    if type(huey.storage).__name__ == "MemoryStorage":
        return "a memory storage is seen by its own process alone: this one sees another one"
    if not huey.storage.leases:
        return "this storage knows nothing of consumers, nor of what runs"
    return ""


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(
        name,
        "Show how much waits in a queue, who consumes it, and what runs. What consumers say of "
        "themselves is some seconds old.",
        several=True,
    )
    parser.add_argument("--watch", action="store_true", help="show it again and again")
    parser.add_argument(
        "--every",
        type=command.seconds,
        default=2.0,
        metavar="SECONDS",
        help="with --watch: how often (default: 2)",
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each queue")
    parser.add_argument(
        "--limit",
        type=command.whole,
        metavar="N",
        help=f"running tasks to show, those that run for longest (default: {SHOWN}; with --json "
        "all that are known)",
    )
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _watch if given.watch else _show, given)


def _watch(hueys: Sequence[Huey], given: argparse.Namespace) -> int:
    paper = Paper()
    is_first = True
    while True:
        if not given.json and (paper.width is not None or not is_first):
            paper.clear()
        is_first = False
        try:
            _show(hueys, given)
        except StorageUnavailable as error:
            # It may come back: who watches is told, and goes on.
            print(f"huey_green: {plain(str(error))}", file=sys.stderr)
        sys.stdout.flush()
        time.sleep(given.every)


def _show(hueys: Sequence[Huey], given: argparse.Namespace) -> int:
    if given.json:
        for huey in hueys:
            print(to_json(look(huey, given.limit).as_json()))
        return command.DONE
    paper = Paper()
    for number, huey in enumerate(hueys):
        if number:
            paper.line()
        _show_one(paper, look(huey, SHOWN if given.limit is None else given.limit))
    return command.DONE


def _show_one(paper: Paper, seen: Look) -> None:
    counts = seen.counts
    paper.line(f"{paper.coloured(plain(seen.name), BOLD)} on {plain(seen.storage)}")
    if seen.note:
        paper.line(paper.coloured(seen.note, YELLOW))
    paper.line()
    paper.table(
        ("WAITING", "SCHEDULED", "PARKED", "IN FLIGHT", "DEAD", "RESULTS"),
        [[f"{number:,}" for number in counts]],
        right=range(6),
        colours=[{4: RED if counts.dead else ""}],
    )
    paper.line()
    if not seen.consumers:
        paper.line(paper.coloured("no consumer", RED if counts.waiting else YELLOW))
        return
    _show_consumers(paper, seen)
    _show_running(paper, seen)


def _show_consumers(paper: Paper, seen: Look) -> None:
    rows: list[Sequence[str]] = []
    colours = []
    for one in seen.consumers:
        state = state_of(one, seen.at)
        where = readable_consumer(one.name)
        if one.told_at is None:
            rows.append((where, state, "", "", "", f"{one.holds:,}", "", ""))
        else:
            numbers = (f"{number:,}" for number in (one.workers, one.running, one.ready, one.holds))
            up = duration(max(0.0, seen.at - one.started_at))
            rows.append((where, state, *numbers, duration(one.lag), up))
        lag = RED if one.lag >= STUCK else YELLOW if one.lag >= SLOW else ""
        colours.append({1: {"alive": GREEN, "silent": YELLOW, "dead": RED}[state], 6: lag})
    paper.table(
        ("CONSUMER", "STATE", "WORKERS", "RUNNING", "READY", "HOLDS", "LAG", "UP"),
        rows,
        right=(2, 3, 4, 5, 6, 7),
        colours=colours,
    )


def _show_running(paper: Paper, seen: Look) -> None:
    if seen.running:
        paper.line()
        rows = [
            (
                duration(max(0.0, seen.at - one.started_at)),
                one.name,
                one.id,
                str(one.attempt),
                readable_consumer(one.consumer),
            )
            for one in seen.running
        ]
        paper.table(("RUNNING FOR", "TASK", "ID", "ATTEMPT", "CONSUMER"), rows, right=(0, 3))
    more = sum(one.running for one in seen.consumers) - len(seen.running)
    if more > 0 and seen.running:
        paper.line(f"and {more:,} more")
