# SPDX-License-Identifier: MIT
"""The link to Redis: what it takes from a user's pool, and that it recovers from anything."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import redis

from huey_green.exceptions import StorageUnavailable
from huey_green.message import Settlement
from huey_green.storage.redis import PriorityRedisStorage, RedisStorage
from huey_green.storage.redis.connect import Link
from huey_green.storage.redis.turns import Turns
from huey_green.testing.concurrency import Running, eventually
from huey_green.testing.redis import PrivateRedis


def test_any_number_of_failed_calls_leaves_nothing_that_keeps_later_ones_from_working() -> None:
    with PrivateRedis() as server:
        link = Link(url=server.url)
        assert link.execute("PING") in (b"PONG", "PONG")
        server.kill()
        for _ in range(250):
            with pytest.raises(StorageUnavailable):
                link.execute("PING")
        server.start()
        assert link.execute("PING") in (b"PONG", "PONG")
        link.close()


def test_a_handle_with_little_patience_does_not_wait_as_long_as_others() -> None:
    with PrivateRedis() as server:
        storage = RedisStorage(url=server.url)
        storage.ping()
        hasty = storage.independent(0.2)
        server.pause()
        others = Running(storage.ping)
        with pytest.raises(StorageUnavailable):
            hasty.ping()
        assert not others.ended
        server.resume()
        others.result()
        hasty.ping()
        hasty.close()
        storage.close()


@pytest.mark.parametrize("timeout", [None, 0.1, 30.0])
def test_patience_makes_no_timeout_longer(
    redis_server: PrivateRedis, timeout: float | None
) -> None:
    options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    pool = redis.ConnectionPool.from_url(redis_server.url, **options)
    connection = Link(connection_pool=pool).another(patience=2.0).new_connection()
    bound = min(timeout or 2.0, 2.0)
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (bound, bound)
    assert pool.connection_kwargs["socket_timeout"] == timeout
    pool.disconnect()


def test_a_pool_that_the_application_shares_is_left_as_it_was(redis_server: PrivateRedis) -> None:
    pool = redis.ConnectionPool.from_url(redis_server.url, decode_responses=True)
    link = Link(connection_pool=pool)
    link.execute("SET", "link-test", "1")
    assert link.execute("GET", "link-test") == b"1"
    application = redis.Redis(connection_pool=pool)
    assert application.get("link-test") == "1"
    application.delete("link-test")
    application.close()
    pool.disconnect()
    link.close()


def test_more_callers_than_connections_take_turns(redis_server: PrivateRedis) -> None:
    link = Link(url=redis_server.url, max_connections=2)
    answers: list[bytes] = []

    def ask() -> None:
        answers.extend(link.execute("ECHO", "x") for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [b"x"] * 800
    assert len(link._idle) <= 2
    link.close()


def test_scripts_that_are_forgotten_at_any_moment_are_told_again(
    redis_server: PrivateRedis,
) -> None:
    storage = RedisStorage("forgetful", url=redis_server.url)
    other = Link(url=redis_server.url)
    stopping = threading.Event()

    def forget() -> None:
        while not stopping.is_set():
            other.execute("SCRIPT", "FLUSH")

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        for number in range(300):
            storage.enqueue(b"%d" % number)
            [delivery] = storage.fetch("one", 1)
            assert storage.settle("one", [Settlement(delivery)]) == []
    finally:
        stopping.set()
        thread.join(30)
        storage.flush_all()
        storage.close()
        other.close()


@pytest.mark.parametrize("kind", [RedisStorage, PriorityRedisStorage])
@pytest.mark.parametrize("lease", [30.0, None])
def test_no_message_is_lost_when_the_server_has_forgotten_scripts_before_a_wait(
    kind: type[RedisStorage], lease: float | None
) -> None:
    with PrivateRedis() as server:
        storage = kind("forgetful", url=server.url)
        known = ["fetch", "pop"]  # But not "extend", which goes before the wait.
        for number in range(30):
            storage.link.execute("SCRIPT", "FLUSH")
            for verb in known[: number % 3]:
                storage.scripts.load(verb)
            fetching = Running(lambda: storage.fetch("one", 10, wait=30, lease=lease))
            storage.enqueue(b"%d" % number)
            taken = fetching.result() or eventually(
                lambda: storage.fetch("one", 10, lease=lease), "the message"
            )
            assert [one.body for one in taken] == [b"%d" % number]
            assert storage.settle("one", [Settlement(one) for one in taken]) == []
        storage.close()


def test_turns_are_taken_in_order_and_none_gets_lost() -> None:
    turns = Turns(1)
    seen: list[int] = []

    def take(number: int) -> None:
        with turns:
            seen.append(number)

    with turns:
        assert turns.free == 0
        waiting = []
        for number in range(5):
            waiting.append(Running(lambda number=number: take(number)))  # type: ignore[misc]
            eventually(lambda number=number: len(turns._waiting) == number + 1)  # type: ignore[misc]
    for one in waiting:
        one.result()
    assert seen == [0, 1, 2, 3, 4]
    assert turns.free == 1


#: Cuts greenlets short at every moment of a call: between its turns, in it, and when it is next.
CUT_SHORT = """
from gevent import monkey

monkey.patch_all()
import sys
import gevent
from huey_green.storage.redis.connect import Link

link = Link(url=sys.argv[1], max_connections=2)
wrong = []

def busy(seconds):
    try:
        with gevent.Timeout(seconds, False):
            while True:
                answer = link.execute("ECHO", str(seconds))
                if answer != str(seconds).encode():
                    wrong.append(answer)
    except BaseException as error:
        wrong.append(repr(error))

for round in range(5):
    gevent.joinall([gevent.spawn(busy, 0.001 + number / 5000) for number in range(100)])
    killed = [gevent.spawn(busy, 60) for _ in range(50)]
    gevent.sleep(0.01)
    gevent.killall(killed)
assert all(error == "GreenletExit()" for error in wrong), wrong
assert link._turns.free == 2, link._turns.free
assert len(link._idle) <= 2
assert link.execute("PING") in (b"PONG", "PONG")
link.close()
print("done")
"""


def test_calls_that_are_cut_short_at_any_moment_leave_every_turn_to_the_next(
    redis_server: PrivateRedis,
) -> None:
    command = [sys.executable, "-W", "error", "-c", CUT_SHORT, redis_server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
