# SPDX-License-Identifier: MIT
"""A Redis that restarts, hangs, refuses, forgets, or cuts its connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import redis

from chaos.processes import Consumer, Failed, eventually
from chaos.registry import fault, scenario
from chaos.world import REDIS_KINDS, World
from huey_green.testing.redis import PrivateRedis

#: Seconds after the return of Redis within which every consumer has ended a new task.
RECOVERED_WITHIN = 2.0

#: What the figure is called.
RECOVERED = "consuming again after, s (at most)"

#: Microseconds that a slow server takes to load a command, and how many it has to load.
LOAD_DELAY, LOADED = 200, 10_000


@contextmanager
def admin(world: World) -> Iterator[Any]:
    """Lend a client to break things with; what it asks for may take its time."""
    client = redis.Redis.from_url(world.redis.url, socket_timeout=None)
    try:
        yield client
    finally:
        client.close()


# Faults: the server.


@fault(REDIS_KINDS)
def redis_killed(world: World) -> None:
    """kill -9 of Redis, which comes back with all that it had confirmed."""
    world.pause(0.0, 0.5)
    with world.outage("redis killed"):
        world.redis.kill()
        world.pause(0.0, 1.5)
        world.redis.start()
    world.works()


@fault(REDIS_KINDS)
def redis_shut_down(world: World) -> None:
    """SHUTDOWN of Redis under load, with and without a last save."""
    world.pause(0.0, 0.5)
    with world.outage("redis shut down"):
        shut_down(world, world.chance.choice(((), ("NOSAVE",), ("SAVE",))))
        world.pause(0.0, 1.0)
        world.redis.start()
    world.works()


def shut_down(world: World, how: tuple[str, ...] = ()) -> None:
    """Have the server end by itself."""
    with admin(world) as client:
        try:
            client.execute_command("SHUTDOWN", *how)
        except redis.ConnectionError:
            world.ledger.note("redis-ended", how=how)  # That is its answer.
    eventually(lambda: not _listens(world), "the end of Redis")
    world.redis.kill()  # Takes note of its end.


def _listens(world: World) -> bool:
    with admin(world) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return False
        return True


@fault(REDIS_KINDS)
def redis_suspended(world: World) -> None:
    """Redis stops (SIGSTOP) for less than a lease, and goes on."""
    with world.outage("redis suspended"):
        world.redis.pause()
        world.pause(0.1, world.lease * 0.6)
        world.redis.resume()
    world.works()


@fault(REDIS_KINDS)
def redis_saves(world: World) -> None:
    """Redis rewrites its log and saves a snapshot under load."""
    with admin(world) as client:
        for verb in ("BGREWRITEAOF", "BGSAVE"):
            eventually(partial(_begun, client, verb), verb)
            world.pause(0.0, 0.3)


def _begun(client: Any, verb: str) -> bool:
    try:
        client.execute_command(verb)
    except redis.ResponseError:  # The one before is under way.
        return False
    return True


# Faults: connections.


@fault(REDIS_KINDS)
def clients_killed(world: World) -> None:
    """CLIENT KILL of all connections, of those that listen, or of a random one."""
    with admin(world) as client:
        for _ in range(3):
            kind = world.chance.choice(("normal", "pubsub", "one"))
            others = [*_others(client)]
            if kind == "one" and others:  # After another outage they may not be back yet.
                client.execute_command("CLIENT", "KILL", "ID", world.chance.choice(others))
            elif kind != "one":
                client.execute_command("CLIENT", "KILL", "TYPE", kind)
            world.pause(0.0, 0.3)
    world.works()


def _others(client: Any) -> Iterator[str]:
    own = str(client.client_id())
    return (one["id"] for one in client.client_list() if one["id"] != own)


@fault(REDIS_KINDS)
def clients_paused(world: World) -> None:
    """CLIENT PAUSE for a second or two, of all commands or of those that write."""
    milliseconds = world.chance.randint(500, 2000)
    with world.outage("clients paused"):
        _pause(world, milliseconds, world.chance.choice(("ALL", "WRITE")))
    world.works()


def _pause(world: World, milliseconds: int, what: str) -> None:
    ends_at = time.monotonic() + milliseconds / 1000
    with admin(world) as client:
        client.execute_command("CLIENT", "PAUSE", milliseconds, what)
    time.sleep(max(0.0, ends_at - time.monotonic()))


@fault(REDIS_KINDS)
def clients_refused(world: World) -> None:
    """All connections are killed, and there is room for a few only: maxclients is reached."""
    with admin(world) as client, world.outage("maxclients"):
        before = _setting(client, "maxclients")
        client.config_set("maxclients", world.chance.randint(2, 4))
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        world.pause(0.2, 2.0)
        client.config_set("maxclients", before)
    world.works()


# Faults: refusals.


@fault(REDIS_KINDS)
def memory_full(world: World) -> None:
    """Redis has no memory left and evicts nothing: it refuses what needs more."""
    with admin(world) as client, world.outage("out of memory"):
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        world.pause(0.2, 2.0)
        client.config_set("maxmemory", 0)
    world.works()


@fault(REDIS_KINDS)
def redis_read_only(world: World) -> None:
    """Redis is a replica for a moment, whose master cannot be reached: it takes no writes."""
    stale = world.chance.choice(("yes", "no"))
    with admin(world) as client, world.outage("read only"):
        client.config_set("replica-serve-stale-data", stale)
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        world.pause(0.2, 2.0)
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.config_set("replica-serve-stale-data", "yes")
    world.works()


@fault(REDIS_KINDS)
def password_changed(world: World) -> None:
    """The password is changed: who has the old one waits until it is good again."""
    url = world.redis.url
    with admin(world) as client, world.outage("password changed"):
        client.config_set("requirepass", "changed")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        known = url.replace("redis://", "redis://:changed@")
        informed = world.consumer(CHAOS_URL=known)
        with world.producing(50.0, 0.05, 1, CHAOS_URL=known):
            world.works()
        client.config_set("requirepass", "")
    informed.stop()
    world.consumers.remove(informed)
    world.works()


@fault(REDIS_KINDS)
def scripts_forgotten(world: World) -> None:
    """SCRIPT FLUSH, several times."""
    with admin(world) as client:
        for _ in range(5):
            client.script_flush()
            world.pause(0.0, 0.1)
    world.works()


def _setting(client: Any, name: str) -> str:
    found: str = client.config_get(name)[name]
    return found


# Scenarios: how soon all go on.


@scenario(REDIS_KINDS)
def recovery_from_restarts(world: World) -> None:
    """After Redis is back all consumers work again within 2 s: killed, shut down, suspended."""

    def restart(world: World) -> None:
        world.redis.kill()
        world.pause(0.0, 5.0)
        world.redis.start()

    def orderly(world: World) -> None:
        shut_down(world)
        world.pause(0.0, 5.0)
        world.redis.start()

    def hang(world: World) -> None:
        world.redis.pause()
        world.pause(0.5, world.lease * 0.6)
        world.redis.resume()

    _outlast(world, (restart, orderly, hang))


@scenario(REDIS_KINDS)
def recovery_from_pauses(world: World) -> None:
    """After a CLIENT PAUSE of 10 s all consumers work again within 2 s."""

    def pause(world: World) -> None:
        _pause(world, 10_000, world.chance.choice(("ALL", "WRITE")))

    _outlast(world, (pause,))


@scenario(REDIS_KINDS)
def recovery_past_the_lease(world: World) -> None:
    """Redis hangs longer than any lease: its tasks stay with consumers that are still alive."""

    def hang(world: World) -> None:
        world.redis.pause()
        world.pause(world.lease * 1.2, world.lease * 2)
        world.redis.resume()

    _outlast(world, (hang,))


@scenario(REDIS_KINDS)
def recovery_from_refusals(world: World) -> None:
    """After refusals (full, read only, connections killed) all work again within 2 s."""

    def full(world: World) -> None:
        with admin(world) as client:
            client.config_set("maxmemory", 1)
            world.pause(0.5, 5.0)
            client.config_set("maxmemory", 0)

    def read_only(world: World) -> None:
        with admin(world) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            world.pause(0.5, 5.0)
            client.execute_command("REPLICAOF", "NO", "ONE")

    def locked_out(world: World) -> None:
        with admin(world) as client:
            client.config_set("requirepass", "changed")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
            world.pause(0.5, 5.0)
            client.config_set("requirepass", "")

    _outlast(world, (full, read_only, locked_out))


@contextmanager
def _slow_loading(kind: str, seed: str, scale: float) -> Iterator[World]:
    # It looks after its clients once in 1,000 commands, and not at all within a snapshot.
    slow = ("--key-load-delay", str(LOAD_DELAY), "--aof-use-rdb-preamble", "no")
    with (
        PrivateRedis(appendonly=True, arguments=slow) as server,
        World(kind, seed, scale, server) as world,
    ):
        yield world


@scenario(REDIS_KINDS, make=_slow_loading)
def recovery_from_loading(world: World) -> None:
    """A Redis that answers LOADING for seconds after its restart is waited for."""
    with admin(world) as client, client.pipeline(transaction=False) as pipe:
        for number in range(LOADED):
            pipe.set(f"ballast-{number}", number)
        pipe.execute()

    def restart(world: World) -> None:
        with admin(world) as client:
            # All that ever happened would take too long.
            eventually(partial(_begun, client, "BGREWRITEAOF"), "BGREWRITEAOF")
            eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "its end")
        world.redis.restart()

    _outlast(world, (restart,))


def _outlast(world: World, outages: tuple[Callable[[World], None], ...]) -> None:
    """Have outages under load, and see to it that all consumers go on soon after each."""
    with world.producing(200.0):
        consumers = world.staff(3)
        for _ in range(world.times(1)):
            for outage in outages:
                world.works(50)
                with world.outage(outage.__name__):
                    outage(world)
                    returned_at = time.monotonic()
                note_recovery(world, consumers, returned_at)
    world.drain()


def note_recovery(
    world: World, consumers: list[Consumer], returned_at: float, bound: float = RECOVERED_WITHIN
) -> None:
    """Wait until each consumer has ended a task that began since; note how long it took."""
    found: dict[str, float] = {}

    def have_all() -> bool:
        world.alive()
        found.update(_first_ends(world, returned_at))
        return all(one.who in found for one in consumers)

    eventually(have_all, "a task of each consumer after the return of Redis")
    seconds = max(found[one.who] for one in consumers) - returned_at
    world.figures[RECOVERED] = max(seconds, world.figures.get(RECOVERED, 0.0))
    if seconds > bound:
        raise Failed(f"consumers went on after {seconds:.2f} s, not within {bound:g} s")


def _first_ends(world: World, since: float) -> dict[str, float]:
    """Return when each consumer first ended a task that it had begun ``since`` then."""
    begun, ends = set(), dict[str, float]()
    for record in world.records():
        if record["what"] == "began" and record["at"] >= since:
            begun.add(record["run"])
        elif record["what"] == "ended" and record["run"] in begun:
            ends.setdefault(record["by"], record["at"])
    return ends
