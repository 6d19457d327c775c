# SPDX-License-Identifier: MIT
"""Redis Cluster: another master for a queue's slot, and what consumers make of it.

Replication is asynchronous here as well: see ``chaos.sentinel`` for what is forgiven.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from chaos.outages import RECOVERED, note_recovery
from chaos.processes import Failed, eventually
from chaos.registry import scenario
from chaos.sentinel import ORDERLY, REPLICATION_LAG, SILENT, count_lost, forgive, note_moment
from chaos.world import REDIS_KINDS, World
from huey_green.testing.redis_cluster import Node, PrivateCluster

#: The queue, which is its hash tag.
NAME = "chaos"

#: Milliseconds of silence after which a master is replaced.
NODE_TIMEOUT = 1000

#: How often a short run moves the slot.
MOVES = 5


class ClusterWorld(World):
    """A world whose Redis is three masters with a replica each."""

    cluster: PrivateCluster

    def __init__(self, kind: str, seed: str, scale: float) -> None:
        super().__init__(kind, seed, scale)

    def __enter__(self) -> ClusterWorld:
        self.cluster = self._ending.enter_context(
            PrivateCluster(timeout=NODE_TIMEOUT, appendonly=True)
        )
        # Not that the queue is there: so that no other server is started.
        self._server = next(iter(self.cluster.nodes.values()))
        self._own_settings |= {
            "url": f"redis+cluster://{','.join(self.cluster.addresses)}",
            "options": {"socket_timeout": 2.0, "socket_connect_timeout": 1.0},
        }
        super().__enter__()
        return self

    @property
    def master(self) -> Node:
        """The master of the queue, which all nodes that answer agree on."""
        return self.cluster.master_of(NAME)


@contextmanager
def _clusters(kind: str, seed: str, scale: float) -> Iterator[World]:
    with ClusterWorld(kind, seed, scale) as world:
        yield world


@scenario(REDIS_KINDS, make=_clusters)
def cluster_failover(world: World) -> None:
    """A replica takes its master's place: by order, after kill -9, after a hang."""
    assert isinstance(world, ClusterWorld)
    cluster = world.cluster

    def order(server: Node) -> None:
        cluster.replica_of(server).ask("CLUSTER", "FAILOVER")

    courses: tuple[tuple[Callable[[Node], None], float], ...] = (
        (order, ORDERLY),
        (Node.kill, ORDERLY),
        (Node.pause, SILENT),
    )
    with world.producing(200.0):
        consumers = world.staff(3)
        for _ in range(world.times(1)):
            for end, bound in world.some(courses):
                eventually(cluster.is_whole, "a whole cluster")
                world.works(50)
                server = world.master
                with world.outage(f"cluster failover, {end.__name__}"):
                    ended_at = time.monotonic()
                    end(server)
                    eventually(partial(_has_another, world, server), "a new master")
                    good_at = time.monotonic()
                    note_recovery(world, consumers, good_at, bound)
                    note_moment(world, f"{end.__name__}: new master after, s", good_at - ended_at)
                    if end is Node.kill:
                        server.start()
                    elif end is Node.pause:
                        server.resume()
                    eventually(cluster.is_whole, "a whole cluster")
                forgive(world, ended_at - REPLICATION_LAG, good_at)
        world.works(50)
    world.drain()
    count_lost(world)
    if RECOVERED not in world.figures:
        raise Failed("there was no failover")


def _has_another(world: ClusterWorld, before: Node) -> bool:
    return world.master is not before and not before.leads


@scenario(REDIS_KINDS, make=_clusters)
def cluster_reshard(world: World) -> None:
    """The queue's slot moves to another master, and on, while tasks run."""
    assert isinstance(world, ClusterWorld)
    with world.producing(100.0):
        consumers = world.staff(3)
        for _ in range(world.times(MOVES)):
            world.works(30)
            with world.outage("cluster reshard"):
                began_at = time.monotonic()
                world.cluster.reshard(NAME)
                good_at = time.monotonic()
                note_recovery(world, consumers, good_at, ORDERLY)
                note_moment(world, "the slot was on its way for, s (at most)", good_at - began_at)
    world.drain()
