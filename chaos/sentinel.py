# SPDX-License-Identifier: MIT
"""Failover: a master, two replicas and three sentinels, and what consumers make of it.

Replication is asynchronous: what a master has confirmed and not yet passed on when it ends is
lost by Redis itself. Such jobs are forgiven, and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import redis

from chaos.outages import RECOVERED, note_recovery
from chaos.processes import Failed, eventually
from chaos.registry import scenario
from chaos.world import REDIS_KINDS, World
from huey_green.testing.redis import PrivateRedis

SERVICE = "chaos"
REPLICAS, SENTINELS, QUORUM = 2, 3, 2

#: Milliseconds of silence after which a sentinel holds a server for dead.
DOWN_AFTER = 1000

#: Seconds after the sentinels name the new master within which all consumers work with it. A
#: command that a silent master does not answer is given up after 2 s (``app._sentinel_pool``).
ORDERLY, SILENT = 3.0, 5.0

#: Records of what a storage has confirmed.
_STEPS = ("accepted", "began", "ended", "failed", "tick")

#: Seconds before the end of a master of which it may not have told its replicas.
REPLICATION_LAG = 1.0


class _SentinelServer(PrivateRedis):
    """A sentinel that watches one master."""

    def __init__(self, master: int) -> None:
        super().__init__()
        self._master = master

    def _options(self, directory: str) -> list[str]:
        config = Path(directory, "sentinel.conf")
        if not config.exists():  # It writes down in it what it learns.
            lines = (
                f"port {self.port}",
                "bind 127.0.0.1",
                f"dir {directory}",
                f"logfile {Path(directory, 'redis.log')}",
                f"sentinel monitor {SERVICE} 127.0.0.1 {self._master} {QUORUM}",
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}",
                f"sentinel failover-timeout {SERVICE} 6000",
                f"sentinel parallel-syncs {SERVICE} 2",
            )
            config.write_text("\n".join(lines) + "\n")
        return [str(config), "--sentinel"]


class Trio:
    """The servers, by their ports, and the sentinels."""

    def __init__(self, ending: ExitStack) -> None:
        safe = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2")
        # Replicas ask for a full copy by way of memory, at once.
        quick = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
        master = ending.enter_context(PrivateRedis(True, arguments=(*safe, *quick)))
        self.servers = {master.port: master}
        for _ in range(REPLICAS):
            follows = ("--replicaof", "127.0.0.1", str(master.port))
            server = PrivateRedis(True, arguments=(*safe, *quick, *follows))
            ending.enter_context(server)
            self.servers[server.port] = server
        self.sentinels = [
            ending.enter_context(_SentinelServer(master.port)) for _ in range(SENTINELS)
        ]
        self._clients: list[Any] = [
            redis.Redis(port=one.port, socket_timeout=5.0) for one in self.sentinels
        ]
        for client in self._clients:
            ending.callback(client.close)
        eventually(self.is_whole, "a whole trio")

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the sentinels are."""
        return [("127.0.0.1", one.port) for one in self.sentinels]

    def is_whole(self) -> bool:
        """Whether each sentinel knows all others, and a master with all replicas."""
        return all(map(self._sees_all, self._clients))

    def _sees_all(self, client: Any) -> bool:
        state = client.sentinel_master(SERVICE)
        replicas = client.sentinel_slaves(SERVICE)
        good = [one for one in replicas if one["master-link-status"] == "ok"]
        return (
            state["num-other-sentinels"] == SENTINELS - 1
            and state["flags"] == "master"
            and len([one for one in good if one["flags"] == "slave"]) == REPLICAS
        )

    @property
    def master(self) -> int:
        """The port of the master, as all sentinels say; 0 while they do not agree."""
        ports = {
            int(client.sentinel_get_master_addr_by_name(SERVICE)[1]) for client in self._clients
        }
        return ports.pop() if len(ports) == 1 else 0

    def has_another(self, before: int) -> bool:
        """Say whether there is another master than ``before``, as all sentinels say."""
        return self.master not in (0, before)

    def takes_writes(self) -> bool:
        """Say whether the master does, and so has a replica."""
        with redis.Redis(port=self.master or 1, socket_timeout=1.0) as client:
            try:
                return bool(client.set("takes-writes", "1"))
            except redis.RedisError:
                return False

    def order_failover(self) -> None:
        """Have the sentinels choose another master."""
        self._clients[0].execute_command("SENTINEL", "FAILOVER", SERVICE)


