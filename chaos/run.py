# SPDX-License-Identifier: MIT
"""Runs entries of the registry, each in a world of its own, and the account at its end."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.account import Account
from chaos.processes import Failed
from chaos.registry import Entry
from chaos.world import World

#: Consumers that run while faults are committed.
STAFF = 2


@dataclass
class Verdict:
    """How a run went. ``directory`` is where its ledger and logs are, None when they are gone;
    ``failure`` is a traceback if it was nothing that a run is expected to come upon."""

    name: str
    kind: str
    seed: str
    seconds: float
    account: Account | None
    failure: str | None
    figures: dict[str, float] = field(default_factory=dict)
    directory: Path | None = None

    @property
    def is_good(self) -> bool:
        """Whether the run did what it had to, and its account is balanced."""
        return self.failure is None and self.account is not None and self.account.is_balanced


def run(entry: Entry, kind: str, seed: str, scale: float, keep: bool = False) -> Verdict:
    """Run a scenario, or a load under which a fault is committed again and again."""
    if not entry.is_fault:
        return _run(entry, entry.deed, kind, seed, scale, keep)

    def course(world: World) -> None:
        with world.producing():
            world.staff(STAFF)
            for _ in range(world.times(entry.repeat)):
                entry.deed(world)
        world.drain()

    return _run(entry, course, kind, seed, scale, keep)


def run_mixed(
    entries: list[Entry], kind: str, seed: str, seconds: float, keep: bool = False
) -> Verdict:
    """Commit faults that are drawn at random, for so long, in one world."""
    mixed = Entry("mixed", entries[0].deed, (kind,), True)

    def course(world: World) -> None:
        ends_at = time.monotonic() + seconds
        with world.producing():
            while time.monotonic() < ends_at:
                world.staff(STAFF)
                entry = world.chance.choice(entries)
                world.ledger.note("fault", name=entry.name)
                entry.deed(world)
        world.drain()

    return _run(mixed, course, kind, seed, 1.0, keep)


def run_tour(entries: list[Entry], kind: str, seed: str, keep: bool = False) -> Verdict:
    """Commit each of these faults once, one after another, in one world."""
    tour = Entry(", ".join(entry.name for entry in entries), entries[0].deed, (kind,), True)

    def course(world: World) -> None:
        with world.producing():
            for entry in entries:
                world.staff(STAFF)
                world.ledger.note("fault", name=entry.name)
                entry.deed(world)
        world.drain()

    return _run(tour, course, kind, seed, 0.0, keep)


def _run(
    entry: Entry,
    course: Callable[[World], None],
    kind: str,
    seed: str,
    scale: float,
    keep: bool,
) -> Verdict:
    began_at = time.monotonic()
    made, account, failure = None, None, None
    try:
        made = entry.make(kind, f"{entry.name}-{kind}-{seed}", scale)
        with made as world:
            made = world
            course(world)
            account = world.account()
    except Failed as error:
        failure = str(error)
    except Exception:
        failure = traceback.format_exc()
    seconds = time.monotonic() - began_at
    verdict = Verdict(entry.name, kind, seed, seconds, account, failure)
    if isinstance(made, World):
        verdict.figures, verdict.directory = made.figures, made.directory
    if verdict.directory is not None and verdict.is_good and not keep:
        shutil.rmtree(verdict.directory)
        verdict.directory = None
    return verdict
