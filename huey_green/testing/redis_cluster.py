# SPDX-License-Identifier: MIT
"""A Redis Cluster of one's own, for tests: masters and replicas on 127.0.0.1, gone afterwards."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import redis
from redis.crc import key_slot

from huey_green.exceptions import ConfigurationError
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PATIENCE, PrivateRedis

_Connection: Any = redis.Connection

SLOTS = 16384

#: A node talks to the others at its port and so many more.
BUS = 10_000

#: Ports of nodes: below those that a system gives to whoever connects.
_PORTS = range(12_000, 30_000)


class Node(PrivateRedis):
    """One server of a cluster: none of any yet when it starts."""

    def __init__(self, *arguments: str, appendonly: bool = False) -> None:
        super().__init__(appendonly, download=True, arguments=arguments)
        self._is_paused = False

    def start(self) -> PrivateRedis:
        """Start the server and wait until it answers; does nothing when it runs."""
        self.port = self.port or _free_pair()
        return super().start()

    def ask(self, *command: Any) -> Any:
        """Carry out a command; the answer is as the server gives it, in bytes."""
        connection: Any = _Connection(port=self.port, socket_timeout=PATIENCE, protocol=2)
        try:
            connection.connect()
            connection.send_command(*command)
            return connection.read_response()
        finally:
            connection.disconnect()

    def pause(self) -> None:
        """Stop the server from answering, its connections staying open, until ``resume``."""
        self._is_paused = True
        super().pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        super().resume()
        self._is_paused = False

    @property
    def runs(self) -> bool:
        """Whether its process does, and is not paused."""
        return self._runs() and not self._is_paused

    @property
    def id(self) -> str:
        """What the cluster calls it."""
        return str(self.ask("CLUSTER", "MYID").decode())

    @property
    def leads(self) -> bool:
        """Whether it is a master that runs."""
        return self.runs and self.is_master

    @property
    def is_master(self) -> bool:
        """Whether it says so itself."""
        return bool(self.ask("ROLE")[0] == b"master")


class PrivateCluster:
    """Masters with an equal share of the slots each, and replicas of each. A context manager.

    ``timeout`` is the cluster-node-timeout in milliseconds: a master that is silent for so long
    is replaced. ``arguments`` are added to each server's command line. Raises
    ``ConfigurationError`` when there is no redis-server, or none that can be one of a cluster.
    """

    def __init__(
        self,
        masters: int = 3,
        replicas: int = 1,
        *,
        timeout: int = 5000,
        arguments: tuple[str, ...] = (),
        appendonly: bool = False,
    ) -> None:
        self._masters, self._replicas = masters, replicas
        own = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
        # Replicas ask for a full copy by way of memory, at once.
        quick = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
        self._arguments = (*own, "--cluster-node-timeout", str(timeout), *quick, *arguments)
        self._appendonly = appendonly
        self._ending = ExitStack()
        #: The servers by their ports.
        self.nodes: dict[int, Node] = {}

    def __enter__(self) -> PrivateCluster:
        with ExitStack() as ending:
            for _ in range(self._masters * (1 + self._replicas)):
                node = Node(*self._arguments, appendonly=self._appendonly)
                ending.enter_context(node)
                self.nodes[node.port] = node
            self._form()
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.close()

    def _form(self) -> None:
        nodes = list(self.nodes.values())
        masters = nodes[: self._masters]
        share = -(-SLOTS // len(masters))
        for epoch, node in enumerate(nodes, 1):
            try:
                node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            except redis.ResponseError as error:
                raise ConfigurationError(f"this redis-server forms no cluster: {error}") from error
            for other in nodes[:epoch]:
                if other is not node:
                    node.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
        for number, node in enumerate(masters):
            slots = range(number * share, min((number + 1) * share, SLOTS))
            node.ask("CLUSTER", "ADDSLOTS", *slots)
        eventually(lambda: all(_knows(node, len(nodes)) for node in nodes), "a cluster that is met")
        for number, node in enumerate(nodes[self._masters :]):
            node.ask("CLUSTER", "REPLICATE", masters[number % len(masters)].id)
        eventually(self.is_whole, "a whole cluster")

    def is_whole(self) -> bool:
        """Whether all nodes agree on who is whose, nothing is wrong, and replicas have it all."""
        views = [_view(node) for node in self.nodes.values()]
        return all(view == views[0] and view for view in views) and all(
            _is_in_order(node) for node in self.nodes.values()
        )

    @property
    def addresses(self) -> list[str]:
        """All nodes, as ``RedisHuey(cluster=...)`` takes them."""
        return [f"127.0.0.1:{port}" for port in self.nodes]

    def master_of(self, name: str) -> Node:
        """Return the master of the slot of a queue, as the nodes that live agree on."""
        slot = key_slot(name.encode())
        return self.nodes[eventually(lambda: self._agreed_master(slot), f"a master of slot {slot}")]

    def _agreed_master(self, slot: int) -> int:
        """Return its port, 0 while the nodes do not agree, or it is dead."""
        ports = {_master_at(node, slot) for node in self.alive()}
        port = ports.pop() if len(ports) == 1 else 0
        return port if port and self.nodes[port].runs else 0

    def alive(self) -> list[Node]:
        """Return the nodes that run."""
        return [node for node in self.nodes.values() if node.runs]

    def replica_of(self, master: Node) -> Node:
        """Return a replica of a master."""
        return next(
            node
            for node in self.nodes.values()
            if node.runs and node is not master and node.ask("ROLE")[2:3] == [master.port]
        )

    def masters(self) -> list[Node]:
        """Return the masters that have slots."""
        return [node for node in self.nodes.values() if node.leads]

    def fail_over(self, master: Node) -> Node:
        """Have a replica take a master's place in good order; return it when all know."""
        replica = self.replica_of(master)
        replica.ask("CLUSTER", "FAILOVER")
        eventually(lambda: replica.is_master and not master.is_master, "the failover")
        eventually(self.is_whole, "a whole cluster")
        return replica

    def begin_moving(self, slot: int, source: Node, target: Node) -> None:
        """Begin to move a slot: from now on both have a part of it."""
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot: int, source: Node, target: Node) -> Iterator[int]:
        """Move its keys, one by one; yields how many are left before each of them."""
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
            yield int(source.ask("CLUSTER", "COUNTKEYSINSLOT", slot))
            source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_moving(self, slot: int, target: Node) -> None:
        """Give the slot to its new master, and tell all others."""
        others = [node for node in self.masters() if node is not target]
        for node in (target, *others):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)

    def reshard(self, name: str) -> Node:
        """Move the slot of a queue to another master, as redis-cli would; return that."""
        slot, source = key_slot(name.encode()), self.master_of(name)
        target = next(node for node in self.masters() if node is not source)
        self.begin_moving(slot, source, target)
        for _ in self.move_keys(slot, source, target):
            continue
        self.end_moving(slot, target)
        return target


