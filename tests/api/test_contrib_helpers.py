# SPDX-License-Identifier: MIT
import time

import pytest

from huey_green import ConfigurationError, Semaphore, TaskLockedException
from huey_green.contrib.helpers import RedisSemaphore, lock_task_semaphore
from huey_green.signals import SIGNAL_COMPLETE, SIGNAL_LOCKED

#: Seconds after which a test gives up waiting for a result; none that passes comes near.
PATIENCE = 30.0


def wait_for(condition):
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.005)


def test_a_semaphore_by_its_name_in_huey(huey):
    semaphore = RedisSemaphore(huey, "reports", 2, timeout=60)
    name = semaphore.acquire()
    assert isinstance(name, str)
    assert semaphore.acquire("mine") == "mine"
    assert semaphore.acquire() is None
    assert semaphore.acquire("mine") == "mine"
    assert semaphore.renew("mine") is True
    assert semaphore.renew("nobody") is False
    assert semaphore.release("mine") == 1
    assert semaphore.release("mine") == 0
    assert semaphore.release(name) == 1


@pytest.mark.parametrize("made_by", ["helper", "method"])
def test_both_ways_make_the_same_semaphore(huey, made_by):
    if made_by == "helper":
        semaphore = lock_task_semaphore(huey, "reports", 1, timeout=60)
    else:
        semaphore = huey.lock_task_semaphore("reports", 1)
    assert isinstance(semaphore, Semaphore)
    assert RedisSemaphore(huey, "reports").acquire("other")
    with pytest.raises(TaskLockedException):
        semaphore.__enter__()
    assert huey.flush_locks() == {"reports.0"}, "its locks are those of the application"
    with semaphore:
        assert RedisSemaphore(huey, "reports").acquire() is None


def test_only_so_many_tasks_get_in_and_the_others_are_retried(huey, start):
    together, most, complete = [], [], []

    @huey.signal(SIGNAL_COMPLETE)
    def note_complete(signal, task):
        complete.append(task.id)

    @huey.task(retries=1000, retry_delay=0.02)
    @lock_task_semaphore(huey, "reports", 2)
    def report(number):
        together.append(number)
        most.append(len(together))
        with huey.lock_task(f"another lock {number}"):  # A round trip or two, for others to come.
            together.remove(number)
        return number

    results = [report(number) for number in range(12)]
    start(huey, workers=6)
    wait_for(lambda: len(complete) == 12)
    assert sorted(complete) == sorted(result.id for result in results)
    assert max(most) <= 2


def test_a_task_that_finds_it_full_and_has_no_retries_is_locked(huey, start):
    locked = []

    @huey.signal(SIGNAL_LOCKED)
    def note_locked(signal, task, *args):
        locked.append(task.id)

    @huey.task()
    @lock_task_semaphore(huey, "reports", 1)
    def report():
        return "ran"

    assert RedisSemaphore(huey, "reports").acquire("other")
    first = report()
    start(huey)
    with pytest.raises(Exception, match="no free permit"):
        first.get(blocking=True, timeout=PATIENCE)
    wait_for(lambda: locked == [first.id])
    assert RedisSemaphore(huey, "reports").release("other")
    assert report().get(blocking=True, timeout=PATIENCE) == "ran"


@pytest.mark.parametrize("value", [0, "2"])
def test_a_value_that_makes_no_sense_is_refused(huey, value):
    with pytest.raises(ConfigurationError, match="value of semaphore"):
        lock_task_semaphore(huey, "reports", value)
    with pytest.raises(ConfigurationError, match="value of semaphore"):
        RedisSemaphore(huey, "reports", value)
