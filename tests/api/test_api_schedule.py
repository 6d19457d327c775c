# SPDX-License-Identifier: MIT
"""Tasks for later. (Guide, "Scheduling tasks"; API reference, "schedule", "reschedule".)"""

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from driving import PATIENCE, promote, run_all, run_one, unread_results

from huey_green import clock

EAST = timezone(timedelta(hours=9))


def due_in(huey, task):
    """Return the seconds until a scheduled task is due."""
    return clock.to_epoch(task.eta, huey.utc) - clock.wall()


def in_ten_seconds(kind):
    later = datetime.fromtimestamp(clock.wall() + 10)
    if kind == "delay":
        return {"delay": 10}
    if kind == "timedelta":
        return {"delay": timedelta(seconds=10)}
    if kind == "naive":
        return {"eta": later}
    return {"eta": later.astimezone(EAST)}


@pytest.mark.parametrize("kind", ["delay", "timedelta", "naive", "aware"])
@pytest.mark.parametrize("utc", [True, False])
def test_a_scheduled_task_runs_when_it_is_due_and_not_before(make_huey, present, kind, utc):
    huey = make_huey(utc=utc)

    @huey.task()
    def add(a, b):
        return a + b

    result = add.schedule((3, 4), **in_ten_seconds(kind))
    assert run_all(huey) == 1
    assert result() is None
    [task] = huey.scheduled()
    assert (task.id, task.data) == (result.id, ((3, 4), {}))
    assert task.eta.tzinfo is None
    assert due_in(huey, task) == pytest.approx(10, abs=5)

    present.advance(4)
    assert promote(huey) == 0
    assert len(huey.scheduled()) == 1
    present.advance(7)
    assert promote(huey) == 1
    assert huey.scheduled() == []
    assert run_all(huey) == 1
    assert result(blocking=True, timeout=PATIENCE) == 7


def test_scheduled_tasks_run_in_the_order_in_which_they_are_due(huey, present):
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)

    for delay in (30, 10, 20):
        note.schedule((delay,), delay=delay)
    run_all(huey)
    present.advance(60)
    assert promote(huey) == 3
    run_all(huey)
    assert ran == [10, 20, 30]


def test_a_promoted_task_keeps_its_priority(huey, present):
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)

    note.schedule(("low",), delay=10, priority=-1)
    note.schedule(("high",), delay=20, priority=7)
    note.schedule(("none",), delay=15)
    run_all(huey)
    present.advance(60)
    promote(huey)
    run_all(huey)
    assert ran == (["high", "none", "low"] if huey.storage.priority else ["low", "none", "high"])


@pytest.mark.parametrize("when", [{"delay": 0}, {"delay": -5}, {"eta": datetime(2000, 1, 1)}])
def test_a_task_for_a_moment_that_is_past_runs_at_once(huey, add, when):
    result = add.schedule((1, 2), **when)
    assert run_all(huey) == 1
    assert result() == 3


def test_a_scheduled_task_takes_keywords_options_and_an_id(huey, add):
    result = add.schedule((1,), {"b": 2}, delay=60, priority=3, retries=4, retry_delay=5, id="mine")
    run_all(huey)
    [task] = huey.scheduled()
    assert result.id == task.id == "mine"
    assert task.data == ((1,), {"b": 2})
    assert (task.priority, task.retries, task.retry_delay) == (3, 4, 5)


def test_a_task_is_rescheduled_by_revoking_it_and_enqueueing_a_copy(huey, add, present):
    first = add.schedule((1, 2), delay=60)
    run_all(huey)
    second = first.reschedule(delay=30)
    assert second.id != first.id
    assert first.is_revoked()
    assert not second.is_revoked()
    run_all(huey)
    assert {task.id for task in huey.scheduled()} == {first.id, second.id}
    present.advance(90)
    assert promote(huey) == 2
    assert run_all(huey) == 2
    assert first() is None
    assert second() == 3
    assert unread_results(huey) == {}, "nothing is left of the revocation either"


def test_a_task_is_rescheduled_for_a_moment(huey, add, present):
    second = add(1, 2).reschedule(eta=datetime.fromtimestamp(clock.wall() + 100))
    run_all(huey)
    [task] = huey.scheduled()
    assert task.id == second.id
    assert due_in(huey, task) == pytest.approx(100, abs=5)


def test_a_task_rescheduled_for_no_moment_runs_as_soon_as_it_is_received(huey, add):
    first = add.schedule((1, 2), delay=60)
    second = first.reschedule()
    assert run_all(huey) == 2
    assert second() == 3


