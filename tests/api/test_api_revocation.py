# SPDX-License-Identifier: MIT
"""Keeping tasks from running. (Guide, "Canceling or pausing tasks".)"""

from datetime import datetime, timedelta, timezone

import pytest
from driving import promote, run_all

from huey_green import clock, crontab
from huey_green.storage import MemoryStorage


def shares_by_name(huey):
    """Say whether another Huey of this name has the same data; memory belongs to one."""
    return not isinstance(huey.storage, MemoryStorage)


def from_now(seconds):
    """Return a moment as the documents have it: naive, in local time."""
    return datetime.fromtimestamp(clock.wall() + seconds)


def test_a_revoked_task_does_not_run(huey, add):
    result = add(1, 2)
    assert not result.is_revoked()
    result.revoke()
    assert result.is_revoked()
    assert run_all(huey) == 1
    assert result() is None
    assert huey.all_results() == {}


def test_revoking_one_task_leaves_the_others_alone(huey, add):
    first, second = add(1, 2), add(3, 4)
    first.revoke()
    assert not second.is_revoked()
    assert not add.is_revoked()
    run_all(huey)
    assert (first(), second()) == (None, 7)


def test_a_restored_task_runs(huey, add):
    result = add(1, 2)
    result.revoke()
    assert result.restore() is True
    assert not result.is_revoked()
    assert result.restore() is False
    run_all(huey)
    assert result() == 3


def test_a_scheduled_task_is_revoked_and_restored(huey, add, present):
    first, second = [add.schedule((n, n), delay=60) for n in (1, 2)]
    run_all(huey)
    first.revoke()
    second.revoke()
    second.restore()
    present.advance(61)
    assert promote(huey) == 2
    run_all(huey)
    assert (first(), second()) == (None, 4)


def test_a_task_is_revoked_and_restored_by_id(huey, add):
    first, second = add(1, 2), add(3, 4)
    huey.revoke_by_id(first.id)
    huey.revoke_by_id(second.id)
    assert first.is_revoked()
    assert huey.restore_by_id(second.id) is True
    assert huey.restore_by_id(second.id) is False
    run_all(huey)
    assert (first(), second()) == (None, 7)


def test_a_task_object_is_revoked_and_restored(huey, add):
    first, second = add.s(1, 2), add.s(3, 4)
    results = [huey.enqueue(first), huey.enqueue(second)]
    huey.revoke(first)
    huey.revoke(second)
    assert huey.is_revoked(first)
    assert huey.restore(second) is True
    assert huey.restore(second) is False
    run_all(huey)
    assert [one() for one in results] == [None, 7]


def test_a_revoked_function_does_not_run_until_it_is_restored(huey, add):
    add.revoke()
    assert add.is_revoked()
    for _ in range(3):
        result = add(1, 2)
        assert result.is_revoked(), "for all tasks of the function"
        run_all(huey)
        assert result() is None
    assert add.is_revoked()
    assert add.restore() is True
    assert not add.is_revoked()
    assert add.restore() is False
    result = add(1, 2)
    assert not result.is_revoked()
    run_all(huey)
    assert result() == 3


def test_restoring_one_task_of_a_revoked_function_has_no_effect(huey, add):
    add.revoke()
    result = add(1, 2)
    result.restore()
    assert result.is_revoked()
    run_all(huey)
    assert result() is None


def test_a_function_is_revoked_through_the_huey_by_function_or_class(huey, add):
    for one in (add, add.task_class):
        huey.revoke_all(one)
        assert add.is_revoked()
        assert huey.is_revoked(one)
        assert huey.restore_all(one) is True
        assert not huey.is_revoked(one)
    with pytest.raises(TypeError, match=r"@huey\.task"):
        huey.revoke_all(lambda: None)


def test_revoke_once_is_for_the_next_run_only(huey, add):
    add.revoke(revoke_once=True)
    assert add.is_revoked()
    assert add.is_revoked(), "asking does not use it up"
    first, second = add(1, 2), add(3, 4)
    assert first.is_revoked()
    run_all(huey)
    assert (first(), second()) == (None, 7)
    assert not add.is_revoked()


def test_a_task_revoked_for_good_stays_revoked_when_it_is_enqueued_again(huey, add):
    task = add.s(1, 2)
    huey.revoke(task)
    for _ in range(2):
        result = huey.enqueue(task)
        run_all(huey)
        assert result() is None
    assert huey.is_revoked(task)


