# SPDX-License-Identifier: MIT
"""kill -9, at random moments and in the middle of each step."""

from __future__ import annotations

from chaos.observed import death
from chaos.registry import fault, scenario
from chaos.world import World

#: The steps in the middle of which a consumer dies, and the latest call that it makes before.
STEPS = {"fetch": 30, "settle": 30, "promote": 3, "extend": 2, "enqueue_once": 2}

#: How long after its beginning a step is cut off, in seconds at most: such a step takes about
#: half a millisecond, one that has to wait longer.
WITHIN = 0.002


@fault()
def kill(world: World) -> None:
    """kill -9 of a consumer at a random moment; another takes its place."""
    victim = world.chance.choice(world.staff(2))
    world.pause(0.0, 0.5)
    victim.kill()
    world.staff(2)


@fault()
def kill_in_step(world: World) -> None:
    """A consumer dies in the middle of fetch, settle, promote, extend or enqueue_once."""
    step, latest = world.chance.choice(list(STEPS.items()))
    call = world.chance.randint(1, latest)
    victim = world.consumer(start=False, **death(step, call, world.chance.uniform(0, WITHIN)))
    victim.ends()
    world.staff(2)


@fault()
def kill_in_reclaim(world: World) -> None:
    """A consumer is killed, and the one that takes its tasks back dies in the middle of that."""
    world.chance.choice(world.staff(2)).kill()
    victim = world.consumer(start=False, **death("reclaim", 1, world.chance.uniform(0, WITHIN)))
    victim.ends()
    world.staff(2)


@fault()
def kill_in_shutdown(world: World) -> None:
    """A consumer that was told to stop is killed while it hands back what it has."""
    victim = world.consumer("-t", "0.2")
    world.pause(0.1, 0.5)
    victim.process.terminate()
    world.pause(0.0, 0.5)
    victim.kill()
    world.staff(2)


@scenario()
def kill_all(world: World) -> None:
    """All consumers are killed at once, again and again, under load."""
    with world.producing():
        for _ in range(world.times(4)):
            world.staff(3)
            world.pause(0.2, 1.0)
            for consumer in world.alive():
                consumer.kill()
    world.drain()
