# SPDX-License-Identifier: MIT
"""The proxy of the chaos harness breaks what it is told to break, and nothing else."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from chaos.proxy import TO_CLIENT, TO_SERVER, Proxy
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

PING, PONG = b"PING\r\n", b"+PONG\r\n"


@pytest.fixture
def proxy(redis_server: PrivateRedis) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        yield proxy


def connected(proxy: Proxy, patience: float = 20.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=patience)


def ask(sock: socket.socket, question: bytes = PING) -> bytes:
    sock.sendall(question)
    return sock.recv(100)


def answer_of(proxy: Proxy) -> bytes:
    with closing(connected(proxy)) as sock:
        return ask(sock)


def test_bytes_pass_in_both_directions(proxy: Proxy) -> None:
    with closing(connected(proxy)) as sock:
        assert [ask(sock), ask(sock)] == [PONG, PONG]
        assert (proxy.attempts, proxy.connections) == (1, 1)
    eventually(lambda: proxy.connections == 0)


@pytest.mark.parametrize("reset", [True, False])
def test_connections_are_cut_and_new_ones_are_good(proxy: Proxy, reset: bool) -> None:
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG
        assert proxy.cut(reset) == 1
        if reset:
            with pytest.raises(ConnectionResetError):
                sock.recv(100)
        else:
            assert sock.recv(100) == b""
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG


def test_a_reply_is_cut_in_its_midst(proxy: Proxy) -> None:
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG
        assert proxy.cut_after(TO_CLIENT, 3, random.Random(3), reset=False) == 1
        sock.sendall(PING)
        assert len(sock.makefile("rb").read()) <= 3


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_a_connection_whose_bytes_were_swallowed_stays_deaf_and_new_ones_are_good(
    proxy: Proxy, direction: str
) -> None:
    with closing(connected(proxy, 0.2)) as sock:
        assert ask(sock) == PONG
        proxy.swallow(direction)
        with pytest.raises(TimeoutError):
            ask(sock)
        proxy.heal()
        with pytest.raises(TimeoutError):
            ask(sock)
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG


def test_what_was_delayed_arrives_although_its_sender_has_gone(
    proxy: Proxy, redis_server: PrivateRedis
) -> None:
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG
        proxy.latency = 0.1
        sock.sendall(b"SET proxy-test late\r\n")
    proxy.heal()
    with closing(connected(proxy)) as sock:
        eventually(lambda: b"late" in ask(sock, b"GET proxy-test\r\n"))
        ask(sock, b"DEL proxy-test\r\n")


def test_new_connections_are_refused_and_counted(proxy: Proxy) -> None:
    proxy.refuses = True
    for _ in range(3):
        with pytest.raises(ConnectionResetError):
            answer_of(proxy)
    assert proxy.attempts == 3
    proxy.heal()
    with closing(connected(proxy)) as sock:
        assert ask(sock) == PONG
