# SPDX-License-Identifier: MIT
"""What is left in a storage when one of everything was done, and all of it is over."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from huey_green import (
    CancelExecution,
    Consumer,
    FileHuey,
    Huey,
    MemoryHuey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    RetryTask,
    SqliteHuey,
    TaskException,
    chord,
    every,
    group,
)
from huey_green.storage.memory import MemoryStorage
from huey_green.storage.sqlite.schema import QUEUE_TABLES
from huey_green.testing.concurrency import PATIENCE, eventually
from huey_green.testing.redis import PrivateRedis

REDIS = {
    "list": RedisHuey,
    "zset": PriorityRedisHuey,
    "list-expire": RedisExpireHuey,
    "zset-expire": PriorityRedisExpireHuey,
}

#: Seconds after which nothing is kept that ends by itself, but for what a dead task left.
LATER = 2 * 366 * 86400.0

Make = Callable[..., Huey]


@pytest.fixture(params=[*REDIS, "sqlite", "file", "memory"])
def huey(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: PrivateRedis
) -> Iterator[Huey]:
    name = f"left{uuid4().hex}"
    made: Huey
    if request.param in REDIS:
        # Those whose results expire keep them, read or not, for this long.
        expires = {"expire_time": 1} if "expire" in request.param else {}
        made = REDIS[request.param](name, url=redis_server.url, **expires)
    elif request.param == "sqlite":
        made = SqliteHuey(name, filename=tmp_path / "queue.db")
    elif request.param == "file":
        made = FileHuey(name, path=tmp_path / "queue")
    else:
        made = MemoryHuey(name)
    made.max_deliveries = 1
    yield made
    made.flush()
    made.storage.close()


class Life:
    """Tasks of every kind, and one of everything that can be done with them."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self.ticks = 0
        self.go_on = threading.Event()
        self.results: list[Any] = []
        self.declare()

    def declare(self) -> None:
        huey = self.huey

        @huey.task()
        def plain(*args: Any) -> Any:
            return args[0] if args else 0

        @huey.task(retries=2, retry_delay=0.01)
        def retried(n: int) -> None:
            raise ValueError(n)

        @huey.task(context=True)
        def asks_again(task: Any = None) -> str:
            if not task.kwargs.get("again"):
                task.kwargs["again"] = True
                raise RetryTask(delay=0.01)
            return "at last"

        @huey.task()
        def asks_to_be_canceled() -> None:
            raise CancelExecution(retry=False)

        @huey.task(context=True)
        def tells(task: Any = None) -> int:
            for done in range(3):
                task.progress(done, 3)
            return 3

        @huey.task(context=True)
        def waits(task: Any = None) -> int:
            task.progress(1)
            assert self.go_on.wait(PATIENCE)
            return 1

        @huey.task()
        @huey.lock_task("lock")
        def locked() -> int:
            return 1

        @huey.task()
        @huey.lock_task_semaphore("semaphore", 2)
        def guarded() -> int:
            return 1

        @huey.task(retries=50, retry_delay=0.01)
        @huey.rate_limit("rate", 100, per=0.1)
        def limited() -> int:
            return 1

        @huey.periodic_task(every(seconds=0.1))
        def tick() -> None:
            self.ticks += 1

        @huey.task()
        def killer() -> str:
            return "survived"

        self.plain, self.retried, self.asks_to_be_canceled = plain, retried, asks_to_be_canceled
        self.tells, self.waits, self.killer = tells, waits, killer
        self.locked, self.guarded, self.limited = locked, guarded, limited
        self.unique = huey.task(unique=True, unique_until="end", name="unique")(lambda n: n)
        self.ends = huey.task(unique=True, ttl=0.05, name="ends")(lambda n: n)
        self.debounced = huey.task(debounce=0.05, name="debounced")(lambda n: n)
        self.few = huey.task(max_concurrency=2, name="few")(lambda n: time.sleep(0.01) or n)
        self.once = huey.task(at_most_once=True, name="once")(lambda n: n)
        self.unread = huey.task(result_ttl=0.05, name="unread")(lambda n: n)

    def enqueue(self) -> None:
        """Call tasks of every kind; what they leave is read at the end."""
        huey, plain, retried = self.huey, self.plain, self.retried
        keep = self.results
        for n in range(5):
            keep += [plain(n), retried(n), self.tells(), self.locked(), self.guarded()]
            keep += [self.limited(), self.unique(n), self.unique(n), self.ends(n)]
            keep += [self.debounced(n), self.debounced(n), self.few(n), self.once(n)]
            self.unread(n)
        keep += [*plain.map(range(20)), *huey.enqueue(plain.s(1).then(plain).then(plain, 2))]
        keep += [*huey.enqueue(retried.s(1).then(plain))]
        failing = retried.s(1).error(plain)
        keep += [huey.enqueue(failing), huey.result_handle(failing.on_error.id)]
        for member in (plain.s(2), retried.s(2)):
            joined = huey.enqueue(chord([plain.s(1), member], plain))
            keep += [joined, *joined.results]
        keep += [*huey.enqueue(group([plain.s(1), plain.s(2)])), self.asks_to_be_canceled()]
        keep += [plain.schedule((n,), delay=0.02) for n in range(5)]
        late = plain.schedule((1,), delay=3600, expires=7200)
        assert late.cancel()
        expired = plain.schedule((1,), delay=0.1, expires=0.01)
        keep += [late, expired]

    def stop_some(self) -> None:
        """Revoke, restore and cancel tasks that wait."""
        huey, plain = self.huey, self.plain
        revoked, restored, canceled = (plain(n) for n in range(3))
        revoked.revoke()
        restored.revoke()
        assert restored.restore()
        assert canceled.cancel()
        plain.revoke(revoke_until=None, revoke_once=True)
        assert plain.restore()
        huey.revoke(plain, args=(1,))
        assert huey.restore(plain, args=(1,))
        self.results += [revoked, restored, canceled]

    def die(self) -> None:
        """Let consumers die: with a task that is requeued, with one that is not, and others."""
        huey = self.huey
        requeued, deleted = self.killer(), self.killer()
        unread = [b"unreadable %d" % number for number in range(3)]
        for body in unread:
            huey.storage.enqueue(body)
        taken = huey.storage.fetch("dead", 100)
        huey.storage.begin("dead", taken)
        assert huey.storage.reclaim(dead=["dead"]) == len(taken) == 5
        again = huey.storage.fetch("suspended", 3)
        assert {one.attempt for one in again} == {2}
        huey.storage.release("suspended", again[:1])
        huey.storage.leave("suspended")
        with self.consuming():
            eventually(lambda: len(huey.dead_letters()) == 5, "the dead letters")
        assert huey.requeue_dead(requeued.id) == 1
        assert huey.delete_dead() == 4
        self.results += [requeued]
        with pytest.raises(TaskException):
            deleted.get()

    def cancel_late(self) -> None:
        """Cancel a task that runs, in a native thread, where nothing can stop it."""
        running = self.waits()
        with self.consuming():
            eventually(running.progress, "a task that runs")
            assert running.cancel()
            self.go_on.set()
            assert running.get(blocking=True, timeout=PATIENCE) == 1
        assert not running.cancel()

    def consuming(self, periodic: bool = False) -> Consuming:
        return Consuming(self.huey, periodic)

    def is_over(self) -> bool:
        storage = self.huey.storage
        return not (
            storage.queue_size()
            or storage.schedule_size()
            or storage.in_flight()
            or storage.parked_items()
        )

    @staticmethod
    def is_shared(result: Any) -> bool:
        task = getattr(result, "task", None)
        return task is not None and bool(task.unique or task.debounce)

    def read(self) -> None:
        """Read every result, whatever it is."""
        for result in self.results:
            if result is None:
                continue
            try:
                result.get()
            except TaskException:
                continue


