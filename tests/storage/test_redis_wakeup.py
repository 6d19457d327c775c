# SPDX-License-Identifier: MIT
"""Waiting for many keys over one connection: who is woken, by what, and at what cost."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest

from huey_green.message import Delivery, Effects, Settlement
from huey_green.storage.redis import RedisStorage
from huey_green.testing.concurrency import Running, eventually
from huey_green.testing.redis import PrivateRedis


@pytest.fixture
def storage(redis_server: PrivateRedis) -> Iterator[RedisStorage]:
    storage = RedisStorage(f"test{uuid4().hex}", url=redis_server.url)
    yield storage
    storage.flush_all()
    storage.close()


class CountingKey(str):
    """A key that tells how often anybody looked it up."""

    looks = 0

    def __hash__(self) -> int:
        CountingKey.looks += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


class Waiter:
    """Somebody who waits in a thread until told; ``asked`` counts the looks."""

    def __init__(self, storage: RedisStorage, keys: set[str] | list[str]) -> None:
        self.asked = 0
        self.told = False
        self._running = Running(lambda: storage.wait_until(keys, self._is_told, timeout=30))
        eventually(lambda: self.asked >= 1 and storage.wakeup.is_listening)

    def _is_told(self) -> bool:
        self.asked += 1
        return self.told

    def ends(self) -> bool:
        return self._running.result() is True

    def is_asked_again(self, before: int) -> None:
        eventually(lambda: self.asked > before, "another look")


def test_an_announcement_costs_the_same_however_many_keys_are_waited_for(
    storage: RedisStorage,
) -> None:
    waiter = Waiter(storage, {CountingKey(f"key-{number}") for number in range(10_000)})
    CountingKey.looks = 0
    for number in range(5):
        before = waiter.asked
        storage.put_data(f"key-{number}", b"1", is_result=True)
        waiter.is_asked_again(before)
    storage.put_data("unrelated", b"1", is_result=True)
    assert CountingKey.looks == 0
    waiter.told = True
    storage.put_data("key-9999", b"1", is_result=True)
    assert waiter.ends()
    assert CountingKey.looks == 0


def test_who_waits_with_a_set_is_woken_for_what_is_left_in_it(storage: RedisStorage) -> None:
    waiting = {"a", "b", "c"}

    def has_one_ended() -> bool:
        ended = set(storage.peek_many(sorted(waiting)))
        waiting.difference_update(ended)
        return bool(ended)

    for key in ("b", "c", "a"):
        running = Running(lambda: storage.wait_until(waiting, has_one_ended, timeout=30))
        storage.put_data(key, b"1", is_result=True)
        assert running.result() is True
        assert key not in waiting


def test_only_who_waits_for_a_key_is_asked_again(storage: RedisStorage) -> None:
    ours, theirs = Waiter(storage, ["a", "b"]), Waiter(storage, ["c"])
    first = theirs.asked
    for number in range(10):
        before = ours.asked
        storage.put_data("ab"[number % 2], b"1", is_result=True)
        ours.is_asked_again(before)
    ours.told = theirs.told = True
    storage.put_data("b", b"1", is_result=True)
    assert ours.ends()
    assert theirs.asked <= first + 1  # Once by itself, if all this took seconds.
    storage.put_data("c", b"1", is_result=True)
    assert theirs.ends()


@pytest.mark.parametrize("key", ["a\nb", "\n", "a\n", "2\na\nb", "", "p:a"])
def test_a_key_may_be_anything(storage: RedisStorage, key: str) -> None:
    alone = Running(lambda: storage.wait_result(key, timeout=30))
    waiter = Waiter(storage, [key, "other"])
    results = Effects(results=((key, b"1"), ("more", b"1")))
    waiter.told = True
    assert storage.settle("one", [Settlement(Delivery(b"task"), results)]) == []
    assert waiter.ends()
    assert alone.result() is True


def test_progress_is_not_taken_for_a_result_of_the_same_name(storage: RedisStorage) -> None:
    waiting = Running(lambda: storage.wait_result("p:task", timeout=30))
    other = Running(lambda: storage.wait_result("task", timeout=30))
    progress = Waiter(storage, ["p:task"])
    for _ in range(20):
        before = progress.asked
        storage.put_progress("task", b"half")
        progress.is_asked_again(before)
    assert not waiting.ended
    assert not other.ended
    progress.told = True
    storage.put_data("p:task", b"1", is_result=True)
    storage.put_data("task", b"1", is_result=True)
    assert [waiting.result(), other.result(), progress.ends()] == [True] * 3


def test_what_others_write_on_the_channel_does_no_harm(storage: RedisStorage) -> None:
    waiter = Waiter(storage, ["a", "b"])
    for message in (b"", b"\xff\xfe", b"a", b"7\na", b"-1\na", b"x" * 100_000):
        before = waiter.asked
        storage.link.execute("PUBLISH", storage.keys.wake, message)
        waiter.is_asked_again(before)
    waiter.told = True
    storage.put_data("b", b"1", is_result=True)
    assert waiter.ends()


def test_what_is_ready_is_waited_for_without_a_thread(storage: RedisStorage) -> None:
    storage.put_data("a", b"1", is_result=True)
    before = set(threading.enumerate())
    assert storage.wait_result("a") is True
    assert storage.wait_until(["a", "b"], lambda: storage.has_data_for_key("a")) is True
    assert set(threading.enumerate()) <= before


def test_who_waits_for_many_keys_outlives_the_server_s_restart() -> None:
    with PrivateRedis() as server:
        storage = RedisStorage("test", url=server.url)
        waiter = Waiter(storage, [f"key-{number}" for number in range(100)])
        before = waiter.asked
        server.restart()
        waiter.is_asked_again(before)  # What was stored meanwhile was not announced.
        waiter.told = True
        storage.put_data("key-7", b"1", is_result=True)
        assert waiter.ends()
        storage.close()


def test_an_error_of_who_asks_is_theirs_and_others_wait_on(storage: RedisStorage) -> None:
    waiter = Waiter(storage, ["a", "b"])

    def fails() -> bool:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        storage.wait_until(["a", "b"], fails, timeout=30)
    assert len(storage.wakeup._waiting_for_many) == 1
    waiter.told = True
    storage.put_data("a", b"1", is_result=True)
    assert waiter.ends()
    assert not storage.wakeup._waiting_for_many


def test_a_storage_may_be_closed_while_its_first_waiter_still_gives_up(redis_server):
    for number in range(30):
        storage = RedisStorage(f"hasty-{number}", url=redis_server.url)
        assert storage.wait_result("nothing", timeout=0.001) is False
        storage.close()
        assert storage.wakeup._keeper is None


def test_when_the_one_who_reads_has_its_result_another_one_reads(storage: RedisStorage) -> None:
    waiting = [Running(lambda key=key: storage.wait_result(key, timeout=60)) for key in "abcd"]
    eventually(lambda: len(storage.wakeup._waiting) == 4 and storage.wakeup.is_listening)
    # Whoever reads first is the first to go.
    while storage.wakeup._reader is not None:
        key = storage.wakeup._reader.key
        storage.put_data(key, b"1", is_result=True)
        assert waiting["abcd".index(key)].result() is True
        eventually(lambda key=key: getattr(storage.wakeup._reader, "key", None) != key)
    assert not storage.wakeup._waiting
    assert storage.link.execute("PUBSUB", "NUMSUB", storage.keys.wake)[1] == 1


def test_what_is_announced_when_nobody_waits_is_read_and_the_connection_let_go(
    storage: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huey_green.storage.redis.wakeup.KEEPS_EVERY", 0.01)
    monkeypatch.setattr("huey_green.storage.redis.wakeup.IDLE", 1.5)
    assert storage.wait_result("none", timeout=0.05) is False
    heard: list[str] = []
    storage.wakeup._heard = heard.append  # type: ignore[method-assign]
    storage.put_data("a", b"1", is_result=True)
    eventually(lambda: heard == ["1\na"])
    eventually(lambda: storage.link.execute("PUBSUB", "NUMSUB", storage.keys.wake)[1] == 0)
    assert not storage.wakeup.is_listening
    eventually(lambda: storage.wakeup._keeper is None)
    del storage.wakeup._heard
    # Waiting again opens another one.
    waiter = Waiter(storage, ["b", "c"])
    waiter.told = True
    storage.put_data("b", b"1", is_result=True)
    assert waiter.ends()


FORKED = """
import os, sys, threading, warnings
from huey_green.storage.redis import RedisStorage
from huey_green.testing.concurrency import eventually

# Of forking while there are threads: it is what this is about.
warnings.simplefilter("ignore", DeprecationWarning)
storage = RedisStorage(sys.argv[1], url=sys.argv[2])


def subscriber():
    clients = storage.link.execute("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
    return [client.split()[0] for client in clients]


told = []
waiting = threading.Thread(target=lambda: told.append(storage.wait_result("late", 30)))
waiting.start()
eventually(lambda: storage.wakeup.is_listening)
before = subscriber()
child = os.fork()
if not child:
    storage.link._give_up_waits()
    storage.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert storage.wait_result("never", 0.2) is False
assert subscriber() == before, (before, subscriber())
storage.put_data("late", b"1", is_result=True)
waiting.join(20)
assert told == [True]
storage.flush_all()
storage.close()
"""


def test_a_forked_child_that_closes_its_storage_leaves_its_parent_listening(
    redis_server: PrivateRedis,
) -> None:
    name = f"test{uuid4().hex}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, name, redis_server.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
