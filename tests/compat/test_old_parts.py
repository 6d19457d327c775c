# SPDX-License-Identifier: MIT
"""Queues, data stores and schedules: ours and anybody's. (002 and 003, Queues and DataStores.)"""

from __future__ import annotations

import datetime
import threading

import pytest
from consuming import eventually
from old import (
    BaseDataStore,
    BaseEventEmitter,
    BaseQueue,
    BaseSchedule,
    DictStore,
    EmptyData,
    Huey,
    Invoker,
    ListQueue,
    ListSchedule,
    RedisDataStore,
    RedisEventEmitter,
    RedisHuey,
    RedisQueue,
    RedisSchedule,
    SqliteDataStore,
    SqliteQueue,
    SqliteSchedule,
    queue_command,
    work_off,
)

from huey_green import JSONSerializer, clock
from huey_green.compat.reading import PAUSE
from huey_green.exceptions import ConfigurationError
from huey_green.message import Settlement

NAMES = [RedisDataStore, SqliteDataStore, DictStore]


@pytest.fixture(params=["redis", "sqlite", "own"])
def make(request, name, tmp_path):
    """Makes a part of a kind."""

    def make(redis, sqlite, own):
        if request.param == "own":
            return own(name)
        if request.param == "sqlite":
            return sqlite(name, str(tmp_path / "parts.db"))
        return redis(name, **request.getfixturevalue("server"))

    return make


def test_a_queue_is_first_in_first_out(make):
    """002: BaseQueue.write, read, flush, __len__; 003: BaseQueue"""
    queue = make(RedisQueue, SqliteQueue, ListQueue)
    assert queue.read() is None
    for data in (b"1", b"2", b"3"):
        queue.write(data)
    assert queue.read() == b"1"
    queue.flush()
    assert queue.read() is None


def test_a_queue_of_sqlite_removes_and_counts(tmp_path):
    """003: BaseQueue.remove, __len__; 1.7.2 "Using sqlite\""""
    queue = SqliteQueue("old", str(tmp_path / "old.db"))
    for data in (b"1", b"2", b"1"):
        queue.write(data)
    assert (queue.remove(b"1"), len(queue), queue.read()) == (2, 1, b"2")
    assert queue, "an empty one is a queue all the same"


def test_a_data_store_tells_nothing_from_none(make):
    """002: BaseDataStore.put, get, flush; 003: BaseDataStore.peek"""
    store = make(*NAMES)
    assert store.get("key") is EmptyData
    assert store.peek("key") is EmptyData
    store.put("key", b"value")
    store.put("key", b"newer")
    assert store.peek("key") == b"newer"
    assert store.get("key") == b"newer"
    assert store.get("key") is EmptyData, "fetching a result takes it out"
    store.put("key", b"value")
    store.flush()
    assert store.get("key") is EmptyData


def test_a_schedule_gives_what_is_due(make):
    """003: BaseSchedule.add, read, flush; RedisSchedule"""
    schedule = make(RedisSchedule, SqliteSchedule, ListSchedule)
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    second = datetime.timedelta(seconds=1)
    schedule.add(b"later", moment + second)
    schedule.add(b"now", moment)
    assert schedule.read(moment - second) == []
    assert schedule.read(moment) == [b"now"]
    schedule.flush()
    assert schedule.read(moment + second) == []


@pytest.mark.parametrize(
    ("base", "call"),
    [
        (BaseQueue, lambda one: one.write(b"")),
        (BaseQueue, lambda one: one.read()),
        (BaseQueue, lambda one: one.remove(b"")),
        (BaseDataStore, lambda one: one.put("", b"")),
        (BaseDataStore, lambda one: one.get("")),
        (BaseDataStore, lambda one: one.flush()),
        (BaseSchedule, lambda one: one.add(b"", None)),
        (BaseSchedule, lambda one: one.read(None)),
        (BaseSchedule, lambda one: one.flush()),
        (BaseEventEmitter, lambda one: one.emit("")),
    ],
)
def test_a_method_that_was_not_written_says_so(base, call):
    """003: 1.8.3 Base classes, "methods that must be implemented\""""
    mine = type("Mine", (base,), {})("name", host="x")
    assert mine.connection == {"host": "x"}
    with pytest.raises(NotImplementedError):
        call(mine)


# Together.


