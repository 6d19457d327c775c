# SPDX-License-Identifier: MIT
"""The ACLs of docs/security.md, word for word, let a real server do all that tasks need."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from huey_green import (
    PriorityRedisExpireHuey,
    RedisHuey,
    TaskException,
    chord,
    crontab,
    every,
    group,
)
from huey_green.exceptions import StorageUnavailable
from huey_green.message import Delivery
from huey_green.storage.redis import RedisStorage
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"

#: The two ways to keep a queue and the two to keep results.
KINDS = [RedisHuey, PriorityRedisExpireHuey]


#: A task that runs until then.
ENOUGH = threading.Event()


class Users(NamedTuple):
    """A server that has the users of the document, and how to be one of them."""

    server: PrivateRedis
    admin: RedisStorage

    def url(self, user: str) -> str:
        return f"redis://{user}:{PASSWORDS[user]}@127.0.0.1:{self.server.port}/1"

    def denied(self) -> list[str]:
        """Return what the server has denied since this was last asked, but for redis-py's hello."""
        entries = self.admin.link.execute("ACL", "LOG")
        self.admin.link.execute("ACL", "LOG", "RESET")
        told = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in entries]
        return [
            f"{one[b'username'].decode()}: {one[b'reason'].decode()} {one[b'object'].decode()}"
            for one in told
            if b"setinfo" not in one[b"object"].lower() and one[b"object"] != b"client"
        ]


def documented() -> list[list[str]]:
    """Return the commands of the document, in words."""
    lines = re.findall(r"^ACL SETUSER .+$", DOCUMENT.read_text(), re.MULTILINE)
    return [line.split() for line in lines]


PASSWORDS = {
    words[2]: next(word[1:] for word in words if word.startswith(">")) for words in documented()
}


@pytest.fixture(scope="module")
def users():
    with PrivateRedis(download=True) as server:
        admin = RedisStorage(url=f"redis://127.0.0.1:{server.port}/1")
        for words in documented():
            admin.link.execute(*words)
        admin.link.execute("ACL", "SETUSER", "stranger", "on", ">any", "~none", "+get")
        found = Users(server, admin)
        admin.link.execute("ACL", "LOG", "RESET")
        yield found
        admin.close()


@contextmanager
def making(kind, users):
    """A function that makes a Huey of this kind of storage, for one of the users."""
    made = []

    def make(user, name="shop", **options):
        huey = kind(name, url=users.url(user), **options)
        made.append(huey)
        return huey

    yield make
    made[0].storage.close()
    users.admin.link.execute("FLUSHALL")
    for huey in made:
        huey.storage.close()


@pytest.fixture(params=KINDS)
def make(request, users):
    with making(request.param, users) as make:
        yield make


def declare(huey):
    """Declare a task for each thing that tasks do, and return them by name."""

    @huey.task()
    def add(a, b):
        return a + b

    @huey.task()
    def total(values):
        return sum(values)

    @huey.task(retries=2, retry_delay=0.02)
    def fails(how):
        raise ValueError(how)

    @huey.task(max_concurrency=1)
    def alone(n):
        time.sleep(0.01)
        return n

    @huey.task(unique=True)
    def unique(n):
        return n

    @huey.task(debounce=0.05)
    def late(n):
        return n

    @huey.task(native_thread=True)
    def native(n):
        return n

    @huey.task(context=True)
    def slow(task=None):
        task.progress(1, 2, "half")
        ENOUGH.wait(30)  # Nothing stops it in a process that gevent has not patched.

    @huey.task()
    def works():
        with huey.lock_task("lock", ttl=10), huey.lock_task_semaphore("semaphore", 2):
            huey.put("key", "value")
            huey.storage.incr("counter")
            return huey.get("key")

    @huey.task(retries=50, retry_delay=0.02)
    @huey.rate_limit("api", 100, per=1)
    def limited(n):
        return n

    return dict(locals())


def value_of(result):
    return result.get(blocking=True, timeout=30)


@contextmanager
def serving(make, consume, users):
    """A producer's Huey and a consumer's, which has a consumer that runs; and their tasks."""
    consuming, producing = make("consumer", client_name="shop"), make("producer")
    theirs, tasks = declare(consuming), declare(producing)

    @consuming.periodic_task(every(seconds=1))
    def ticks():
        consuming.storage.incr("ticks")

    @consuming.periodic_task(crontab(minute="0", hour="0"))
    def nightly():
        raise AssertionError("not now")

    consumer = consume(consuming)
    yield consuming, producing, theirs, tasks
    consumer.stop(graceful=True)
    assert users.denied() == []


