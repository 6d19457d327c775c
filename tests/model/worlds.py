# SPDX-License-Identifier: MIT
"""Each storage as the model's tests need it: fresh, with handles for all who take part, with an
eye that looks on, and with the faults that its kind knows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from cable import Cable, Cut
from model import Snapshot

from huey_green.exceptions import StorageUnavailable
from huey_green.storage.base import BaseStorage
from huey_green.storage.file import FileStorage
from huey_green.storage.memory import MemoryStorage
from huey_green.storage.redis import (
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
)
from huey_green.storage.sqlite import SqliteStorage
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

#: What a chord of these tests is called, and its size.
CHORDS = ("chord-0", "chord-1")
CHORD_SIZE = 3


class World:
    """An empty storage, until it is closed."""

    #: There is a server that can be lost.
    is_remote = False
    eye: Any

    def __init__(self) -> None:
        self.eye = self.handle()

    def handle(self) -> Any:
        """Return a handle of its own for one who takes part, who closes it."""
        raise NotImplementedError

    def landed(self, consumers: list[str]) -> list[tuple[str, bytes]]:
        """Return the messages that a server handed to consumers who do not know them yet."""
        return []

    def close(self) -> None:
        self.eye.close()

    def look(self, consumers: list[str]) -> Snapshot:
        """Return all that can be seen, through the verbs that everybody has."""
        eye = self.eye
        ready, scheduled = eye.enqueued_items(), eye.scheduled_items()
        assert (eye.queue_size(), eye.schedule_size()) == (len(ready), len(scheduled))
        noted = {chord: eye.chord_values(chord, CHORD_SIZE) for chord in CHORDS}
        return Snapshot(
            sorted(ready),
            sorted(scheduled),
            sorted(self.landed(consumers)),
            sorted((one.consumer, one.receipt, one.body) for one in eye.in_flight()),
            eye.parked_items(),
            sorted((one.id, one.body) for one in eye.dead_letters()),
            dict(eye.result_items()),
            {
                chord: {at: value for at, value in enumerate(values) if value is not None}
                for chord, values in noted.items()
                if any(value is not None for value in values)
            },
        )

    def left_behind(self) -> set[str]:
        """Return what is kept that nobody has a use for, once everything is worked off."""
        return set()


class MemoryWorld(World):
    def __init__(self) -> None:
        self._storage = MemoryStorage()
        super().__init__()

    def handle(self) -> BaseStorage:
        return self._storage


class _DiskWorld(World):
    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="huey-green-model-")
        super().__init__()

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder)


class SqliteWorld(_DiskWorld):
    def handle(self) -> BaseStorage:
        return SqliteStorage("model", Path(self._folder, "huey.db"))


class FileWorld(_DiskWorld):
    def handle(self) -> BaseStorage:
        return FileStorage("model", self._folder)


class Patient:
    """A handle that tries again: for connections that were gone before they were asked."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __getattr__(self, verb: str) -> Any:
        method = getattr(self.raw, verb)

        def patiently(*args: Any, **kwargs: Any) -> Any:
            for _ in range(10):
                try:
                    return method(*args, **kwargs)
                except StorageUnavailable:
                    continue
            return method(*args, **kwargs)

        return patiently


class RedisWorld(World):
    """A queue in a server that others may use too; its handles go through a cable."""

    is_remote = True

    def __init__(self, server: PrivateRedis, kind: type[RedisStorage | PriorityRedisStorage]):
        self.server = server
        self._kind = kind
        self._name = uuid4().hex
        self.cable = Cable(server.port)
        self.eye: Any = kind(self._name, url=server.url)

    @property
    def lands(self) -> bool:
        """A wait of this storage hands over messages (LIST)."""
        return issubclass(self._kind, RedisStorage)

    def handle(self) -> Any:
        return Patient(self._kind(self._name, url=self.cable.url, client_name=self._name))

    def close(self) -> None:
        self.eye.flush_all()
        super().close()
        self.cable.close()

    def landed(self, consumers: list[str]) -> list[tuple[str, bytes]]:
        ask = [("LRANGE", self.eye.keys.landing(name), 0, -1) for name in consumers]
        answers = self.eye.link.together(*ask) if ask else []
        return [
            (name, body) for name, found in zip(consumers, answers, strict=True) for body in found
        ]

    def land(self, consumer: str) -> None:
        """Leave the server as it is when a waiting consumer is served and its connection dies."""
        keys = self.eye.keys
        self.eye.link.execute("LMOVE", keys.queue, keys.landing(consumer), "RIGHT", "LEFT")

    # Faults.

    @contextmanager
    def cutting(self, cut: Cut, after: int) -> Iterator[list[Exception]]:
        """Cut a request of the calls in here; yield what leaves the caller in doubt."""
        doubts: list[Exception] = []
        self.cable.arm(cut, after)
        try:
            yield doubts
        except StorageUnavailable as error:
            doubts.append(error)
        finally:
            self.settle_down()

    def settle_down(self) -> None:
        """Wait until the server has seen the end of every connection that was cut."""
        self.cable.arm(None)
        eventually(lambda: self._clients() <= self.cable.addresses, "the end of what was cut")

    def _clients(self) -> set[str]:
        """Return the connections of our handles, and of nobody else."""
        lines = self.eye.link.execute("CLIENT", "LIST").decode().splitlines()
        clients = [dict(part.partition("=")[::2] for part in line.split()) for line in lines]
        return {one["addr"] for one in clients if one["name"] == self._name}

    def kill_connections(self) -> None:
        for address in self._clients():
            self.eye.link.execute("CLIENT", "KILL", "ADDR", address)

    def flush_scripts(self) -> None:
        self.eye.link.execute("SCRIPT", "FLUSH")

    def restart(self) -> None:
        """Kill the server, and bring it back with all that it has acknowledged."""
        self.eye.close()
        self.server.restart()

    def left_behind(self) -> set[str]:
        keys = self.eye.keys
        known = {keys.sequence, keys.once, keys.claims, keys.claim_ends}
        found = {key.decode() for key in self._names()}
        return found - known

    def _names(self) -> Iterator[bytes]:
        yield from self.eye.link.execute("KEYS", f"huey.*{self._name}*")


REDIS_KINDS = {
    "list": RedisStorage,
    "zset": PriorityRedisStorage,
    "list-expire": RedisExpireStorage,
    "zset-expire": PriorityRedisExpireStorage,
}
