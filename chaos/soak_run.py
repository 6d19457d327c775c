# SPDX-License-Identifier: MIT
"""A consumer and a producer under the load of a soak, and what there is of everything meanwhile."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from chaos.processes import PATIENCE, Child, Failed, eventually
from chaos.soak_look import outside
from chaos.world import REDIS_KINDS, World
from huey_green import StorageUnavailable

#: Seconds between two samples.
EVERY = 1.0

#: What part of a name differs from one task, consumer, or caller to the next.
_OWN = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|:\d+$")

#: What the database of Redis needs when there is a lot to be told.
_TYPES = {b"list": "LLEN", b"hash": "HLEN", b"zset": "ZCARD", b"set": "SCARD"}


class Load:
    """One consumer and one producer in a world, and samples of both from beside.

    A "quiet" is a look at everything while nothing waits or runs: only then is it the same again
    that was the same before.
    """

    def __init__(self, world: World, workers: int, width: int) -> None:
        self.world = world
        # A short lease: its heartbeat has a connection of its own, from the first one on.
        options = ("-w", str(workers), "-q", "-t", "5", "--lease", "3")
        self.consumer = self._child("consumer", "huey_green", "chaos.soak_app.huey", *options)
        world.consumers.append(self.consumer)  # type: ignore[arg-type]
        self.producer = self._child("producer", "chaos.soak_producer", world.seed, str(width))
        world.producers.append(self.producer)  # type: ignore[arg-type]
        #: What the producer said last of what it has done.
        self.done: dict[str, Any] = {"tasks": 0}
        self.samples: list[dict[str, Any]] = []
        self._began_at = time.monotonic()

    def _child(self, who: str, module: str, *arguments: str) -> Child:
        command = [sys.executable, "-m", module, *arguments]
        return Child(who, self.world.directory, self.world.ledger, command, {})

    @property
    def huey(self) -> Any:
        """The Huey of the application, in this process."""
        os.environ.update(CHAOS_WORLD=str(self.world.directory), CHAOS_WHO="harness")
        from chaos import soak_app

        return soak_app.huey

    # The processes.

    def ask(self, *command: Any) -> None:
        """Tell the producer what to do; ``answer`` waits for what it says."""
        assert self.producer.process.stdin is not None
        self._heard = len(self._answers())
        self.producer.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.producer.process.stdin.flush()

    def _answers(self) -> list[str]:
        *whole, _ = self.producer.said.split("\n")
        return [line for line in whole if line.startswith("{")]

    def answer(self, patience: float) -> dict[str, Any]:
        """Wait for what the producer says to the last command."""
        said = self.producer.wait_for(lambda: self._answers()[self._heard :], "an answer", patience)
        found: dict[str, Any] = json.loads(said[0])
        return found

    def run(self, tasks: int, patience: float, rough: bool = False) -> None:
        """Have the producer enqueue so many tasks, and wait until it has all that it wants."""
        self.ask("run", tasks, rough)
        self.done = self.answer(patience)

    def told(self, light: bool = False) -> dict[str, Any]:
        """Return what the consumer says of itself."""
        from chaos import soak_app

        result: Any = soak_app.look(light)
        # By asking again and again: to be woken takes a connection, and there are some to count.
        return dict(self.consumer.wait_for(result.get, "an answer to look()"))

    # Looking.

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Take samples meanwhile."""
        over = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(over,))
        sampler.start()
        try:
            yield
        finally:
            over.set()
            sampler.join()

    def _sample(self, over: threading.Event) -> None:
        while not over.wait(EVERY):
            try:
                sample: dict[str, Any] = {"at": round(time.monotonic() - self._began_at, 1)}
                sample["consumer"] = outside(self.consumer.pid)
                sample["producer"] = outside(self.producer.pid)
                sample["storage"] = self.storage_size()
            except (OSError, KeyError, redis.RedisError):
                continue  # A process has ended, or the server is being restarted.
            self.samples.append(sample)

    def quiet(self) -> dict[str, Any]:
        """Wait until all has been done, and look at everything."""
        storage = self.huey.storage
        eventually(lambda: not self._has_work(storage), "an end of all work", 2 * PATIENCE)
        self.ask("look")
        producer = self.answer(PATIENCE)
        consumer = self.told()
        return {
            "tasks": self.done["tasks"],
            "seconds": round(time.monotonic() - self._began_at, 1),
            "consumer": {**consumer, "outside": outside(self.consumer.pid)},
            "producer": {**producer, "outside": outside(self.producer.pid)},
            "kept": self.kept(),
            "connections": self.connections(),
            "storage": self.storage_size(),
        }

    @staticmethod
    def _has_work(storage: Any) -> bool:
        try:
            return any(
                storage.queue_size() or storage.schedule_size() or storage.in_flight()
                # Twice: a task may be on its way from one to another.
                for _ in range(2)
            )
        except StorageUnavailable:
            return True  # It was restarted, and our connection is of before that.

    def connections(self) -> dict[str, int]:
        """Return how many connections each process has to Redis."""
        if self.world.kind not in REDIS_KINDS:
            return {}
        with closing(self._client()) as client:
            return dict(Counter(one["name"] or "unnamed" for one in client.client_list()))

    def storage_size(self) -> dict[str, float]:
        """Return how large the storage is: bytes, and keys or files."""
        kind, directory = self.world.kind, self.world.directory
        if kind in REDIS_KINDS:
            with closing(self._client()) as client:
                memory: Any = client.info("memory")
                found: Any = {"bytes": memory["used_memory_dataset"], "keys": client.dbsize()}
                return dict(found)
        if kind == "sqlite":
            paths = list(directory.glob("queue.db*"))
        else:
            paths = [path for path in (directory / "queue").rglob("*") if path.is_file()]
        sizes = [os.stat(path).st_size for path in paths]
        return {"bytes": sum(sizes), "files": len(sizes)}

    def kept(self) -> dict[str, int]:
        """Return how much is in each part of the storage: by key, table, or kind of file."""
        if self.world.kind in REDIS_KINDS:
            with closing(self._client()) as client:
                return _redis_keys(client)
        if self.world.kind == "sqlite":
            return _sqlite_rows(self.world.directory / "queue.db")
        folder = self.world.directory / "queue"
        files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
        return dict(Counter(f"{path.parts[0]}/" if path.parts[1:] else path.name for path in files))

    def _client(self) -> Any:
        return redis.Redis.from_url(self.world.redis.url, client_name="looking")


def _redis_keys(client: Any) -> dict[str, int]:
    """Return the number of members by key, of keys that differ by a task's name their number."""
    found: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        kind = client.type(key)
        name = _OWN.sub(b"*", key)
        found[name.decode(errors="replace")] += (
            1 if name != key or kind not in _TYPES else client.execute_command(_TYPES[kind], key)
        )
    return dict(found)


def _sqlite_rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in tables.fetchall()
        }
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return {**counts, "pages in use": pages - free}


__all__ = ["Failed", "Load"]
