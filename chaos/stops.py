# SPDX-License-Identifier: MIT
"""Consumers that are told to stop: by each signal, at each moment, with tasks that do not end."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import Any

from chaos.observed import death
from chaos.processes import NOT_YET_LISTENING, Consumer, Failed, eventually
from chaos.registry import fault, scenario
from chaos.world import World

#: The steps in the middle of which a consumer is told to stop, and the latest call before.
STEPS = {"fetch": 30, "settle": 30, "promote": 3, "extend": 2, "enqueue_once": 2, "reclaim": 2}

#: How long after its beginning a step is disturbed, in seconds at most.
WITHIN = 0.002

#: Seconds that a consumer may take to end when nothing runs in it, on a busy machine.
IDLE_STOP = 5.0

#: Seconds that one may take whose tasks are interrupted: those get 5 to clean up.
INTERRUPTED_STOP = 15.0


def stop_well(world: World, consumer: Consumer, number: int = signal.SIGTERM) -> None:
    """Stop it gracefully; raises ``Failed`` unless all that ran in it has ended by itself."""
    consumer.stop(number)
    if interrupted := world.count("left", by=consumer.who):
        raise Failed(f"{consumer.who} interrupted {interrupted} tasks, and had time enough")


def restart(world: World, consumer: Consumer) -> None:
    """Send SIGHUP, and wait until the process consumes anew."""
    before = world.count("started", by=consumer.who)
    consumer.send(signal.SIGHUP)
    again = partial(_has_started, world, consumer, before + 1)
    consumer.wait_for(again, "a start after SIGHUP")


def _has_started(world: World, consumer: Consumer, times: int) -> bool:
    return world.count("started", by=consumer.who) >= times


def nothing_twice(world: World) -> None:
    """Raise ``Failed`` if anything was executed again, for whatever reason."""
    account = world.account()
    if account.again:
        raise Failed("\n".join([f"{account.again} executed again", *account.lines()]))


@fault()
def sigterm(world: World) -> None:
    """SIGTERM: what runs ends first, and another consumer goes on."""
    victim = world.chance.choice(world.staff(2))
    world.pause(0.0, 0.5)
    stop_well(world, victim)
    world.staff(2)


@fault()
def sigint(world: World) -> None:
    """SIGINT, as Ctrl-C sends it: what runs ends first, and another consumer goes on."""
    victim = world.chance.choice(world.staff(2))
    world.pause(0.0, 0.5)
    stop_well(world, victim, signal.SIGINT)
    world.staff(2)


@fault()
def sighup(world: World) -> None:
    """SIGHUP: what runs ends first, and the same process starts anew."""
    victim = world.chance.choice(world.staff(2))
    world.pause(0.0, 0.5)
    restart(world, victim)


@fault()
def second_signal(world: World) -> None:
    """A second SIGTERM or SIGINT soon after the first: what runs is interrupted at once."""
    victim = world.consumer("-t", "60")
    world.pause(0.0, 0.5)
    for _ in range(2):
        if victim.is_alive:  # The second may come too late.
            victim.send(world.chance.choice([signal.SIGTERM, signal.SIGINT]))
        world.pause(0.0, 0.1)
    victim.ends(INTERRUPTED_STOP)
    _ended_well(world, victim)


@fault()
def signal_in_start(world: World) -> None:
    """SIGTERM or SIGINT at some moment while a consumer starts."""
    victim = world.consumer(start=False)
    world.pause(0.0, 1.5)
    number = world.chance.choice([signal.SIGTERM, signal.SIGINT])
    victim.send(number)
    status = victim.ends()
    if status not in (0, *NOT_YET_LISTENING[number]):
        raise Failed(f"{victim.who} ended with {status}:\n{victim.said[-3000:]}")
    if status != 0 and world.has("started", by=victim.who):
        raise Failed(f"{victim.who} had started, and died of the signal with {status}")


@fault()
def signal_in_step(world: World) -> None:
    """SIGTERM in the middle of fetch, settle, promote, extend, enqueue_once or reclaim."""
    step, latest = world.chance.choice(list(STEPS.items()))
    when = world.chance.randint(1, latest), world.chance.uniform(0, WITHIN)
    victim = world.consumer(start=False, **death(step, *when, signal.SIGTERM))
    victim.ends()
    _ended_well(world, victim)


@fault()
def second_signal_in_step(world: World) -> None:
    """A consumer that stops gets a second signal in the middle of release, settle or leave."""
    step = world.chance.choice(["release", "settle", "leave"])
    when = 1, world.chance.uniform(0, WITHIN)
    victim = world.consumer("-t", "0", start=False, **death(step, *when, signal.SIGTERM))
    if step == "settle":  # It stops by itself, and is told so again.
        eventually(lambda: world.has("began", by=victim.who) or not victim.is_alive, "a task")
    else:
        victim.wait_for(partial(_has_started, world, victim, 1), "a start")
    world.pause(0.0, 0.3)
    if victim.is_alive:
        victim.send(signal.SIGTERM)
    victim.ends()
    _ended_well(world, victim)


@fault()
def short_timeout(world: World) -> None:
    """-t is shorter than the tasks are: they are interrupted, and run again elsewhere."""
    victim = world.consumer("-t", f"{world.chance.uniform(0, 0.05):.3f}")
    world.pause(0.1, 0.5)
    victim.stop(patience=INTERRUPTED_STOP)


@fault()
def graceful_signal(world: World) -> None:
    """-g INT or -g TERM: that signal lets tasks end, the other one interrupts them."""
    graceful, hasty = world.chance.sample([signal.SIGTERM, signal.SIGINT], 2)
    number = world.chance.choice([graceful, hasty])
    victim = world.consumer("-t", "60", "-g", graceful.name.removeprefix("SIG"))
    world.pause(0.1, 0.5)
    if number == graceful:
        stop_well(world, victim, number)
    else:
        victim.stop(number, INTERRUPTED_STOP)


def _ended_well(world: World, consumer: Consumer) -> None:
    status = consumer.process.returncode
    # A signal after it has stopped, and before the process is gone, ends it at once.
    late = status in (-signal.SIGTERM, -signal.SIGINT, 130)
    if status != 0 and not (late and _has_stopped(world, consumer)):
        raise Failed(f"{consumer.who} ended with {status}:\n{consumer.said[-3000:]}")


def _has_stopped(world: World, consumer: Consumer) -> bool:
    return world.count("stopped", by=consumer.who) == world.count("started", by=consumer.who)


@scenario()
def rolling_deploy(world: World) -> None:
    """Three consumers are replaced one after another, again and again: nothing runs twice."""
    with world.producing(60.0):
        olds = list(world.staff(3, "-t", "60"))
        for _ in range(world.times(2)):
            for old in olds:
                world.consumer("-t", "60")
                world.pause(0.0, 0.5)
                stop_well(world, old)
            olds = world.alive()
    world.drain()
    nothing_twice(world)


@scenario()
def rolling_restart(world: World) -> None:
    """Three consumers are restarted by SIGHUP one after another, again and again: nothing runs
    twice."""
    with world.producing(60.0):
        staff = world.staff(3, "-t", "60")
        for _ in range(world.times(2)):
            for consumer in staff:
                world.pause(0.0, 0.5)
                restart(world, consumer)
    world.drain()
    nothing_twice(world)


@scenario()
def max_tasks(world: World) -> None:
    """-M: two consumers start anew after each 50 tasks, under load; nothing runs twice."""
    with world.producing(60.0):
        staff = world.staff(2, "-t", "60", "-M", "50")
        for consumer in staff:
            times = 1 + world.times(3)
            consumer.wait_for(partial(_has_started, world, consumer, times), "a restart")
    # A stop that comes while they start anew ends them before they listen to it.
    for consumer in staff:
        consumer.send(signal.SIGTERM)
        consumer.ends()
        _ended_well(world, consumer)
    world.drain()
    nothing_twice(world)


@scenario()
def long_tasks(world: World) -> None:
    """Consumers stop in all ways amidst tasks of seconds, which are interrupted or awaited."""
    ways = [second_signal, second_signal_in_step, short_timeout, graceful_signal]
    with world.producing(20.0, 1.0):
        world.staff(1, "-w", "100")
        for _ in range(world.times(2)):
            for way in world.chance.sample(ways, len(ways)):
                way(world)
    world.drain()


@scenario()
def stop_while_empty(world: World) -> None:
    """Consumers stop quickly while they wait for a message."""
    with world.producing(20.0):
        world.staff(1)
        world.works(20)
    world.drain()
    slowest = 0.0
    for _ in range(world.times(6)):
        consumer = world.consumer()
        world.pause(0.0, 1.5)
        number = world.chance.choice([signal.SIGTERM, signal.SIGINT])
        consumer.stop(number, IDLE_STOP)
        records = world.records()
        told, ended = (
            next(r["at"] for r in records if r["what"] == what and r.get("who") == consumer.who)
            for what in ("signal", "ended-process")
        )
        slowest = max(slowest, ended - told)
    world.figures["slowest stop, s"] = slowest


stubborn_world = partial(World, settings={"modules": ["chaos.stubborn"]})

#: Seconds that a stubborn task takes: longer than a timeout of half a second and the five for
#: cleaning up.
STUBBORN = 9.0


@scenario(make=stubborn_world)
def stubborn_tasks(world: World) -> None:
    """Consumers stop though a task does not: it swallows its interruption, holds the hub, or
    sits in a native thread."""
    slowest = 0.0
    with world.producing(40.0):
        for number in range(world.times(1)):
            for name in world.chance.sample(["swallowing", "native", "holding"], 3):
                holder = _busy_with(world, name, f"{name}-{number}")
                begins = time.monotonic()
                holder.send(signal.SIGTERM)
                if name == "holding":  # Nothing but a second signal reaches it.
                    world.pause(0.5, 1.0)
                    holder.send(signal.SIGTERM)
                holder.ends(INTERRUPTED_STOP)
                _ended_well(world, holder)
                slowest = max(slowest, time.monotonic() - begins)
    world.drain()
    world.figures["slowest stop, s"] = slowest


def _busy_with(world: World, name: str, job: str) -> Consumer:
    """Have a stubborn task begin; return the consumer that has it."""
    staff = world.staff(2, "-t", "0.5")
    _send(world, name, job, STUBBORN)
    eventually(lambda: world.has("began", job=job), f"{job} begins")
    [by] = [r["by"] for r in world.records() if r["what"] == "began" and r["job"] == job]
    return next(consumer for consumer in staff if consumer.who == by)


def _send(world: World, name: str, job: str, seconds: float) -> None:
    huey = world.app.huey
    task_class = huey.registry.string_to_task(f"chaos.stubborn.{name}")
    world.ledger.note("sends", job=job, kind="plain", due_at=None)
    result: Any = huey.enqueue(task_class((job, seconds)))
    world.ledger.note("accepted", job=job, kind="plain", result=result.id, due_at=None)
