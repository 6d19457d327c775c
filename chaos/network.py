# SPDX-License-Identifier: MIT
"""A network between consumers, producers and Redis that is slow, cuts, swallows and refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from chaos.outages import RECOVERED_WITHIN, note_recovery
from chaos.processes import Consumer
from chaos.proxy import DIRECTIONS, Proxy
from chaos.registry import fault, scenario
from chaos.world import REDIS_KINDS, World
from huey_green.storage.redis.params import SOCKET_TIMEOUT

#: Bytes after which a connection is cut, at most: less than most replies, and more.
MOST = 2000


@contextmanager
def _behind(world: World) -> Iterator[tuple[Proxy, Consumer]]:
    """Lend a consumer that finds Redis through a proxy, as does a producer."""
    with Proxy(world.redis.port) as proxy:
        consumer = world.consumer(CHAOS_URL=proxy.url)
        with world.producing(40.0, 0.05, 1, CHAOS_URL=proxy.url):
            # On record as no more than a moment: an answer may be lost from here on.
            with world.outage("a disturbed network"):
                proxy.heal()
            yield proxy, consumer
            proxy.heal()
        consumer.stop()
        with suppress(ValueError):
            world.consumers.remove(consumer)


@contextmanager
def _away(world: World, consumer: Consumer) -> Iterator[None]:
    """Put on record that a consumer may not reach the storage meanwhile."""
    world.ledger.note("suspended", who=consumer.who)
    try:
        yield
    finally:
        world.ledger.note("resumed", who=consumer.who)


@fault(REDIS_KINDS, repeat=3)
def network_slow(world: World) -> None:
    """Each packet takes up to 200 ms, and few bytes pass in a second."""
    with _behind(world) as (proxy, _):
        proxy.latency = world.chance.uniform(0.005, 0.2)
        proxy.bandwidth = world.chance.choice((0.0, 50_000.0))
        world.pause(2.0, 4.0)


@fault(REDIS_KINDS, repeat=3)
def network_cut(world: World) -> None:
    """Connections end again and again, with RST or FIN, between and within messages."""
    with _behind(world) as (proxy, _):
        for _ in range(10):
            reset = world.chance.random() < 0.5
            if world.chance.random() < 0.5:
                proxy.cut(reset)
            else:
                proxy.cut_after(world.chance.choice(DIRECTIONS), MOST, world.chance, reset)
            world.pause(0.0, 0.5)


@fault(REDIS_KINDS, repeat=3)
def network_late(world: World) -> None:
    """Connections end while what was sent is still on its way, and arrives after all."""
    with _behind(world) as (proxy, _):
        for _ in range(5):
            proxy.latency = world.chance.uniform(0.1, 0.5)
            world.pause(0.0, 0.5)
            proxy.cut_clients()
            proxy.heal()
            world.pause(0.1, 0.5)


@fault(REDIS_KINDS, repeat=3)
def network_swallows(world: World) -> None:
    """Bytes disappear for a while, in one direction or both; their connections stay deaf."""
    with _behind(world) as (proxy, consumer), _away(world, consumer):
        proxy.swallow(*world.chance.choice((DIRECTIONS[:1], DIRECTIONS[1:], DIRECTIONS)))
        world.pause(0.2, 3.0)
        proxy.heal()
        # For so long a heartbeat may wait for an answer that was swallowed.
        world.pause(SOCKET_TIMEOUT, SOCKET_TIMEOUT)


@fault(REDIS_KINDS, repeat=3)
def network_refuses(world: World) -> None:
    """All connections are cut, and new ones are refused for a while."""
    with _behind(world) as (proxy, consumer), _away(world, consumer):
        proxy.refuses = True
        proxy.cut(world.chance.random() < 0.5)
        world.pause(0.2, 3.0)
        proxy.heal()


@scenario(REDIS_KINDS)
def recovery_from_the_network(world: World) -> None:
    """After refused and cut connections all work again within 2 s; after silence, 5 s later."""

    def refuse(proxy: Proxy) -> None:
        proxy.refuses = True
        proxy.cut()
        world.pause(0.5, 5.0)

    def swallow(proxy: Proxy) -> None:
        proxy.swallow()
        world.pause(0.5, 12.0)

    # What was sent into the dark is known to be lost when no answer has come in time.
    outages: tuple[tuple[Callable[[Proxy], None], float], ...] = (
        (refuse, RECOVERED_WITHIN),
        (swallow, SOCKET_TIMEOUT + RECOVERED_WITHIN),
    )
    with Proxy(world.redis.port) as proxy, world.producing(200.0):
        consumers = [world.consumer(CHAOS_URL=proxy.url) for _ in range(3)]
        for _ in range(world.times(1)):
            for outage, bound in outages:
                world.works(50)
                with world.outage(outage.__name__):
                    outage(proxy)
                    proxy.heal()
                    returned_at = time.monotonic()
                    note_recovery(world, consumers, returned_at, bound)
        world.works(50)
        for consumer in consumers:
            consumer.stop()
    world.drain()
