# SPDX-License-Identifier: MIT
"""Clocks that are set or wrong, and processes for which time stands still."""

from __future__ import annotations

import time
from typing import Any

from chaos.clockwork import Clock
from chaos.processes import Consumer, Failed, eventually
from chaos.registry import fault, scenario
from chaos.run import STAFF
from chaos.world import REDIS_KINDS, World

HOUR = 3600.0

#: Seconds by which a scheduled job may be late on a busy machine, and far less than an hour.
LATE = 60.0

#: What a consumer says that was suspended, and one whose tasks were taken over.
STOOD_STILL, TAKEN_OVER = "this process stood still for", "the lease of"


# Suspended.


@fault()
def suspend(world: World) -> None:
    """A consumer is suspended for less than a third of its lease: nothing runs twice."""
    victim = world.chance.choice(world.staff(STAFF))
    world.pause(0.0, 0.3)
    victim.suspend()
    # The account explains nothing by an absence that is shorter than a third of the lease.
    world.pause(0.1, world.lease / 3 - 0.5)
    victim.resume()


@fault(repeat=1)
def suspend_past_lease(world: World) -> None:
    """A consumer is suspended past its lease, and says so when it finds its tasks taken over."""
    victim = world.chance.choice(world.staff(STAFF))
    others_too = world.kind not in REDIS_KINDS
    world.pause(0.0, 0.5)
    if others_too:
        # It may be in the midst of a transaction, for whose end everybody has to wait.
        world.ledger.note("outage-begins", of="a suspended transaction")
    victim.suspend()
    time.sleep(world.lease + 1.0)
    if not others_too:
        eventually(lambda: not _held_by(world, victim), f"{victim.who} to be relieved of its tasks")
    victim.resume()
    if others_too:
        world.ledger.note("outage-ends", of="a suspended transaction")
    victim.says(STOOD_STILL)
    victim.says(TAKEN_OVER)
    _works_again(world, victim)


def _held_by(world: World, consumer: Consumer) -> list[Any]:
    return [one for one in world.storage.in_flight() if _is(one.consumer, consumer)]


def _is(name: str, consumer: Consumer) -> bool:
    return f":{consumer.pid}:" in name


def _works_again(world: World, consumer: Consumer) -> None:
    before = world.count("ended", by=consumer.who)
    consumer.wait_for(lambda: world.count("ended", by=consumer.who) > before, "further work")


@scenario()
def suspend_with_long_tasks(world: World) -> None:
    """Long tasks go on in a consumer that was suspended past its lease; their end counts not."""
    victim = world.consumer("-n")
    with world.producing(20, 4.0, 1, "plain", "pipeline", "retried", "once"):
        world.works(3)
    other = world.consumer()
    if world.kind not in REDIS_KINDS:
        world.ledger.note("outage-begins", of="a suspended transaction")
    victim.suspend()
    time.sleep(world.lease + 4.0)
    victim.resume()
    if world.kind not in REDIS_KINDS:
        world.ledger.note("outage-ends", of="a suspended transaction")
    victim.says(STOOD_STILL)
    eventually(lambda: not world.waiting(), "the end of all jobs")
    account = world.account()
    if account.again == 0:
        raise Failed("nothing ran there and here: the scenario has shown nothing")
    for consumer in (victim, other):
        consumer.stop()
        world.consumers.remove(consumer)


# Clocks.


@scenario(kinds=REDIS_KINDS)
def clocks_apart(world: World) -> None:
    """Consumers with clocks an hour apart, producers with a third one: the storage's counts."""
    clocks = [Clock(world.directory, f"c{ahead:+.0f}", ahead) for ahead in (HOUR, -HOUR)]
    consumers = [world.consumer(**clock.variables) for clock in clocks]
    third = Clock(world.directory, "producers", 2.0)
    with world.producing(60, 0.05, 2, **third.variables):
        world.works(world.times(1000), 240.0)
    _due_in_time(world, ahead=2.0)
    # The one and the other by itself, so that each has to do all of it.
    for clock, consumer in zip(clocks, consumers, strict=True):
        consumer.stop()
        world.consumers.remove(consumer)
        with world.producing(40, 0.05, 1, **third.variables):
            world.works(world.times(200), 240.0)
        world.consumers.append(world.consumer(**clock.variables))
    _due_in_time(world, ahead=2.0)
    for consumer in world.alive():
        consumer.stop()
        world.consumers.remove(consumer)
    world.drain()
    _ticks_are_of_now(world)


@scenario(kinds=REDIS_KINDS)
def clock_of_a_consumer_jumps(world: World) -> None:
    """The clock of one consumer is set an hour ahead, back, and an hour behind, as it runs."""
    clock = Clock(world.directory, "jumps")
    world.consumer(**clock.variables)
    world.consumer()
    with world.producing(60):
        for _ in range(world.times(2)):
            for ahead in (HOUR, 0.0, -HOUR, 0.0):
                clock.set(ahead)
                world.pause(1.0, 2.5)
                world.works(50)
    world.drain()
    _ticks_are_of_now(world)


@scenario(kinds=("sqlite", "file"))
def clock_of_the_machine_jumps(world: World) -> None:
    """The clock by which everybody lives is set ahead and back, with SQLite and files."""
    clock = Clock(world.directory, "machine")
    for _ in range(STAFF):
        world.consumer(**clock.variables)
    with world.producing(40, 0.05, 2, **clock.variables):
        for _ in range(world.times(1)):
            for ahead in (30.0, 90.0, HOUR):
                clock.set(ahead)
                world.pause(1.0, 3.0)
                world.works(50)
    eventually(world.is_drained, "an empty storage")
    for consumer in world.alive():
        consumer.stop()
        world.consumers.remove(consumer)


def _due_in_time(world: World, ahead: float) -> None:
    """Raise ``Failed`` if a scheduled job runs late; too early ones are seen by the account."""
    eventually(world.is_drained, "an empty storage", LATE + 60)
    due = {r["job"]: r["due_at"] for r in world.records() if r["what"] == "sends" and r["due_at"]}
    for record in world.records():
        if record["what"] == "began" and record["job"] in due:
            late = record["wall"] - due[record["job"]]
            if late > LATE:
                raise Failed(f"{record['job']} began {late:.1f} s after its time ({ahead:+g} s)")


def _ticks_are_of_now(world: World) -> None:
    """Raise ``Failed`` if a periodic task was enqueued for a moment that is not the present."""
    from chaos.clockwork import true_time

    offset = true_time() - time.monotonic()
    for record in world.records():
        if record["what"] == "tick":
            moment = int(record["key"].rpartition(":")[2]) / 1000
            if abs(moment - record["at"] - offset) > LATE:
                raise Failed(f"{record['key']} was enqueued at {record['at'] + offset:.3f}")