def test_a_rescheduled_task_keeps_its_options_and_what_follows_it(huey, add, present):
    task = add.s(1, 2, retries=3, retry_delay=4, priority=5).then(add, 10).error(add, 0)
    first = next(iter(huey.enqueue(task)))
    again = first.reschedule(delay=30)
    run_all(huey)
    [scheduled] = huey.scheduled()
    assert (scheduled.retries, scheduled.retry_delay, scheduled.priority) == (3, 4, 5)
    assert scheduled.on_complete.data == ((10,), {})
    assert scheduled.on_error.data == ((0,), {})
    present.advance(60)
    promote(huey)
    run_all(huey)
    assert [one() for one in again] == [3, 13]


def test_a_scheduled_task_can_be_looked_at_with_its_moment(huey, add):
    result = add.schedule((4, 5), delay=60)
    run_all(huey)
    [task] = huey.scheduled()
    assert repr(task) == f"conftest.add: {result.id} @{task.eta}"


def test_a_message_that_is_not_due_yet_is_put_on_the_schedule_again(huey, add, present):
    result = add.schedule((1, 2), delay=60)
    assert run_one(huey)
    # The clock of the storage may be ahead of this process's.
    assert huey.storage.promote(now=clock.wall() + 61).moved == 1
    assert run_one(huey)
    assert len(huey.scheduled()) == 1
    present.advance(61)
    promote(huey)
    run_all(huey)
    assert result() == 3


PROGRAM = """
import sys
from datetime import datetime, timedelta, timezone

from huey_green import MemoryHuey, RetryTask, clock
from huey_green.message import Settlement

utc = sys.argv[1] == "utc"
huey = MemoryHuey(utc=utc)
assert datetime.now() - datetime.now(timezone.utc).replace(tzinfo=None) > timedelta(hours=8)

def run_all():
    while deliveries := huey.storage.fetch("by hand", 1):
        outcome = huey.executor.run(deliveries[0])
        huey.storage.settle("by hand", [Settlement(deliveries[0], outcome.effects)])

@huey.task()
def add(a, b):
    return a + b

@huey.task()
def again():
    raise RetryTask(eta=datetime.now() + timedelta(hours=3))

now = datetime.now()
utcnow = datetime.now(timezone.utc)
three_hours = timedelta(hours=3)
west = timezone(timedelta(hours=-5))
for when in (
    {"delay": 3 * 3600},
    {"delay": three_hours},
    {"eta": now + three_hours},
    {"eta": utcnow + three_hours},
    {"eta": utcnow.astimezone(west) + three_hours},
):
    result = add.schedule((1, 2), **when)
    run_all()
    [task] = huey.scheduled()
    assert task.id == result.id
    expected = (utcnow.replace(tzinfo=None) if utc else now) + three_hours
    assert abs(task.eta - expected) < timedelta(minutes=1), (when, task.eta)
    assert huey.storage.promote(now=clock.wall() + 3 * 3600 - 60).moved == 0, when
    assert huey.storage.promote(now=clock.wall() + 3 * 3600 + 60).moved == 1, when
    huey.flush()

again()
run_all()
[task] = huey.scheduled()
assert abs(task.eta - expected) < timedelta(minutes=1), task.eta
huey.flush()

for until in (now + three_hours, utcnow + three_hours, (utcnow + three_hours).astimezone(west)):
    add.revoke(revoke_until=until)
    assert add.is_revoked()
    assert add.is_revoked(timestamp=datetime.now() + timedelta(hours=2)), until
    assert not add.is_revoked(timestamp=datetime.now() + timedelta(hours=4)), until
    add.revoke(revoke_until=until)
    assert add.is_revoked(timestamp=datetime.now(timezone.utc) + timedelta(hours=2)), until
    assert not add.is_revoked(timestamp=datetime.now(timezone.utc) + timedelta(hours=4)), until
add.revoke(revoke_until=datetime.now() - timedelta(minutes=1))
assert not add.is_revoked()
"""


@pytest.mark.parametrize("mode", ["utc", "localtime"])
def test_naive_moments_are_local_time_east_of_greenwich_too(mode):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, mode],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


JUMP = """
import time
from datetime import datetime
from huey_green import clock

# Clocks went from 2:00 to 3:00 on 31 March 2024: half past one and an hour is half past three.
clock.wall = lambda: datetime(2024, 3, 31, 1, 30).timestamp()
assert clock.as_eta(None, 3600, utc=False) == datetime(2024, 3, 31, 3, 30)
# And back from 3:00 to 2:00 on 27 October: an hour after half past two it is half past two.
clock.wall = lambda: datetime(2024, 10, 27, 2, 30).timestamp()
eta = clock.as_eta(None, 3600, utc=False)
assert eta.replace(fold=0) == datetime(2024, 10, 27, 2, 30)
assert clock.to_epoch(eta, utc=False) == clock.wall() + 3600
"""


def test_a_delay_is_as_long_as_it_says_when_the_clocks_are_changed_meanwhile():
    done = subprocess.run(
        [sys.executable, "-c", JUMP],
        env={**os.environ, "TZ": "Europe/Berlin", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