class SentinelWorld(World):
    """A world whose Redis is a trio of sentinels and what they watch."""

    trio: Trio

    def __init__(self, kind: str, seed: str, scale: float) -> None:
        super().__init__(kind, seed, scale)

    def __enter__(self) -> SentinelWorld:
        self.trio = Trio(self._ending)
        self._own_settings |= {"sentinels": self.trio.addresses, "service": SERVICE}
        super().__enter__()
        return self


@contextmanager
def _sentinels(kind: str, seed: str, scale: float) -> Iterator[World]:
    with SentinelWorld(kind, seed, scale) as world:
        yield world


@scenario(REDIS_KINDS, make=_sentinels)
def failover(world: World) -> None:
    """Sentinel makes another server the master: by order, after kill -9, after a hang."""
    assert isinstance(world, SentinelWorld)
    trio = world.trio

    def order(server: PrivateRedis) -> None:
        trio.order_failover()

    courses: tuple[tuple[Callable[[PrivateRedis], None], float], ...] = (
        (order, ORDERLY),
        (PrivateRedis.kill, ORDERLY),
        (PrivateRedis.pause, SILENT),
    )
    with world.producing(200.0):
        consumers = world.staff(3)
        for _ in range(world.times(1)):
            for end, bound in world.some(courses):
                eventually(trio.is_whole, "a whole trio")
                world.works(50)
                before = trio.master
                server = trio.servers[before]
                with world.outage(f"failover, {end.__name__}"):
                    ended_at = time.monotonic()
                    end(server)
                    eventually(partial(trio.has_another, before), "a new master")
                    named_at = time.monotonic()
                    # It waits for a replica, or what it confirms could be lost with it.
                    eventually(trio.takes_writes, "a master that takes writes")
                    good_at = time.monotonic()
                    note_recovery(world, consumers, good_at, bound)
                    note_moment(
                        world, f"{end.__name__}: new master named after, s", named_at - ended_at
                    )
                    note_moment(world, f"{end.__name__}: takes writes after, s", good_at - ended_at)
                    if end is PrivateRedis.kill:
                        server.start()
                    elif end is PrivateRedis.pause:
                        server.resume()
                    eventually(trio.is_whole, "a whole trio")
                forgive(world, ended_at - REPLICATION_LAG, good_at)
        world.works(50)
    world.drain()
    count_lost(world)
    if RECOVERED not in world.figures:
        raise Failed("there was no failover")


def note_moment(world: World, name: str, seconds: float) -> None:
    world.figures[name] = max(seconds, world.figures.get(name, 0.0))


def forgive(world: World, since: float, until: float) -> None:
    """Note which jobs had a step when the old master may not have told its replicas of it."""
    for record in world.records():
        if record["what"] in _STEPS and since <= record["at"] <= until:
            job = record.get("job", record.get("id"))
            world.ledger.note("forgiven", job=job, why="asynchronous replication")


def count_lost(world: World) -> None:
    """Tell how many of the forgiven jobs there is no trace of."""
    records = world.records()
    begun = {record["job"] for record in records if record["what"] == "began"}
    accepted = {record["job"] for record in records if record["what"] == "accepted"}
    forgiven = {record["job"] for record in records if record["what"] == "forgiven"}
    kept = {*world.waiting(), *world.dead()}
    lost = len((forgiven & accepted) - begun - kept)
    world.figures["accepted by a master that its replicas had left, and lost with it"] = lost
