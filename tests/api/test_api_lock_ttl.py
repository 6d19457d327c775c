# SPDX-License-Identifier: MIT
"""Locks whose time ends, locks that are interrupted, semaphores, and clearing all of them."""

import threading
import time

import gevent
import pytest
from driving import PATIENCE, run_all

from huey_green import MemoryHuey, TaskException, TaskLockedException
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.testing.concurrency import Running, eventually

#: Seconds: real ones, for in Redis it is the server that lets a lock go.
SOON = 0.05
LATE = 3600.0


def becomes_free(huey, name="lock"):
    eventually(lambda: not huey.is_locked(name), "the lock to be free")


# Time to live.


def test_a_lock_is_free_after_its_time_and_not_before(huey):
    lock = huey.lock_task("lock", ttl=SOON)
    assert lock.acquire()
    becomes_free(huey)
    assert not lock.is_locked()
    assert huey.lock_task("lock", ttl=LATE).acquire()
    assert not lock.acquire()
    assert huey.is_locked("lock")


def test_a_holder_whose_time_ended_does_not_free_the_next_ones_lock(huey):
    first, second = huey.lock_task("lock", ttl=SOON), huey.lock_task("lock", ttl=LATE)
    assert first.acquire()
    becomes_free(huey)
    assert second.acquire()
    assert not first.release()
    assert huey.is_locked("lock")
    assert second.release()
    assert not huey.is_locked("lock")
    assert not second.release()


def test_a_block_whose_time_ended_leaves_the_next_ones_lock_alone(huey):
    second = huey.lock_task("lock")
    with huey.lock_task("lock", ttl=SOON):
        becomes_free(huey)
        assert second.acquire()
    assert huey.is_locked("lock")


def test_a_lock_without_a_time_stays_after_one_with(huey):
    with huey.lock_task("lock", ttl=SOON):
        becomes_free(huey)
    with huey.lock_task("lock"):
        other = huey.lock_task("other", ttl=SOON)
        assert other.acquire()
        becomes_free(huey, "other")
        assert huey.is_locked("lock"), "a lock was taken later, and is free already"


def test_one_object_above_a_function_keeps_its_callers_apart(huey):
    """The second one takes the lock when the first one's time has ended, in the same object."""
    entered, leave = threading.Event(), threading.Event()
    calls = []

    @huey.lock_task("lock", ttl=SOON)
    def work():
        calls.append(1)
        if len(calls) == 1:
            entered.set()
            assert leave.wait(PATIENCE)
            return huey.is_locked("lock")
        leave.set()
        first.result()
        return True

    first = Running(work)
    assert entered.wait(PATIENCE)
    becomes_free(huey)
    work()
    # Its release came while the second one held it, or was over too.
    assert first.ended


def test_a_function_that_calls_itself_after_its_time_frees_its_own(huey):
    long = huey.lock_task("lock", ttl=LATE)
    short = huey.lock_task("lock", ttl=SOON)
    with short:
        becomes_free(huey)
        with short:
            assert huey.is_locked("lock")
            becomes_free(huey)
            assert long.acquire()
        assert huey.is_locked("lock")
    assert huey.is_locked("lock")
    assert long.release()


def test_a_lock_that_is_taken_in_one_thread_may_be_freed_in_another(huey):
    lock = huey.lock_task("lock")
    assert Running(lock.acquire).result()
    assert lock.release()
    assert not lock.release()
    assert not huey.is_locked("lock")


def test_a_task_that_is_locked_out_runs_when_the_time_of_the_lock_has_ended(huey, start):
    """As when the consumer that held it was killed."""

    @huey.task(retries=1000, retry_delay=0.02)
    @huey.lock_task("lock", ttl=SOON)
    def work():
        return time.monotonic()

    taken = time.monotonic()
    assert huey.lock_task("lock", ttl=4 * SOON).acquire()
    start(huey)
    result, refusals = work(), set()

    def value():
        result.reset()
        try:
            return result()
        except TaskException as error:
            refusals.add(error.metadata["error"].partition("(")[0])
            return None

    # A server counts whole milliseconds.
    assert eventually(value) > taken + 4 * SOON - 0.001
    assert refusals <= {"TaskLockedException"}


# Interruptions: a timeout or the end of the consumer, in the midst of a call of the storage.


class Interrupted:
    """Carries one call of a storage out and loses its answer."""

    def __init__(self, monkeypatch, storage, verb, error):
        self._call = getattr(storage, verb)
        self._error = error
        self._left = 1
        monkeypatch.setattr(storage, verb, self)

    def __call__(self, *args, **kwargs):
        answer = self._call(*args, **kwargs)
        if self._left:
            self._left = 0
            raise self._error
        return answer


class Lost(Interrupted):
    """Loses one call of a storage before it is carried out."""

    def __call__(self, *args, **kwargs):
        if self._left:
            self._left = 0
            raise self._error
        return self._call(*args, **kwargs)


@pytest.mark.parametrize("error", [gevent.Timeout, StorageUnavailable, KeyboardInterrupt])
def test_a_lock_is_not_left_behind_when_taking_it_is_interrupted(huey, monkeypatch, error):
    lock = huey.lock_task("lock")
    Interrupted(monkeypatch, huey.storage, "put_if_empty", error())
    with pytest.raises(error), lock:
        raise AssertionError
    assert not huey.is_locked("lock")
    with lock:
        assert huey.is_locked("lock")


