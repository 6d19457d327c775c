# SPDX-License-Identifier: MIT
"""How soon the tasks of a dead consumer run again: after a restart, and elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.processes import Consumer, Failed, eventually
from chaos.registry import scenario
from chaos.world import World

#: How many tasks a consumer has when it dies, and how long each takes, in seconds.
TASKS, WORK = 40, 4.0

#: Seconds within which all of them have begun again: after the restart; where a neighbour on the
#: same host has to notice the death; elsewhere, beyond the lease.
RESTARTED, NOTICED, BEYOND_LEASE = 1.0, 5.0, 5.0

#: Seconds of a lease in a long run: the default.
LONG_LEASE = 30.0

#: Room for all of them in one consumer, and for its own tasks beside them.
ROOM = ("-w", "200")


@scenario()
def recovery_by_restart(world: World) -> None:
    """Tasks of a killed consumer run again within 1 s of its restart on the same host."""
    for number in range(world.times(3)):
        victim = world.consumer(*ROOM)
        jobs = _busy(world, f"r{number}-")
        victim.kill()
        world.alive()
        world.pause(0.0, 1.0)
        successor = world.consumer(*ROOM)
        [started_at] = _moments(world, "started", "by", successor)
        _note_recovery(world, jobs, successor, started_at, RESTARTED)
        successor.stop()
    world.drain()


@scenario()
def recovery_by_neighbour(world: World) -> None:
    """Tasks of a killed consumer run again within 5 s in one that lives on the same host."""
    for number in range(world.times(3)):
        world.consumer(*ROOM)
        world.consumer(*ROOM)
        _lose_one(world, f"n{number}-", NOTICED)
    world.drain()


@scenario()
def recovery_elsewhere(world: World) -> None:
    """Tasks of a killed consumer run again on another host within its lease and 5 s more."""
    lease = world.lease if world.scale <= 1 else LONG_LEASE
    for number in range(min(world.times(1), 3)):
        for host in ("here", "elsewhere"):
            world.consumer(*ROOM, "--lease", f"{lease:g}", CHAOS_HOST=host)
        soonest = _lose_one(world, f"e{number}-", lease + BEYOND_LEASE)
        # It ends between two thirds of it and a whole one after the death.
        if soonest < lease / 2:
            raise Failed(f"taken over after {soonest:.1f} s, within a lease of {lease:g} s")
    world.drain()


def _lose_one(world: World, prefix: str, bound: float) -> float:
    """Kill the busier one of two consumers; the other one takes its tasks over, and is stopped.

    Returns after how many seconds the first of them began again.
    """
    jobs = _busy(world, prefix)
    victim, other = sorted(world.alive(), key=lambda one: len(_began(world, jobs, one)))[::-1]
    its_own = list(_began(world, jobs, victim))
    victim.kill()
    [died_at] = _moments(world, "killed", "who", victim)
    _note_recovery(world, its_own, other, died_at, bound)
    other.stop()
    world.alive()
    return min(_began(world, its_own, other).values()) - died_at


def _busy(world: World, prefix: str) -> list[str]:
    """Give the consumers tasks, and wait until all have begun; return their jobs."""
    jobs = [f"{prefix}{number}" for number in range(TASKS)]
    for job in jobs:
        world.ledger.note("sends", job=job, kind="plain", due_at=None)
        result = world.app.plain(job, WORK)
        world.ledger.note("accepted", job=job, kind="plain", result=result.id, due_at=None)
    eventually(lambda: _have_begun(world, jobs), "the tasks begin")
    return jobs


def _have_begun(world: World, jobs: list[str]) -> bool:
    return {r["job"] for r in world.records() if r["what"] == "began"}.issuperset(jobs)


def _began(world: World, jobs: Iterable[str], consumer: Consumer) -> dict[str, float]:
    """Return when which of the jobs began in a consumer, for the first time."""
    records = world.records()
    began = [r for r in records if r["what"] == "began" and r["by"] == consumer.who]
    wanted = set(jobs)
    return {r["job"]: r["at"] for r in reversed(began) if r["job"] in wanted}


def _moments(world: World, what: str, field: str, consumer: Consumer) -> list[float]:
    """Return when there were such records of a consumer, which they name in that field."""
    records = world.records()
    return [r["at"] for r in records if r["what"] == what and r.get(field) == consumer.who]


def _note_recovery(
    world: World, jobs: list[str], taker: Consumer, since: float, bound: float
) -> None:
    """Wait until all these jobs of a dead consumer have begun in the other one, and put on
    record how long that took; raises ``Failed`` if longer than ``bound`` seconds."""
    eventually(lambda: len(_began(world, jobs, taker)) == len(jobs), "all begin again")
    took = max(_began(world, jobs, taker).values()) - since
    name = "recovered after, s"
    world.figures[name] = max(took, world.figures.get(name, 0.0))
    if took > bound:
        raise Failed(f"{len(jobs)} tasks had begun again after {took:.3f} s, not within {bound:g}")