class Consuming:
    """A consumer for the time of a ``with`` statement; it ends in good order."""

    def __init__(self, huey: Huey, periodic: bool) -> None:
        self._consumer = Consumer(
            huey, workers=8, scheduler_interval=0.02, max_delay=0.05, periodic=periodic
        )

    def __enter__(self) -> None:
        self._consumer.start()

    def __exit__(self, *exc: object) -> None:
        self._consumer.stop(graceful=True)


def keys(huey: Any) -> dict[str, float]:
    """Return the keys of a queue in Redis, without its name, and how long each will stay."""
    link = huey.storage.link
    tag = huey.name
    names = [name.decode() for name in link.execute("KEYS", f"huey.*.{tag}*")]
    return {
        name.replace(f".{tag}", "").removeprefix("huey."): link.execute("PTTL", name) / 1000
        for name in names
    }


def rows(huey: Any) -> dict[str, int]:
    """Return how many rows each table has that has any."""
    with sqlite3.connect(huey.storage.filename) as db:
        counts = {
            table: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in QUEUE_TABLES
        }
    db.close()
    return {table: count for table, count in counts.items() if count}


def files(huey: Any) -> set[str]:
    """Return the files in a folder."""
    root = Path(huey.storage.path)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def notes(huey: Any) -> dict[str, int]:
    """Return what the journal of a folder still tells of, and how much."""
    state = huey.storage._work(lambda change: change.state)
    parts = (state.messages, state.schedule, state.notes)
    sizes = {
        f"{type(part).__name__}.{name}": len(value)
        for part in parts
        for name, value in vars(part).items()
        if hasattr(value, "__len__")
    }
    return {name: size for name, size in sizes.items() if size}