def test_an_interrupted_one_leaves_the_lock_of_another_alone(huey, monkeypatch):
    assert huey.lock_task("lock").acquire()
    Interrupted(monkeypatch, huey.storage, "put_if_empty", gevent.Timeout())
    with pytest.raises(gevent.Timeout), huey.lock_task("lock"):
        raise AssertionError
    assert huey.is_locked("lock")


@pytest.mark.parametrize("error", [gevent.Timeout, StorageUnavailable])
def test_a_lock_is_not_left_behind_when_freeing_it_is_interrupted(huey, monkeypatch, error):
    lock = huey.lock_task("lock")
    with pytest.raises(error), lock:
        Lost(monkeypatch, huey.storage, "delete_if", error())
    assert not huey.is_locked("lock")


@pytest.mark.parametrize("verb", ["put_if_empty", "has_data_for_key"])
def test_no_permit_is_left_behind_when_taking_it_is_interrupted(huey, monkeypatch, verb):
    semaphore = huey.lock_task_semaphore("printers", 2)
    Interrupted(monkeypatch, huey.storage, verb, gevent.Timeout())
    with pytest.raises(gevent.Timeout), semaphore:
        raise AssertionError
    with semaphore, semaphore:
        assert semaphore.acquire() is None


def test_no_permit_is_left_behind_when_freeing_it_is_interrupted(huey, monkeypatch):
    semaphore = huey.lock_task_semaphore("printers", 1)
    with pytest.raises(gevent.Timeout), semaphore:
        Lost(monkeypatch, huey.storage, "delete_if", gevent.Timeout())
    with semaphore:
        assert semaphore.acquire() is None


# Semaphores.


def test_so_many_tasks_hold_a_semaphore_at_once_and_no_more(huey, start):
    inside = []
    most = []
    guard = threading.Lock()

    @huey.task(retries=10_000, retry_delay=0.01)
    @huey.lock_task_semaphore("printers", 3)
    def print_out(n):
        with guard:
            inside.append(n)
            most.append(len(inside))
        eventually(lambda: len(inside) >= 3 or len(done) > 8, "company")
        with guard:
            inside.remove(n)
            done.append(n)
        return n

    done = []
    start(huey, workers=8)
    for n in range(12):
        print_out(n)
    eventually(lambda: len(done) == 12, "all to be printed")
    assert max(most) == 3


def test_a_semaphore_is_shared_by_all_who_use_its_name(make_huey):
    first, second = make_huey("shared"), make_huey("shared")
    if isinstance(first, MemoryHuey):
        second = first
    other = make_huey("not shared")
    one, two = (huey.lock_task_semaphore("printers", 2) for huey in (first, second))
    with one, two, other.lock_task_semaphore("printers", 2):
        with pytest.raises(TaskLockedException, match="no free permit"), one:
            raise AssertionError
        with pytest.raises(TaskLockedException, match="'printers'"):
            two.__enter__()
    with two, two:
        assert one.acquire() is None
    name = one.acquire()
    assert two.renew(name)
    assert two.release(name)
    assert not one.release(name)


# Looking and clearing.


def test_locks_of_one_name_are_the_same_in_every_process_and_no_other_queue(make_huey):
    first, second = make_huey("shared"), make_huey("shared")
    if isinstance(first, MemoryHuey):
        second = first
    other = make_huey("not shared")
    with first.lock_task("lock"):
        assert second.is_locked("lock")
        assert not other.is_locked("lock")
        assert not second.lock_task("lock").acquire()
        assert other.lock_task("lock").acquire()
        assert second.flush_locks("lock") == {"lock"}
        assert not first.is_locked("lock")
        assert other.is_locked("lock")


def test_named_locks_are_flushed_with_those_of_the_application(huey):
    storage = huey.storage
    mine = [huey.lock_task(name) for name in ("a", "b")]
    with huey.lock_task_semaphore("printers", 2):
        assert all(lock.acquire() for lock in mine)
        assert storage.put_if_empty(f"{huey.name}.lock.elsewhere", b"x")
        assert huey.is_locked("elsewhere")
        freed = huey.flush_locks("elsewhere", "never heard of")
        assert freed >= {"a", "b", "elsewhere"}
        assert len(freed) == 4
        assert freed - {"a", "b", "elsewhere"} < {"printers.0", "printers.1"}
    assert not huey.is_locked("elsewhere")
    assert huey.flush_locks() == set()


def test_flushing_names_alone_leaves_nothing_of_the_application_locked(huey):
    assert huey.lock_task("a").acquire()
    assert huey.flush_locks("b") == {"a"}


@pytest.mark.parametrize("wrong", [0, -1, "10", float("nan"), []])
def test_a_time_that_makes_no_sense_is_refused(huey, wrong):
    with pytest.raises(ConfigurationError, match=r"^ttl is seconds above 0, not "):
        huey.lock_task("lock", ttl=wrong)


@pytest.mark.parametrize("wrong", [None, "", 5])
def test_a_lock_has_a_name(huey, wrong):
    with pytest.raises(ConfigurationError, match="a lock has a name, not "):
        huey.lock_task(wrong)


def test_after_all_that_a_locked_task_still_runs(huey):
    @huey.task()
    @huey.lock_task("lock", ttl=LATE)
    def work():
        return huey.is_locked("lock")

    result = work()
    run_all(huey)
    assert result() is True
    assert not huey.is_locked("lock")
