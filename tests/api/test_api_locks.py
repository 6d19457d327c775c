# SPDX-License-Identifier: MIT
"""Locks. (Guide, "Locking tasks"; API reference, "lock_task", "TaskLock".)"""

import pytest
from driving import run_all

from huey_green import TaskException, TaskLockedException


@pytest.fixture
def report(huey):
    @huey.task()
    @huey.lock_task("reports-lock")
    def report(nested=False):
        """Make a report."""
        if nested:
            report.call_local()
        return huey.is_locked("reports-lock")

    return report


def test_a_locked_task_holds_the_lock_while_it_runs(huey, report):
    result = report()
    run_all(huey)
    assert result() is True
    assert not huey.is_locked("reports-lock")
    assert (report.__name__, report.__doc__) == ("report", "Make a report.")


def test_a_second_one_is_not_run_while_the_lock_is_held(huey, report):
    result = report(nested=True)
    run_all(huey)
    with pytest.raises(TaskException, match=r"TaskLockedException.*reports-lock"):
        result()
    assert not huey.is_locked("reports-lock")
    result = report()
    run_all(huey)
    assert result() is True


def test_a_locked_task_is_retried_if_it_may_be(huey):
    lock = huey.lock_task("lock")
    runs = []

    @huey.post_execute()
    def free_it(task, value, error):
        runs.append(type(error))
        lock.clear()

    @huey.task(retries=1)
    @huey.lock_task("lock")
    def locked():
        return "ran"

    lock.acquire()
    result = locked()
    run_all(huey)
    assert runs == [TaskLockedException, type(None)]
    assert result() == "ran"


def test_a_lock_is_a_context_manager_that_is_freed_by_errors_too(huey):
    with huey.lock_task("lock"):
        assert huey.is_locked("lock")
        with pytest.raises(TaskLockedException, match="lock"), huey.lock_task("lock"):
            raise AssertionError
        assert huey.is_locked("lock"), "only its holder frees it"
        with huey.lock_task("other"):
            pass
    assert not huey.is_locked("lock")
    with pytest.raises(ValueError, match="inside"), huey.lock_task("lock"):
        raise ValueError("inside")
    assert not huey.is_locked("lock")


def test_a_lock_is_cleared_by_hand(huey):
    lock = huey.lock_task("lock")
    assert lock.acquire()
    assert not lock.acquire()
    assert huey.lock_task("lock").clear()
    assert not lock.is_locked()
    assert not lock.clear()
    assert lock.acquire()


def test_the_locks_of_an_application_are_freed_together(huey):
    declared = [huey.lock_task(name) for name in ("one", "two", "three")]
    assert len(declared) == 3
    huey.lock_task("one").acquire()
    huey.lock_task("two").acquire()
    assert huey.flush_locks("never heard of") == {"one", "two"}
    assert not huey.is_locked("one")
    assert huey.flush_locks() == set()


def test_locks_with_a_name_for_each_task_are_forgotten_when_they_are_released(huey):
    for number in range(100):
        with huey.lock_task(f"user-{number}"), huey.lock_task_semaphore(f"file-{number}", 2):
            assert huey.is_locked(f"user-{number}")
    assert len(huey._guards) == 0


def test_a_lock_that_is_held_is_freed_with_the_others_though_nobody_has_it_any_more(huey):
    assert huey.lock_task("held").acquire()
    assert huey.flush_locks() == {"held"}
