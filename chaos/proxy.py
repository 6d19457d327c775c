# SPDX-License-Identifier: MIT
"""A network that can be broken: a TCP proxy in a native thread of the harness.

Whoever connects to it talks to the server behind it, until it is told to delay, to swallow, to
cut or to refuse. Bytes that were delayed still arrive after their sender has gone, as they do
when a network repeats what was lost.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

TO_SERVER, TO_CLIENT = DIRECTIONS = ("to server", "to client")

#: Most bytes that are passed on at once.
CHUNK = 16 * 1024

#: Has the kernel send RST and not FIN when a socket is closed.
_RESET = struct.pack("ii", 1, 0)


class _Pair:
    """A connection of a client, and ours to the server for it."""

    def __init__(self, ends: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        #: For each direction, where bytes come from and where they go.
        self.ends = ends
        #: Bytes that pass until it is cut, and whether by RST.
        self.left: dict[str, int] = {}
        self.is_reset = False
        #: Directions in which a byte was swallowed. What follows would make no sense: there
        #: nothing arrives any more, not even the end.
        self.is_deaf: set[str] = set()

    def end(self, reset: bool) -> None:
        """Close both ends, at once."""
        for _, writer in self.ends.values():
            if reset:
                sock: Any = writer.transport.get_extra_info("socket")
                if sock is not None and sock.fileno() >= 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """A context manager; ``port`` is where to connect instead of to ``server_port``."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = 0
        #: Seconds for which bytes are kept, in each direction, and bytes per second; 0: no limit.
        self.latency = 0.0
        self.bandwidth = 0.0
        #: Directions in which bytes are swallowed.
        self.swallows: frozenset[str] = frozenset()
        #: Whether new connections get a RST.
        self.refuses = False
        #: How many connections there were, those that were refused among them.
        self.attempts = 0
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._is_up = threading.Event()

    @property
    def url(self) -> str:
        """Where a Redis client finds the server through the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._is_up.wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    # Commands.

    def heal(self) -> None:
        """Break nothing any more. What was swallowed stays lost, with its connection."""
        self.latency = self.bandwidth = 0.0
        self.swallows, self.refuses = frozenset(), False

    def swallow(self, *directions: str) -> None:
        """Let bytes disappear; in both directions unless ``directions`` are given."""
        self.swallows = frozenset(directions or DIRECTIONS)

    def cut(self, reset: bool = True) -> int:
        """End all connections, with RST or with FIN; return how many."""

        def end() -> int:
            pairs = tuple(self._pairs)
            for pair in pairs:
                pair.end(reset)
            return len(pairs)

        return self._called(end)

    def cut_clients(self) -> int:
        """End all connections at the clients' side: what is on its way to the server arrives."""

        def end() -> int:
            for pair in self._pairs:
                pair.ends[TO_CLIENT][1].transport.abort()
            return len(self._pairs)

        return self._called(end)

    def cut_after(self, direction: str, most: int, chance: random.Random, reset: bool) -> int:
        """End each connection after up to ``most`` more bytes, in the midst of whatever that is."""

        def prepare() -> int:
            for pair in self._pairs:
                pair.left[direction], pair.is_reset = chance.randint(0, most), reset
            return len(self._pairs)

        return self._called(prepare)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._pairs)

    def _called(self, function: Callable[[], int]) -> int:
        """Call it in the thread and return its answer."""
        done = threading.Event()
        answers: list[int] = []

        def call() -> None:
            answers.append(function())
            done.set()

        self._loop.call_soon_threadsafe(call)
        done.wait()
        return answers[0]

    # In the thread.

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._over.wait()
        server.close()
        self.heal()
        while self._tasks:  # Not cancelled: asyncio's streams complain of that.
            for pair in tuple(self._pairs):
                pair.end(reset=True)
            await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        self._tasks.add(task)
        self.attempts += 1
        try:
            if self.refuses:
                _Pair({TO_CLIENT: (reader, writer)}).end(reset=True)
            else:
                await self._connect(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            _Pair({TO_CLIENT: (reader, writer)}).end(reset=True)
            return
        pair = _Pair({TO_SERVER: (reader, back), TO_CLIENT: (there, writer)})
        self._pairs.add(pair)
        try:
            await asyncio.gather(*(self._pass_on(pair, one) for one in DIRECTIONS))
        finally:
            self._pairs.discard(pair)
            pair.end(reset=bool(pair.is_deaf))

    async def _pass_on(self, pair: _Pair, direction: str) -> None:
        reader, writer = pair.ends[direction]
        try:
            while data := await reader.read(CHUNK):
                await self._delay(len(data))
                if direction in self.swallows or direction in pair.is_deaf:
                    pair.is_deaf.add(direction)
                    continue
                left = pair.left.get(direction, len(data))
                writer.write(data[:left])
                await writer.drain()
                if direction in pair.left:
                    pair.left[direction] -= len(data)
                    if pair.left[direction] <= 0:
                        pair.end(pair.is_reset)
                        return
            while direction in self.swallows:
                await asyncio.sleep(0.01)
            if direction not in pair.is_deaf:
                writer.close()
        except OSError:
            pair.end(reset=True)

    async def _delay(self, size: int) -> None:
        seconds = self.latency + (size / self.bandwidth if self.bandwidth else 0.0)
        if seconds:
            await asyncio.sleep(seconds)
