# SPDX-License-Identifier: MIT
"""A storage with only the documented methods works: by hand, in immediate mode, in a consumer."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from documented_only import DictStorage

from huey_green import (
    CancelExecution,
    Consumer,
    Huey,
    RetryTask,
    StorageUnavailable,
    TaskException,
    chord,
    clock,
    crontab,
)
from huey_green import signals as s
from huey_green.exceptions import TaskLockedException
from huey_green.testing.concurrency import eventually
from huey_green.testing.contract import DocumentedContract

#: Seconds after which a test gives up waiting for a result; none that passes comes near.
PATIENCE = 30.0


class EpochDictStorage(DictStorage):
    """Takes moments as epoch seconds too, as the contract has them."""

    def add_to_schedule(self, data, timestamp):
        super().add_to_schedule(data, as_datetime(timestamp))

    def read_schedule(self, timestamp):
        return super().read_schedule(as_datetime(timestamp))


def as_datetime(moment):
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment)


class TestDictStorage(DocumentedContract):
    @pytest.fixture
    def storage(self):
        return EpochDictStorage()

    # What is not among the documented methods: counters, and values that end by themselves.
    test_a_counter_starts_at_zero_and_adds_up = None
    test_counters_of_two_handles_add_up = None
    test_counters_and_values_do_not_mix = None
    test_a_value_with_a_ttl_is_gone_after_it = None
    test_a_value_that_is_put_anew_has_no_ttl = None
    test_flushing_all_leaves_nothing = None


@pytest.fixture
def huey():
    return Huey("third-party", storage_class=DictStorage)


@pytest.fixture
def add(huey):
    @huey.task()
    def add(a, b):
        return a + b

    return add


@pytest.fixture
def sent(huey):
    """The names of the signals that were sent."""
    found = []
    huey.signal()(lambda name, *args: found.append(name))
    return found


@pytest.fixture
def start(huey, request):
    """A function that starts a consumer in this process."""

    def start(**options):
        options = {"workers": 8, "scheduler_interval": 0.02, "max_delay": 0.05, **options}
        consumer = Consumer(huey, **options)
        consumer.start()
        request.addfinalizer(consumer.stop)
        return consumer

    return start


def value_of(result):
    return result(blocking=True, timeout=PATIENCE)


def run_all(huey):
    """Execute by hand what is in the queue, and what follows from it."""
    count = 0
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
        count += 1
    return count


def test_the_storage_has_no_other_methods_than_the_documented_ones():
    own = {name for name in vars(DictStorage) if not name.startswith("_")}
    assert own == {
        *("enqueue", "dequeue", "queue_size", "enqueued_items", "flush_queue"),
        *("add_to_schedule", "read_schedule", "schedule_size", "scheduled_items"),
        *("flush_schedule", "put_data", "peek_data", "pop_data", "put_if_empty"),
        *("has_data_for_key", "result_store_size", "result_items", "flush_results"),
    }


# By hand.


def test_tasks_and_results_go_through_the_storage(huey, add):
    result = add(1, 2)
    assert len(huey) == huey.storage.queue_size() == 1
    assert [task.args for task in huey.pending()] == [(1, 2)]
    assert result() is None
    assert not result.is_ready()
    assert run_all(huey) == 1
    assert list(huey.all_results()) == [result.id]
    assert result.is_ready()
    assert result(blocking=True, timeout=0) == 3
    assert huey.result_count() == 0


def test_a_failed_task_leaves_its_error(huey, add):
    result = add(1, "2")
    assert run_all(huey) == 1
    with pytest.raises(TaskException, match="TypeError"):
        result()


def test_higher_priorities_run_first(huey):
    ran = []
    task = huey.task()(ran.append)
    for name, priority in (("low", -1), ("none", None), ("high", 5)):
        huey.enqueue(task.s(name, priority=priority))
    run_all(huey)
    assert ran == ["high", "none", "low"]


@pytest.mark.parametrize("utc", [True, False])
def test_scheduled_tasks_run_when_they_are_due(utc):
    huey = Huey("third-party", storage_class=DictStorage, utc=utc)

    @huey.task()
    def add(a, b):
        return a + b

    soon = add.schedule((1, 2), delay=60)
    later = add.schedule((3, 4), eta=datetime.now() + timedelta(seconds=3600))
    assert run_all(huey) == 2
    assert huey.scheduled_count() == 2
    assert [task.id for task in huey.scheduled()] == [soon.id, later.id]
    now = datetime.now(timezone.utc).replace(tzinfo=None) if utc else datetime.now()
    assert huey.read_schedule(now) == []
    [due] = huey.read_schedule(now + timedelta(seconds=61))
    huey.execute(due, now + timedelta(seconds=61))
    assert soon() == 3
    assert huey.storage.promote(now=datetime.now().timestamp() + 3601).moved == 1
    assert huey.scheduled_count() == 0
    assert len(huey) == 1


def test_retries_are_scheduled_and_run_again(huey):
    runs = []

    @huey.task(retries=2)
    def at_once():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("failing!")
        return "OK"

    @huey.task(retries=1, retry_delay=60)
    def later():
        raise RetryTask(delay=30)

    result = at_once()
    assert run_all(huey) == 3
    result.reset()
    assert result() == "OK"
    later()
    assert run_all(huey) == 1
    assert huey.scheduled_count() == 1


def test_pipelines_and_error_tasks_follow(huey, add):
    @huey.task()
    def handle(error):
        return repr(error)

    group = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
    assert run_all(huey) == 3
    assert group.get() == [3, 6, 10]
    failing = add.s(1, "2").error(handle)
    huey.enqueue(failing)
    run_all(huey)
    assert "TypeError" in huey.result(failing.on_error.id)


def test_locks_keep_others_out(huey, sent):
    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return "ran"

    with huey.lock_task("lock"):
        assert huey.is_locked("lock")
        result = locked()
        run_all(huey)
        with pytest.raises(TaskException, match="TaskLockedException"):
            result()
        with pytest.raises(TaskLockedException), huey.lock_task("lock"):
            pass
    assert s.SIGNAL_LOCKED in sent
    assert not huey.is_locked("lock")
    result = locked()
    run_all(huey)
    assert result() == "ran"
    huey.lock_task("left behind").acquire()
    assert huey.flush_locks() == {"left behind"}


def test_a_lock_with_a_time_is_free_again_after_it(huey):
    assert huey.lock_task("lock", ttl=0.05).acquire()
    eventually(huey.lock_task("lock", ttl=1000).acquire, "the end of the time")
    for lock in (huey.lock_task("lock"), huey.lock_task("lock", ttl=0.01)):
        assert not lock.acquire()
    assert huey.lock_task("lock").clear()
    forever = huey.lock_task("lock")
    assert forever.acquire()
    assert not huey.lock_task("lock", ttl=0.01).acquire()
    assert forever.release()


def test_a_chord_calls_back_with_the_values_of_its_members(huey, add):
    @huey.task()
    def total(values):
        return sum(values)

    result = huey.enqueue(chord([add.s(n, 1) for n in range(5)], total))
    assert run_all(huey) == 6
    assert result.get() == 15
    empty = huey.enqueue(chord([], total))
    run_all(huey)
    assert empty.get() == 0
    assert [key for key in huey.all_results() if key.startswith("chord")] == []


def test_revoked_tasks_do_not_run(huey, add, sent):
    first, second = add(1, 2), add(3, 4)
    first.revoke()
    assert first.is_revoked()
    run_all(huey)
    assert first() is None
    assert second() == 7
    assert sent.count(s.SIGNAL_REVOKED) == 1
    add.revoke(revoke_once=True)
    results = [add(1, 1), add(2, 2)]
    run_all(huey)
    assert [result() for result in results] == [None, 4]
    add.revoke(revoke_until=datetime.now() + timedelta(hours=1))
    assert add.is_revoked()
    assert add.restore()
    assert not add.is_revoked()


def test_hooks_and_signals_are_called(huey, add, sent):
    @huey.pre_execute()
    def before(task):
        if task.args == (0, 0):
            raise CancelExecution

    ended = []
    huey.post_execute()(lambda task, value, error: ended.append(value))
    add(0, 0)
    add(1, 1)
    run_all(huey)
    assert ended == [2]
    assert s.SIGNAL_CANCELED in sent
    assert sent[-1] == s.SIGNAL_COMPLETE


def test_values_may_be_kept_beside_the_results(huey):
    assert huey.put("key", {"a": 1})
    assert huey.get("key", peek=True) == {"a": 1}
    assert not huey.put_if_empty("key", 2)
    assert huey.get("key") == {"a": 1}
    assert huey.get("key") is None
    assert huey.put_if_empty("key", 2)
    assert huey.delete("key")


def test_flushing_leaves_nothing(huey, add):
    add(1, 2)
    add.schedule((1, 2), delay=60)
    run_all(huey)
    add(1, 2)
    huey.put("key", 1)
    huey.flush()
    assert len(huey) == huey.scheduled_count() == huey.result_count() == 0


def test_a_bad_message_becomes_a_dead_letter_that_can_be_requeued(huey, start, add):
    huey.storage.enqueue(b"garbage")
    start()
    assert value_of(add(1, 2)) == 3
    eventually(lambda: len(huey.dead_letters()) == 1)
    assert huey.dead_letters()[0].body == b"garbage"
    assert huey.requeue_dead() == 1
    eventually(lambda: len(huey.dead_letters()) == 1)


# Immediate mode.


@pytest.mark.parametrize("use_memory", [True, False])
def test_immediate_mode_runs_tasks_where_they_are_called(use_memory):
    huey = Huey(
        "third-party",
        storage_class=DictStorage,
        immediate=True,
        immediate_use_memory=use_memory,
    )
    assert isinstance(huey.storage, DictStorage) is not use_memory

    @huey.task(retries=1)
    def add(a, b):
        return a + b

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return "ran"

    assert add(1, 2)() == 3
    assert huey.enqueue(add.s(1, 2).then(add, 3)).get() == [3, 6]
    with pytest.raises(TaskException, match="TypeError"):
        add(1, "2")()
    assert locked()() == "ran"
    later = add.schedule((1, 2), delay=3600)
    assert later() is None
    assert huey.scheduled_count() == 1
    add.revoke()
    assert add(1, 2)() is None
    assert add.restore()


def test_a_storage_stays_when_immediate_mode_comes_and_goes(huey, add):
    add(1, 2)
    storage = huey.storage
    huey.immediate = True
    assert add(3, 4)() == 7
    huey.immediate = False
    assert huey.storage is storage
    assert len(huey) == 1


# In a consumer.


def test_a_consumer_runs_tasks_of_all_kinds(huey, add, start):
    @huey.task()
    def handle(error):
        return repr(error)

    consumer = start()
    assert value_of(add(1, 2)) == 3
    assert value_of(add.map([(n, 1) for n in range(200)])) == [n + 1 for n in range(200)]
    assert value_of(add.schedule((3, 4), delay=0.05)) == 7
    assert value_of(huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))) == [3, 6, 10]
    failing = add.s(1, "2").error(handle)
    huey.enqueue(failing)
    assert "TypeError" in huey.result(failing.on_error.id, blocking=True, timeout=PATIENCE)

    @huey.task()
    def total(values):
        return sum(values)

    whole = huey.enqueue(chord([add.s(n, 1) for n in range(50)], total))
    assert value_of(whole) == 1275
    consumer.stop(graceful=True)
    waiting = add(5, 6)
    consumer.start()
    assert value_of(waiting) == 11


def test_a_consumer_retries(huey, start):
    runs = []
    completed = threading.Event()

    @huey.task(retries=2, retry_delay=0.02)
    def flaky():
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("failing!")
        return "OK"

    huey.signal(s.SIGNAL_COMPLETE)(lambda *args: completed.set())
    start()
    result = flaky()
    assert completed.wait(PATIENCE)
    assert value_of(result) == "OK"
    assert len(runs) == 3


def test_a_consumer_minds_locks_and_revocations(huey, add, start):
    inside, leave = threading.Event(), threading.Event()

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        inside.set()
        assert leave.wait(PATIENCE)
        return "ran"

    huey.put_if_empty("third-party.lock.extra", 1)
    revoked = add(1, 2)
    revoked.revoke()
    start(flush_locks=True, extra_locks=["extra"])
    assert not huey.is_locked("extra")
    first = locked()
    assert inside.wait(PATIENCE)
    with pytest.raises(TaskException, match="TaskLockedException"):
        value_of(locked())
    leave.set()
    assert value_of(first) == "ran"
    assert value_of(add(3, 4)) == 7
    assert revoked() is None


def test_two_consumers_run_each_task_once(huey, start):
    ran = []

    @huey.task()
    def once(n):
        ran.append(n)
        return n

    start(workers=4)
    start(workers=4)
    assert value_of(once.map(range(300))) == list(range(300))
    assert sorted(ran) == list(range(300))


def test_periodic_tasks_run_once_with_two_consumers(huey, start):
    ran = []

    @huey.periodic_task(lambda moment: True)
    def every_minute():
        ran.append(1)

    @huey.task()
    def after():
        return "after"

    # Early in a minute: a consumer that starts now still enqueues for that minute.
    huey.storage.time = datetime(2031, 5, 6, 12, 0, 2).timestamp
    consumers = [start(), start()]
    eventually(lambda: ran)
    assert value_of(after()) == "after"
    for consumer in consumers:
        consumer.stop(graceful=True)
    assert ran == [1]


def test_keys_of_periodic_tasks_do_not_pile_up(huey, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(clock, "wall", lambda: now)
    for minute in range(100):
        now += 60.0
        for _ in range(2):
            huey.storage.enqueue_once(b"tick", f"cron:{minute}", ttl=600.0)
    assert len(huey) == 100
    assert huey.result_count() <= 24


def test_a_periodic_task_is_known_by_its_crontab(huey):
    @huey.periodic_task(crontab(minute="0"))
    def hourly():
        pass

    assert [task.name for task in huey.read_periodic(datetime(2030, 1, 1, 12, 0))] == ["hourly"]
    assert huey.read_periodic(datetime(2030, 1, 1, 12, 1)) == []


def test_a_result_that_does_not_come_is_timed_out(huey, add):
    with pytest.raises(Exception, match="no result"):
        add(1, 2)(blocking=True, timeout=0.05)


def test_a_storage_that_is_away_is_waited_for_by_who_waits_for_a_result():
    class Shaky(DictStorage):
        failures = 0

        def has_data_for_key(self, key):
            if self.failures:
                raise StorageUnavailable("it is away")
            return super().has_data_for_key(key)

        def ping(self):
            self.failures -= 1
            if self.failures:
                raise StorageUnavailable("it is still away")

    huey = Huey("shaky", storage_class=Shaky)

    @huey.task()
    def one():
        return 1

    result = one()
    run_all(huey)
    huey.storage.failures = 3
    assert result.get(blocking=True, timeout=PATIENCE) == 1
    assert huey.storage.failures == 0