def _free_pair() -> int:
    """Return a port that is free, with that of the bus."""
    while True:
        port = random.choice(_PORTS)
        if _is_free(port) and _is_free(port + BUS):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _knows(node: Node, count: int) -> bool:
    lines = _lines(node)
    return len(lines) == count and not any("handshake" in line for line in lines)


def _lines(node: Node) -> list[str]:
    lines: list[str] = node.ask("CLUSTER", "NODES").decode().splitlines()
    return lines


def _view(node: Node) -> frozenset[tuple[str, ...]]:
    """Return what a node knows: who is there, whose replica, with which slots. Empty in trouble."""
    found = []
    for line in _lines(node):
        name, _, flags, master, _, _, _, link, *slots = line.split()
        if "fail" in flags or "handshake" in flags or "noaddr" in flags:
            return frozenset()
        if link != "connected":
            return frozenset()
        found.append((name, flags.replace("myself,", ""), master, *slots))
    return frozenset(found)


def _is_in_order(node: Node) -> bool:
    if b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
        return False
    role = node.ask("ROLE")
    return bool(role[0] == b"master" or role[3] == b"connected")


def _master_at(node: Node, slot: int) -> int:
    """Return the port of the master of a slot, 0 without one."""
    for first, last, master, *_ in node.ask("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return int(master[1])
    return 0


__all__ = ["Node", "PrivateCluster"]