@pytest.fixture
def served(make, consume, users):
    with serving(make, consume, users) as served:
        yield served


def test_a_producer_enqueues_everything_and_reads_the_results(served, users):
    produce_everything(served, users)


def test_a_consumer_does_all_that_the_library_does(served, users):
    do_all_that_the_library_does(served, users)


def test_a_consumers_tasks_are_taken_back_when_it_dies(make, users):
    take_back_what_a_dead_consumer_had(make, users)


def test_each_command_that_is_allowed_is_needed(consume, users):
    """What none of the above calls may be taken out of the lines."""
    for kind in KINDS:
        with making(kind, users) as make, serving(make, consume, users) as served:
            produce_everything(served, users)
            do_all_that_the_library_does(served, users)
        with making(kind, users) as make:
            take_back_what_a_dead_consumer_had(make, users)
    stats = users.admin.link.execute("INFO", "commandstats").decode()
    called = set(re.findall(r"^cmdstat_(\S+?):", stats, re.MULTILINE))
    for words in documented():
        allowed = {word[1:] for word in words if word.startswith("+")}
        idle = {one for one in allowed if not called & {one, one.partition("|")[0]}}
        assert " ".join(sorted(idle)) == ""


def produce_everything(served, users):
    _, huey, _, tasks = served
    add = tasks["add"]
    assert value_of(add(1, 2)) == 3
    assert value_of(add.schedule((3, 4), delay=0.05)) == 7
    assert value_of(huey.enqueue(add.s(1, 2, priority=5))) == 3
    assert value_of(huey.enqueue(add.s(1, 2).then(tasks["native"]))) == [3, 3]
    assert value_of(huey.enqueue(group(add.s(n, n) for n in range(3)))) == [0, 2, 4]
    assert value_of(huey.enqueue(chord([add.s(1, 1), add.s(2, 2)], tasks["total"]))) == 6
    assert value_of(add.map([(1, 1), (2, 2)])) == [2, 4]
    assert sorted(value_of(tasks["alone"].map([1, 2, 3]))) == [1, 2, 3]
    assert value_of(tasks["unique"](1)) == 1
    assert value_of(tasks["late"](2)) == 2
    assert value_of(tasks["limited"](3)) == 3
    assert value_of(tasks["works"]()) == "value"
    with pytest.raises(TaskException, match="broken"):
        value_of(tasks["fails"]("broken"))
    result = add(5, 6)
    assert result.get(blocking=True, timeout=30, preserve=True) == 11
    assert result.get() == 11
    assert result.progress() is None
    huey.storage.ping()  # As who waits for more than some seconds.
    assert users.denied() == []


def do_all_that_the_library_does(served, users):
    huey, _, tasks, _ = served
    storage = huey.storage
    eventually(lambda: storage.incr("ticks", 0) >= 1, "a periodic task")
    ENOUGH.clear()
    running = tasks["slow"]()
    eventually(running.progress, "progress")
    assert running.cancel()
    ENOUGH.set()
    value_of(tasks["add"](1, 2))
    revoked = tasks["add"].schedule((1, 2), delay=60)
    revoked.revoke()
    assert revoked.is_revoked()
    assert revoked.restore()
    eventually(
        lambda: revoked.id in [task.id for task in huey.scheduled()], "the task on the schedule"
    )
    assert huey.scheduled_count() >= 1
    assert revoked.reschedule(delay=0)
    tasks["add"].revoke()
    tasks["add"].restore()
    tasks["add"].revoke(args=(9, 9))
    storage.enqueue(b"not a message")
    [letter] = eventually(huey.dead_letters, "a dead letter")
    assert huey.requeue_dead([letter.id]) == 1
    eventually(huey.dead_letters, "the same dead letter")
    assert huey.delete_dead() == 1
    assert huey.put_if_empty("ending", 1, ttl=10)
    assert huey.delete("ending")
    huey.pending(), huey.parked(), huey.all_results(), huey.result_count(), storage.in_flight()
    assert huey.lock_task("lock").clear() is not None
    storage.delete_counter("ticks")
    assert users.denied() == []