def memory(huey: Any) -> dict[str, int]:
    """Return what a memory storage holds, and how much."""
    storage = huey.storage
    empty = vars(MemoryStorage())
    sizes = {
        name: len(value)
        for name, value in vars(storage).items()
        if hasattr(value, "__len__") and name not in ("name", "retention") and name in empty
    }
    return {name: size for name, size in sizes.items() if size}


def look(huey: Huey) -> dict[str, float]:
    """Return what is left, by name, and how many seconds it will stay; -1 without an end."""
    if isinstance(huey, SqliteHuey):
        return dict.fromkeys(rows(huey), -1.0)
    if isinstance(huey, FileHuey):
        return dict.fromkeys([*notes(huey), *files(huey)], -1.0)
    if isinstance(huey, MemoryHuey):
        return dict.fromkeys(memory(huey), -1.0)
    return keys(huey)


#: What stays for a while, by a part of its name, and why.
FOR_A_WHILE = {
    "once": "the moments of periodic tasks, for ten minutes at least, so that none runs twice",
    "cancel": "two minutes: consumers look every second for what they are to stop",
    "windows": "a minute longer than the window of a rate limit",
    "hit": "the same",
}

#: What stays for good, by its name, and why.
FOR_GOOD = {
    "sequence": "Redis: a number, the order of arrival",
    "journal": "files: where all is told",
    "lock": "files: what processes take turns by",
    "turn": "files: the same",
    "Messages._heap": "files: at most a thousand entries that are let be",
}

#: Values that end, wherever values are: of a unique or debounced task, which several callers may
#: read, and the mark of a task that was canceled too late. Seconds.
LONGEST_VALUE = 7 * 86400.0


def is_explained(name: str) -> bool:
    return name in FOR_GOOD or any(word in name.lower() for word in FOR_A_WHILE)


def is_of_a_value(name: str, huey: Huey) -> bool:
    """Say whether this is where values are kept, or what is known of one."""
    words = ("value", "revo", "mark", "expir", "_data", "_ends", "results/", "r.")
    return any(name.startswith(word) or word in name for word in words)


def test_nothing_is_left_of_what_is_over(huey: Huey) -> None:
    life = Life(huey)
    life.enqueue()
    life.stop_some()
    with life.consuming(periodic=True), life.consuming(periodic=True):
        eventually(lambda: life.ticks > 2, "periodic tasks")
    with life.consuming(), life.consuming():
        eventually(life.is_over, "the end of all tasks")
    life.die()
    life.cancel_late()
    with life.consuming():
        eventually(life.is_over, "the end of all tasks")
    life.read()
    shared = {one.id for one in life.results if one is not None and life.is_shared(one)}
    eventually(
        lambda: all(key in shared or key.startswith("r:") for key in huey.all_results()),
        "the end of the results that nobody reads",
    )
    huey.storage.prune()
    left = look(huey)
    assert [name for name in left if not is_explained(name) and not is_of_a_value(name, huey)] == []
    huey.storage.prune(now=huey.storage.time() + LATER)
    left = look(huey)
    # What the server itself forgets has a time to live; nothing but the rest is there for good.
    assert {
        name: left[name]
        for name in left
        if name not in FOR_GOOD and not 0 < left[name] <= LONGEST_VALUE
    } == {}