def test_what_is_in_one_place_is_leased_whatever_the_names(server, name):
    """003: 1.3.1 RedisBlockingQueue('test-queue') beside RedisDataStore('results')"""
    parts = RedisQueue(name, **server), RedisDataStore(f"{name}r", **server)
    huey = Huey(*parts, RedisSchedule(f"{name}s", **{**server, "host": "127.0.0.1"}))
    assert huey.storage.leases
    res = huey.task()(doubled)(4)
    [delivery] = huey.storage.fetch("one", 10, 0.0, 30.0)
    assert delivery.receipt is not None
    outcome = huey.executor.run(delivery)
    huey.storage.settle("one", [Settlement(delivery, outcome.effects)])
    assert res.get(blocking=True, timeout=10) == 8
    huey.storage.put_data("k", b"v")
    assert parts[1].get("k") == b"v"
    huey.flush()


def doubled(number):
    return 2 * number


def test_what_is_in_one_file_is_leased_and_found_by_its_store(tmp_path):
    """003: 1.7.2 "Using sqlite\""""
    file = str(tmp_path / "old.db")
    store = SqliteDataStore("results", file)
    huey = Huey(SqliteQueue("queue", file), store, SqliteSchedule("plan", file))
    assert huey.storage.leases
    res = huey.task()(doubled)(4)
    work_off(huey)
    assert store.peek(res.id) is not EmptyData
    assert res.get() == 8


def test_parts_of_ones_own_run_tasks_at_most_once(tmp_path):
    """002: BaseQueue; ours"""
    invoker = Invoker(ListQueue("beans"))
    assert invoker.at_most_once
    with pytest.raises(ConfigurationError, match="at_most_once"):
        invoker.task(max_concurrency=1)
    assert not Invoker(SqliteQueue("beans", str(tmp_path / "beans.db"))).at_most_once


def test_parts_in_different_places_work_together(server, name, tmp_path):
    """002: "you can write an implementation for any datastore you like\""""
    store = SqliteDataStore("results", str(tmp_path / "old.db"))
    invoker = Invoker(RedisQueue(name, **server), store)
    command = queue_command(invoker)(doubled)
    command(4)
    assert [one.receipt for one in invoker.storage.fetch("one", 10, 0.0, 30.0)] == [None]
    res = command(5)
    assert len(invoker) == 1
    work_off(invoker)
    assert res.get(blocking=True, timeout=5) == 10


def test_the_schedule_is_kept_in_the_task_store():
    """002: TASK_STORE; 003: "DataStores can also be used to serialize task schedules\""""
    queue, store = ListQueue(), DictStore("tasks")
    invoker = Invoker(queue, None, store)
    first, second = (queue_command(invoker)(one) for one in (doubled, returns_none))
    first.schedule((1,), eta=datetime.datetime(2040, 1, 1))
    second.schedule(eta=datetime.datetime(2039, 1, 1))
    work_off(invoker)
    again = Invoker(queue, None, store)  # As after the consumer has been down.
    assert [task.name for task in again.scheduled()] == ["returns_none", "doubled"]
    assert again.storage.schedule_size() == 2
    assert [task.name for task in again.read_schedule(datetime.datetime(2039, 6, 1))] == [
        "returns_none"
    ]
    assert again.storage.remove_scheduled(again.storage.scheduled_items()[0])
    assert store.values == {}


def returns_none():
    return None


def test_the_schedule_of_ones_own_has_the_consumers_time():
    """003: BaseSchedule.add(data, timestamp), the note on UTC"""
    for utc in (True, False):
        schedule = ListSchedule()
        huey = Huey(ListQueue(), None, schedule, utc=utc)
        later = datetime.datetime.now() + datetime.timedelta(hours=1)
        huey.task()(doubled).schedule((1,), eta=later)
        work_off(huey)
        [(at, _)] = schedule.items
        assert at == clock.as_naive(later, utc)
        huey.flush()
        assert schedule.items == []


def test_locks_counters_and_values_work_on_a_store_of_ones_own():
    """003: BaseDataStore; what later huey has beside it"""
    store = DictStore()
    huey = Huey(ListQueue(), store)
    with huey.lock_task("one"):
        assert huey.is_locked("one")
    assert not huey.is_locked("one")
    huey.put("key", [1])
    assert (huey.get("key", peek=True), huey.get("key"), huey.get("key")) == ([1], [1], None)
    assert [huey.storage.incr("n"), huey.storage.incr("n", 2)] == [1, 3]
    huey.storage.delete_counter("n")
    assert not huey.storage.delete_if("key", b"1")
    assert store.values == {}


def test_a_message_nobody_can_read_is_a_dead_letter_in_a_store_of_ones_own():
    """003: 1.6 "XXX not found"; dead letters are ours"""
    queue, store = ListQueue(), DictStore()
    producer, consumer = Huey(queue, store), Huey(queue, store)
    producer.task()(doubled)(1)
    [delivery] = consumer.storage.fetch("one", 10, 0.0, 30.0)
    outcome = consumer.executor.run(delivery)
    consumer.storage.settle("one", [Settlement(delivery, outcome.effects)])
    [letter] = producer.dead_letters()
    assert ".doubled not found in TaskRegistry" in letter.reason
    assert producer.result_count() == 1
    assert producer.requeue_dead() == 1
    assert work_off(producer) == 1
    assert producer.dead_letters() == []