def take_back_what_a_dead_consumer_had(make, users):
    huey = make("consumer")
    storage = huey.storage
    add = declare(huey)["add"]
    for _ in range(3):
        add(1, 2)
    first, second, third = storage.fetch("dead", 3, lease=0.001)
    storage.extend("dead", 0.001)
    storage.begin("dead", [first])
    assert storage.admit("dead", second, "limited", 1)
    assert not storage.admit("dead", third, "limited", 1)
    assert storage.reclaim(dead=["dead"]) >= 1
    again = storage.fetch("other", 5)
    assert again[0].attempt == 2
    storage.begin("other", again)
    storage.release("other", again[:1])
    storage.release("other", [Delivery(b"popped")])
    assert storage.reclaim(dead=["other"]) >= 1
    storage.leave("other")
    storage.promote()
    while storage.fetch("last", 1, wait=0.01):
        storage.promote()
    storage.interrupt("last")
    storage.settle("last", [])
    users.admin.link.execute("SCRIPT", "FLUSH")
    assert not storage.fetch("waiting", 1, wait=0.01)
    assert not storage.fetch("waiting", 1, wait=0.01)
    assert huey.dequeue() is None
    assert huey.read_schedule() == []
    storage.close()
    huey.flush()
    assert users.denied() == []
    assert users.admin.link.execute("KEYS", "*") == []


FORBIDDEN_TO_BOTH = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "*"),
    ("SHUTDOWN",),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "producer", "+@all"),
    ("DEBUG", "SLEEP", "0"),
    ("MONITOR",),
    ("MODULE", "LIST"),
    ("SAVE",),
    ("REPLICAOF", "NO", "ONE"),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "ID", "1"),
    ("SCRIPT", "FLUSH"),
    ("RENAME", "huey.redis.shop", "huey.dead.shop"),
    ("RESTORE", "huey.redis.shop", "0", "x"),
    ("DUMP", "huey.redis.shop"),
    ("LPUSH", "huey.redis.mail", "x"),
    ("HGET", "huey.results.mail", "x"),
    ("HGET", "huey.inflight.mail.consumer", "x"),
    ("GET", "secret"),
    ("SUBSCRIBE", "huey.wake.mail"),
    ("SUBSCRIBE", "anything"),
    ("EVAL", "return redis.call('GET', KEYS[1])", "1", "secret"),
    ("EVAL", "return redis.call('GET', 'secret')", "0"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
]

FORBIDDEN_TO_PRODUCERS = [
    ("LRANGE", "huey.redis.shop", "0", "-1"),
    ("RPOP", "huey.redis.shop"),
    ("ZRANGE", "huey.redis.shop", "0", "-1"),
    ("BLMOVE", "huey.redis.shop", "huey.landing.shop.me", "RIGHT", "LEFT", "0.01"),
    ("HGETALL", "huey.results.shop"),
    ("ZRANGE", "huey.schedule.shop", "0", "-1"),
    ("HGET", "huey.dead.shop", "x"),
    ("HGET", "huey.inflight.shop.consumer", "x"),
    ("ZADD", "huey.consumers.shop", "0", "x"),
    ("ZADD", "huey.revoked.shop", "0", "x"),
    ("PUBLISH", "huey.wake.shop", "x"),
    ("CLIENT", "UNBLOCK", "1"),
]


@pytest.mark.parametrize("command", FORBIDDEN_TO_BOTH, ids=" ".join)
@pytest.mark.parametrize("user", ["producer", "consumer"])
def test_neither_may_do_what_is_not_needed_or_touch_another_queue(user, command, users):
    refuses(user, command, users)


@pytest.mark.parametrize("command", FORBIDDEN_TO_PRODUCERS, ids=" ".join)
def test_a_producer_may_not_read_or_take_what_others_enqueued(command, users):
    refuses("producer", command, users)


#: How servers of all versions say it.
DENIED = r"has no permissions|ACL failure|user executing the script can't|DEBUG command not allowed"


def refuses(user, command, users):
    storage = RedisStorage("shop", url=users.url(user))
    users.denied()
    with pytest.raises((StorageUnavailable, redis.ResponseError), match=DENIED):
        storage.link.execute(*command)
    storage.close()


def test_a_consumer_of_another_queue_is_refused_with_a_clear_message(users):
    huey = RedisHuey("mail", url=users.url("consumer"))
    with pytest.raises(StorageUnavailable, match="refuses: this user has no permissions"):
        huey.storage.enqueue(b"x")
    huey.storage.close()


def test_who_is_no_user_gets_nowhere(users):
    huey = RedisHuey("shop", url=f"redis://producer:wrong@127.0.0.1:{users.server.port}")
    with pytest.raises(StorageUnavailable, match="refuses"):
        huey.storage.enqueue(b"x")
    huey.storage.close()
