# SPDX-License-Identifier: MIT
"""How a queue lies on servers when it is spread over shards, and that all agree on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.crc import key_slot

from huey_green.exceptions import ConfigurationError
from huey_green.storage.redis.clusters import SCHEMES

if TYPE_CHECKING:
    from huey_green.storage.redis.connect import Link

#: Each has connections and services of its own in each consumer.
MOST_SHARDS = 256

SLOTS = 16384

#: A quarter of what is between the slots of two shards when there are most.
EDGE = SLOTS // MOST_SHARDS // 4

#: What says where one server is, and cannot be said beside ``urls``.
_PLACES = ("url", "host", "port", "path", "unix_socket_path", "cluster", "connection_pool")


class Layout(NamedTuple):
    """How many shards there are, and on how many servers.

    ``key`` is where that is written down: on each server, or once in a cluster, where it lies
    with the first shard. ``servers`` has the settings of each; ``where`` names them to a reader.
    """

    key: str
    shards: int
    servers: tuple[Mapping[str, Any], ...]
    is_cluster: bool
    where: str = ""

    def server_of(self, shard: int) -> int:
        """Return which of the servers has a shard."""
        return shard % len(self.servers)

    def check(self, link: Link, shard: int) -> None:
        """Ask the server of a shard whether it knows the same; tell it if it knows nothing.

        Raises ``ConfigurationError`` if not.
        """
        ours = self._said(shard)
        known = link.execute("GET", self.key)
        if known is None:
            # Another one may say it first, and another thing.
            known = link.together(("SET", self.key, ours, "NX"), ("GET", self.key))[-1]
        if known is not None and known.decode() != ours:
            raise ConfigurationError(
                f"Redis at {link.where} knows this queue as {known.decode(errors='replace')}, and "
                f"this Huey says {ours}. Where a task lies depends on that: give all programs the "
                "same shards= and the same urls= in the same order. To change them, see "
                '"Changing the number of shards" in docs/scaling.md'
            )

    def forget(self, link: Link, shard: int) -> None:
        """Let the next one who comes say how the queue lies."""
        if not self.is_cluster or shard == 0:
            link.execute("DEL", self.key)

    def _said(self, shard: int) -> str:
        if self.is_cluster:
            return f"{self.shards} shards in a cluster"
        own = range(self.server_of(shard), self.shards, len(self.servers))
        named = ", ".join(map(str, own))
        return f"{self.shards} shards, of which {named} are here"


def layout_of(tag: str, kwargs: dict[str, Any]) -> Layout:
    """Take what is said of shards and their servers out of ``kwargs``; ``tag`` is the queue's."""
    given, urls = kwargs.pop("shards", None), kwargs.pop("urls", None)
    servers = _servers(urls, kwargs)
    shards = len(servers) if given is None else given
    if not isinstance(shards, int) or isinstance(shards, bool) or not 1 <= shards <= MOST_SHARDS:
        raise ConfigurationError(f"shards is a whole number from 1 to {MOST_SHARDS}, not {given!r}")
    if shards < len(servers):
        raise ConfigurationError(
            f"shards={shards} for {len(servers)} servers: each server has one at least"
        )
    is_cluster = kwargs.get("cluster") is not None or str(kwargs.get("url")).startswith(
        tuple(SCHEMES)
    )
    return Layout(f"huey.shards.{{{tags_of(tag, 1)[0]}}}", shards, servers, is_cluster)


def _servers(urls: object, kwargs: dict[str, Any]) -> tuple[Mapping[str, Any], ...]:
    pools = kwargs.get("connection_pool")
    if isinstance(pools, (list, tuple)) and urls is None:
        if not pools:
            raise ConfigurationError("connection_pool is a pool, or a list with one at least")
        del kwargs["connection_pool"]
        return tuple({"connection_pool": pool} for pool in pools)
    if urls is None:
        return ({},)
    if isinstance(urls, str) or not isinstance(urls, Sequence) or not urls:
        raise ConfigurationError("urls is a list of the servers' URLs, one at least")
    if not all(isinstance(url, str) for url in urls):
        raise ConfigurationError("urls is a list of strings, as 'redis://10.0.0.1:6379/0'")
    for name in _PLACES:
        if kwargs.get(name) is not None:
            raise ConfigurationError(f"{name}= and urls= both say where Redis is: leave one out")
    if len(set(urls)) < len(urls):
        raise ConfigurationError(
            "urls has a server twice: name each once, and say shards= to have more than one on each"
        )
    if any(url.startswith(tuple(SCHEMES)) for url in urls):
        raise ConfigurationError(
            "urls is for servers of their own; of a cluster name some nodes: cluster=[...]"
        )
    return tuple({"url": url} for url in urls)


def tags_of(tag: str, count: int) -> list[str]:
    """Return what the names of the keys of each shard have in braces.

    In a cluster this tells the slot. They are chosen so that the slots lie evenly: where masters
    have equal shares of the slots, they have equal shares of the shards, if the one number can be
    divided by the other. The first is the same for any number of shards.
    """
    tags = []
    for shard in range(count):
        begins = shard * SLOTS // count
        tried = 0
        # Not next to where the slots of another master may begin.
        while not EDGE <= key_slot(f"{tag}.{shard}.{tried}".encode()) - begins < 3 * EDGE:
            tried += 1
        tags.append(f"{tag}.{shard}.{tried}")
    return tags


def tag_of(name: str, clean: bool) -> str:
    """Return a queue's name as it can stand in braces."""
    tag = re.sub("[^A-Za-z0-9]", "", name) if clean else name
    if not tag or "{" in tag or "}" in tag:
        raise ConfigurationError(
            "name: on a cluster, and of a queue with shards, it has a letter or a digit at least,"
            " and no { or }"
        )
    return tag