def test_a_store_that_returns_text_is_read():
    """002: BaseQueue.read, "a string message\""""

    class TextQueue(ListQueue):
        def write(self, data):
            super().write(data.decode("ascii"))

    huey = Huey(TextQueue(), DictStore(), serializer=JSONSerializer())
    res = huey.task()(doubled)(4)
    work_off(huey)
    assert res.get() == 8


# A queue that waits.


class WaitingQueue(ListQueue):
    """A queue whose ``read`` waits for ever, as that of the documents."""

    blocking = True

    def __init__(self, name="waiting"):
        super().__init__(name)
        self.changed = threading.Condition()
        self.readers = 0

    def write(self, data):
        with self.changed:
            self.items.append(data)
            self.changed.notify_all()

    def read(self):
        with self.changed:
            self.readers += 1
            self.changed.wait_for(lambda: self.items)
            self.readers -= 1
            return self.items.pop(0)


@pytest.fixture
def waiting():
    queue = WaitingQueue()
    yield queue
    for _ in range(queue.readers):  # So that no thread waits on.
        queue.write(b"end")
    eventually(lambda: not queue.readers)


def test_a_queue_that_waits_is_read_and_may_be_left(waiting):
    """002: BaseQueue.blocking, "it will read and wait\""""
    storage = Huey(waiting, DictStore()).storage
    assert storage.fetch("one", 10, 0.0, None) == []
    waiting.write(b"first")
    assert [one.body for one in storage.fetch("one", 10, 10.0, None)] == [b"first"]
    storage.interrupt("one")
    assert storage.fetch("one", 10, 10.0, None) == [], "it does not wait"
    storage.leave("one")
    waiting.write(b"second")
    eventually(lambda: waiting.readers == 0 and waiting.items == [b"second"])
    assert [one.body for one in storage.fetch("one", 10, 10.0, None)] == [b"second"]


def test_what_was_read_and_is_not_wanted_any_more_goes_back(waiting):
    """002: BaseQueue.blocking"""
    storage = Huey(waiting, DictStore()).storage
    assert storage.fetch("one", 10, 0.0, None) == []
    waiting.write(b"first")
    eventually(lambda: waiting.readers == 0)
    eventually(lambda: _leaves(storage, waiting))


def _leaves(storage, waiting):
    storage.leave("one")
    return waiting.items == [b"first"]


def test_a_queue_that_says_it_waits_and_does_not_is_given_a_pause():
    """002: BaseQueue.blocking"""

    class Impatient(ListQueue):
        blocking = True

    storage = Huey(Impatient(), DictStore()).storage
    began = clock.monotonic()
    assert storage.fetch("one", 10, 10.0, None) == []
    assert clock.monotonic() - began >= PAUSE


def test_an_error_of_a_queue_that_waits_reaches_who_fetches():
    """002: BaseQueue.read"""

    class Broken(ListQueue):
        blocking = True

        def read(self):
            raise OSError("the queue is away")

    storage = Huey(Broken(), DictStore()).storage
    with pytest.raises(OSError, match="the queue is away"):
        storage.fetch("one", 10, 10.0, None)


# Events.


class Told(BaseEventEmitter):
    """An emitter of one's own."""

    def __init__(self, channel, **connection):
        super().__init__(channel, **connection)
        self.told = []

    def emit(self, data):
        self.told.append(data)


def test_an_emitter_of_ones_own_is_told_what_happens(parts):
    """003: 1.4.3 Consumer Event Emitter; BaseEventEmitter.emit; Huey(events=...)"""
    emitter = Told("events")
    huey = Huey(*parts, events=emitter)
    huey.task()(doubled)(4)
    work_off(huey)
    assert ['"status": "enqueued"' in one for one in emitter.told] == [True, False, False]
    assert '"status": "finished"' in emitter.told[-1]


def test_redis_huey_tells_on_the_channel_of_its_name(server, name, client):
    """003: 1.4.3 "or if you choose to use RedisHuey"; 004: Consumer Event Emitter"""
    huey = RedisHuey(name, **server)
    assert isinstance(huey.emitter, RedisEventEmitter)
    with client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(name)
        eventually(lambda: client.pubsub_numsub(name)[0][1] == 1)
        huey.task()(doubled)(4)
        told = eventually(lambda: listening.get_message(timeout=1.0))
    assert b'"status": "enqueued"' in told["data"]
    huey.flush()
    huey.emitter.close()
