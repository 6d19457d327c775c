# SPDX-License-Identifier: MIT
"""No stampede: what consumers and waiting callers do while Redis is away, and when it is back."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import Any

from chaos.outages import admin, note_recovery
from chaos.processes import Child, Failed, eventually
from chaos.proxy import Proxy
from chaos.registry import scenario
from chaos.world import REDIS_KINDS, World

CONSUMERS, CALLING, CALLERS = 5, 4, 50

#: Seconds that Redis is away, and after which the first waiting caller gets its result.
AWAY, WAITS = 5.0, 20.0

#: Attempts to connect in a second of the outage: each service of a consumer about one, each
#: waiting caller about one of its own accord.
MOST_ATTEMPTS = CONSUMERS * 10 + CALLING * CALLERS * 1.5

#: Connections that are opened in the second after the return: those that were there before, and
#: those that were given up half-way.
MOST_CONNECTIONS = 2 * (CONSUMERS * 6 + CALLING * 3)

#: Commands in that second beside those that the jobs take which were accepted or run in it, as
#: before the outage: each caller looks for its result, with two commands, once or twice.
MOST_COMMANDS = CALLING * CALLERS * 4


@scenario(REDIS_KINDS)
def recovery_of_a_crowd(world: World) -> None:
    """5 consumers and 200 waiting callers go on within 2 s, and do not all come at once."""
    with ExitStack() as ending, Proxy(world.redis.port) as proxy, world.producing(100.0):
        there = {"CHAOS_URL": proxy.url}
        consumers = [world.consumer("-w", "20", CHAOS_URL=proxy.url) for _ in range(CONSUMERS)]
        command = [sys.executable, "-m", "chaos.callers", str(CALLERS), str(WAITS)]
        callers = [
            Child(f"w{number}", world.directory, world.ledger, command, there)
            for number in range(CALLING)
        ]
        for caller in callers:
            ending.callback(caller.kill)
        eventually(lambda: world.count("waits") == CALLING * CALLERS, "all callers to wait")
        world.works(50)
        commands, work = _commands_in_a_second(world)
        usual = commands / work
        with world.outage("refused"):
            proxy.refuses = True
            proxy.cut()
            before = proxy.attempts
            time.sleep(AWAY)
            during = (proxy.attempts - before) / AWAY
            before = proxy.attempts
            proxy.heal()
            returned_at = time.monotonic()
            commands, work = _commands_in_a_second(world)
            connections = proxy.attempts - before
            note_recovery(world, consumers, returned_at)
        _bound(world, "attempts to connect in a second of the outage", during, MOST_ATTEMPTS)
        _bound(world, "connections in the second after it", connections, MOST_CONNECTIONS)
        others = commands - usual * work
        _bound(world, "commands in that second beside those for work", others, MOST_COMMANDS)
        eventually(lambda: world.count("answered") == CALLING * CALLERS, "all callers to be told")
        for caller in callers:
            if caller.ends() != 0:
                raise Failed(f"{caller.who} failed:\n{caller.said[-3000:]}")
        for consumer in consumers:
            consumer.stop()
    world.drain()


def _commands_in_a_second(world: World) -> tuple[int, int]:
    """Return how many commands there were, and how many jobs were accepted or run."""
    with admin(world) as client:
        before, work = _commands(client), _work(world)
        time.sleep(1.0)
        return _commands(client) - before, _work(world) - work


def _work(world: World) -> int:
    return sum(world.count(what) for what in ("accepted", "ended"))


def _commands(client: Any) -> int:
    return int(client.info("stats")["total_commands_processed"])


def _bound(world: World, name: str, found: float, most: float) -> None:
    world.figures[name] = found
    if found > most:
        raise Failed(f"{name}: {found:.0f}, more than {most:.0f}")