def test_a_result_revokes_once_unless_told_otherwise(huey, add):
    task = add.s(1, 2)
    result = huey.enqueue(task)
    result.revoke()
    run_all(huey)
    assert not result.is_revoked()
    result.revoke(revoke_once=False)
    run_all(huey)
    assert result.is_revoked()


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("utc", [True, False])
def test_revoke_until_ends_by_itself(make_huey, present, utc, aware):
    huey = make_huey(utc=utc)

    @huey.task()
    def add(a, b):
        return a + b

    until = from_now(3600)
    add.revoke(revoke_until=until.astimezone(timezone.utc) if aware else until)
    assert add.is_revoked()
    result = add(1, 2)
    run_all(huey)
    assert result() is None
    present.advance(3599 - 60)
    assert add.is_revoked()
    present.advance(120)
    assert not add.is_revoked()
    result = add(1, 2)
    assert not result.is_revoked()
    run_all(huey)
    assert result() == 3


def test_one_task_is_revoked_until_a_moment(huey, add, present):
    task = add.s(1, 2)
    huey.revoke(task, revoke_until=from_now(60))
    huey.revoke_by_id("other", revoke_until=from_now(60))
    assert huey.is_revoked(task)
    present.advance(61)
    assert not huey.is_revoked(task)


def test_a_revocation_is_looked_at_from_another_moment(huey, add):
    add.revoke(revoke_until=from_now(3600))
    hour = timedelta(hours=1)
    assert add.is_revoked(timestamp=datetime.now())
    assert not add.is_revoked(timestamp=datetime.now() + 2 * hour)
    assert add.is_revoked(), "looking from another moment changes nothing"
    assert huey.is_revoked(add, timestamp=datetime.now(timezone.utc))
    assert not huey.is_revoked(add, timestamp=datetime.now(timezone.utc) + 2 * hour)
    assert not huey.is_revoked(add.s(1, 2), datetime.now() + 2 * hour)
    assert huey.is_revoked(add.s(1, 2))


def test_the_last_revocation_counts(huey, add, present):
    add.revoke()
    add.revoke(revoke_once=True)
    first, second = add(1, 2), add(3, 4)
    run_all(huey)
    assert (first(), second()) == (None, 7)
    add.revoke(revoke_once=True)
    add.revoke(revoke_until=from_now(60))
    results = [add(1, 2), add(1, 2)]
    run_all(huey)
    assert [one() for one in results] == [None, None]
    present.advance(61)
    assert not add.is_revoked()


def test_a_revoked_first_task_keeps_its_pipeline_from_running(huey, add):
    group = huey.enqueue(add.s(1, 2).then(add, 3))
    next(iter(group)).revoke()
    assert run_all(huey) == 1
    assert group() == [None, None]


def test_a_revoked_later_task_ends_its_pipeline_there(huey, add):
    group = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
    first, second, third = group
    second.revoke()
    assert run_all(huey) == 2
    assert (first(), second(), third()) == (3, None, None)


def test_a_task_is_revoked_between_its_retries(huey, present):
    runs = []

    @huey.task(retries=5, retry_delay=10)
    def fails():
        runs.append(1)
        raise ValueError

    result = fails()
    run_all(huey)
    result.revoke()
    present.advance(11)
    promote(huey)
    run_all(huey)
    assert len(runs) == 1
    assert huey.scheduled() == []


def test_a_periodic_task_is_revoked_like_any_other(huey):
    runs = []

    @huey.periodic_task(crontab(minute="0"))
    def hourly():
        runs.append(1)

    def hour():
        [periodic] = huey.registry.periodic_tasks
        huey.enqueue(periodic)
        run_all(huey)
        return len(runs)

    assert hour() == 1
    hourly.revoke(revoke_once=True)
    assert [hour(), hour()] == [1, 2]
    hourly.revoke()
    assert [hour(), hour()] == [2, 2]
    assert hourly.restore()
    assert hour() == 3
    hourly.revoke(revoke_until=from_now(3 * 3600))
    assert hour() == 3


def test_a_revocation_through_another_handle_holds_here(make_huey):
    here, there = make_huey("shared"), make_huey("shared")
    if not shares_by_name(here):
        there.storage = here.storage

    def declare(huey):
        @huey.task()
        def add(a, b):
            return a + b

        return add

    add_here, add_there = declare(here), declare(there)
    run_all(here)
    result = add_there(1, 2)
    result.revoke()
    run_all(here)
    assert result() is None
    add_there.revoke()
    result = add_there(1, 2)
    run_all(here)
    assert result() is None
    assert add_here.is_revoked()
    add_there.restore()
    result = add_there(1, 2)
    run_all(here)
    assert result() == 3
