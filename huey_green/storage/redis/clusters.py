# SPDX-License-Identifier: MIT
"""Redis Cluster: which node is the master of a queue's slot, and how to stay with it.

A queue's keys share a hash tag, so that all of them lie in one slot, and one master has them. So
a connection is one to that master, as elsewhere; only where that is has to be found out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import redis
from redis.crc import key_slot

from huey_green.exceptions import ConfigurationError, StorageRefused, StorageUnavailable
from huey_green.storage.redis.refusals import Redirection

Address = tuple[str, int]

#: What a URL of a cluster begins with, and one of its nodes' would.
SCHEMES = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}

#: Seconds that a node has to say where the slots are, before another one is asked.
ASKING_TIMEOUT = 2.0

#: What to tell who takes a node for a server of its own.
IS_A_NODE = (
    'is a node of a cluster: name some of its nodes, as RedisHuey(NAME, cluster=["HOST:PORT", ...])'
    " in place of host, port and db, or let the url begin with redis+cluster:// (rediss+cluster://"
    " with TLS)"
)

#: Settings that say where one server is.
_ONE_PLACE = ("host", "port", "path", "unix_socket_path")

_NODE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\],]+)(:(?P<port>\d{1,5}))?")


class NoCluster(redis.ResponseError):
    """The server is none of a cluster."""


class Redirected(StorageUnavailable):
    """Another node serves the slot, or will soon: a command with keys was not carried out.

    ``asks_at`` is the node that may be asked for this once, while the slot is on its way there.
    """

    asks_at: Address | None = None
    #: The next connection goes elsewhere.
    has_moved = False


class Nodes(NamedTuple):
    """What a user said of a cluster, as far as it is not in the settings for every connection."""

    texts: tuple[str, ...]
    #: A URL of the first node, if there is one.
    url: str | None
    slot: int

    def addresses(self) -> list[Address]:
        """Return the nodes; raise ``ConfigurationError`` that shows none of them."""
        return [_address(text) for text in self.texts]


def said_of_cluster(url: object, given: dict[str, Any]) -> Nodes | None:
    """Take what is said of a cluster out of ``given`` and ``url``; None when that is nothing."""
    texts, tag = given.pop("cluster", None), given.pop("slot_of", None)
    scheme = next((one for one in SCHEMES if str(url).startswith(one)), None)
    if texts is None and scheme is None:
        return None
    if texts is not None and url not in (None, ""):
        raise ConfigurationError("give either cluster or url, not both")
    for name in sorted(given.keys() & {*_ONE_PLACE}):
        raise ConfigurationError(f"{name}= is for one server, and there is a cluster: leave it out")
    if not tag:
        raise ConfigurationError(
            "cluster: all keys of a queue have to be in one slot, which RedisHuey and the other"
            " Hueys of Redis see to; use one of those"
        )
    first = None
    if scheme is not None:
        place, mark, rest = _cut(str(url).removeprefix(scheme))
        who, at, hosts = place.rpartition("@")
        texts = hosts.split(",")
        first = f"{SCHEMES[scheme]}{who}{at}{texts[0]}{mark}{rest}"
    elif isinstance(texts, str) or not isinstance(texts, Iterable):
        texts = None
    else:
        texts = list(texts)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ConfigurationError(
            "cluster: expected a list of some of its nodes, as ['10.0.0.1:7000', '10.0.0.2:7000']"
        )
    return Nodes(tuple(texts), first, key_slot(str(tag).encode()))


def _cut(rest: str) -> tuple[str, str, str]:
    """Return what stands before the path or the query of a URL, the first mark, and the rest."""
    found = re.search("[/?#]", rest)
    at = found.start() if found else len(rest)
    return rest[:at], rest[at : at + 1], rest[at + 1 :]


def _address(text: str) -> Address:
    found = _NODE.fullmatch(text)
    port = int(found["port"] or 6379) if found else 0
    if not found or not 0 < port < 65536:
        # Not shown: a password may have strayed into it.
        raise ConfigurationError(
            "cluster: expected HOST:PORT for each node, as '10.0.0.1:7000' or '[::1]:7000'"
        )
    return found["host"].strip("[]"), port


class Cluster:
    """Finds the master of one slot. Any greenlet or thread may ask; no connection is kept."""

    def __init__(
        self,
        nodes: Iterable[Address],
        slot: int,
        connection_class: type,
        settings: Mapping[str, Any],
    ) -> None:
        self._seeds = list(nodes)
        self._slot = slot
        self._connection_class = connection_class
        self._settings = settings
        #: Whom to ask, in this order.
        self._nodes = list(self._seeds)
        self._master: Address | None = None

    @property
    def names(self) -> str:
        """The nodes that the user has named, for a reader."""
        return ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self._seeds
        )

    def master(self, patience: float | None) -> Address:
        """Return where the master is; a node that is asked has ``patience`` seconds to answer.

        Raises an error of redis-py's when no node knows.
        """
        if self._master is None:
            self._master = self._ask(min(patience or math.inf, ASKING_TIMEOUT))
        return self._master

    def doubt(self) -> None:
        """Ask again before the next connection."""
        self._master = None

    def moved(self, host: str, port: int) -> None:
        """Take note that a node has said where the slot is now."""
        self._master = (host, port) if host else None

    def connection_to(self, address: Address) -> Any:
        """Return a connection to a node, which is not opened yet and belongs to the caller."""
        settings = {**self._settings, "decode_responses": False, "protocol": 2}
        return self._connection_class(host=address[0], port=address[1], **settings)

    def _ask(self, patience: float) -> Address:
        unasked, asked = list(self._nodes), []
        failure: redis.RedisError | OSError | None = None
        while unasked:
            node = unasked.pop(0)
            asked.append(node)
            try:
                known, master = self._asked(node, patience)
            except (redis.RedisError, OSError) as error:
                # What only a person can change is worth more than that another node is away.
                if failure is None or isinstance(failure, (redis.ConnectionError, OSError)):
                    failure = error
                continue
            finally:
                # Who was asked is the last to be asked again: he may be dead, or cut off from the
                # others and not know it.
                self._nodes = [*unasked, *asked]
            known += self._seeds
            self._nodes = [
                *(one for one in dict.fromkeys([*unasked, *known]) if one not in asked),
                *(one for one in asked if one in known),
            ]
            if master is not None:
                return master
            failure = redis.ConnectionError(f"slot {self._slot} of the cluster has no master")
        raise failure or redis.ConnectionError("the cluster has no nodes")

    def _asked(self, node: Address, patience: float) -> tuple[list[Address], Address | None]:
        """Return all nodes that a node knows, and the master of our slot."""
        connection = self.connection_to(node)
        connection.socket_timeout = connection.socket_connect_timeout = patience
        try:
            connection.connect()
            connection.send_command("CLUSTER", "SLOTS")
            answer = connection.read_response()
        except redis.ResponseError as error:
            if "cluster support disabled" not in str(error):
                raise
            raise NoCluster(
                f"{node[0]}:{node[1]} is no node of a cluster: leave cluster= out, or +cluster out"
                " of the url"
            ) from None
        finally:
            connection.disconnect()
        known: list[Address] = []
        master = None
        for first, last, *servers in answer:
            places = [_place(server, node) for server in servers]
            known += places
            if first <= self._slot <= last:
                master = places[0]
        return list(dict.fromkeys(known)), master


def _place(server: list[Any], told_by: Address) -> Address:
    """Return where a server of CLUSTER SLOTS is; one without a name is where we asked."""
    name = (server[0] or b"").decode()
    return (told_by[0] if name in ("", "?") else name), int(server[1])


class _ToMaster:
    """A connection that goes to the master of a slot, wherever that is when it is opened."""

    def __init__(self, cluster: Cluster, **settings: Any) -> None:
        self._cluster = cluster
        super().__init__(**settings)

    def connect(self: Any) -> None:
        """Open the connection, unless it is open."""
        if self._sock is None:
            self.host, self.port = self._cluster.master(self.socket_timeout)
        try:
            super().connect()  # type: ignore[misc]
        except BaseException:
            self._cluster.doubt()
            raise


class ClusterConnection(_ToMaster, redis.Connection):
    """One without TLS."""


class TLSClusterConnection(_ToMaster, redis.SSLConnection):
    """One with TLS."""


class ClusterPool(redis.ConnectionPool):
    """A pool whose connections go to the master of a slot."""

    def __init__(self, pool: redis.ConnectionPool, nodes: Nodes) -> None:
        """``pool`` is one to the first node: it has the settings that all connections share."""
        settings = dict(pool.connection_kwargs)
        for name in ("host", "port"):
            settings.pop(name, None)
        is_tls = issubclass(pool.connection_class, redis.SSLConnection)
        connection_class = TLSClusterConnection if is_tls else ClusterConnection
        self.cluster = Cluster(nodes.addresses(), nodes.slot, pool.connection_class, settings)
        super().__init__(connection_class, cluster=self.cluster, **settings)


def connection_at(pool: redis.ConnectionPool, address: Address) -> Any:
    """Return a connection to a node of the cluster of a pool, not opened yet."""
    assert isinstance(pool, ClusterPool)
    return pool.cluster.connection_to(address)


def left(pool: redis.ConnectionPool) -> None:
    """Take note that the server of a pool's connections may be the wrong one by now."""
    if isinstance(pool, ClusterPool):
        pool.cluster.doubt()


def redirected(pool: redis.ConnectionPool, where: str, said: Redirection) -> StorageUnavailable:
    """Return what to raise when a node refuses a slot; the next connection goes where it says."""
    if not isinstance(pool, ClusterPool) or said.word == "CROSSSLOT":
        return StorageRefused(f"Redis at {where} {IS_A_NODE}")
    if said.word == "MOVED":
        found = Redirected(
            f"Redis at {where}: the queue's slot is at another node, {said.host}:{said.port}"
        )
        found.has_moved = True
        pool.cluster.moved(said.host, said.port)
        return found
    found = Redirected(f"Redis at {where}: the queue's slot is on its way to another node")
    if said.word == "ASK" and said.host:
        found.asks_at = (said.host, said.port)
    return found
