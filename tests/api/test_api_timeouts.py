# SPDX-License-Identifier: MIT
"""``timeout``: how long a task may run. What gevent interrupts is in timeout_program.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from driving import PATIENCE, run_all

from huey_green import TaskException, TaskTimeout, chord
from huey_green import signals as s
from huey_green.exceptions import ConfigurationError, InvalidArgument

ROOT = Path(__file__).parents[2]


@pytest.fixture
def late(monkeypatch):
    """A function after which the time of every running task is over."""
    from huey_green import clock

    ahead = [0.0]
    original = clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: original() + ahead[0])

    def be_late(seconds=3600.0):
        ahead[0] += seconds

    return be_late


def test_a_task_may_ask_for_its_time_where_nothing_interrupts_it(huey, late, sent):
    seen = []

    @huey.task(timeout=60, context=True)
    def work(task=None):
        seen.append((task.time_remaining, task.is_timed_out))
        task.check_timeout()
        late()
        seen.append((task.time_remaining, task.is_timed_out))
        task.check_timeout()
        raise AssertionError

    result = work()
    run_all(huey)
    (before, was_over), after = seen
    assert 50 < before <= 60
    assert (was_over, after) == (False, (0.0, True))
    with pytest.raises(TaskException, match=r"TaskTimeout\('timeout 60s'\)"):
        result()
    assert [name for name, *_ in sent] == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_TIMEOUT]


def test_without_a_timeout_there_is_nothing_to_ask(huey, late):
    @huey.task(context=True)
    def work(task=None):
        late()
        task.check_timeout()
        return task.time_remaining, task.is_timed_out

    result = work()
    run_all(huey)
    assert result() == (None, False)
    task = work.s(timeout=5)
    assert (task.timeout, task.time_remaining, task.is_timed_out) == (5, None, False)
    task.check_timeout()


@pytest.mark.parametrize("how", ["task", "call", "schedule", "default off"])
def test_the_timeout_of_a_call_is_its_own(huey, how):
    @huey.task(timeout=100 if how in ("task", "default off") else None, context=True)
    def work(task=None):
        return task.timeout

    if how == "task":
        result = work()
    elif how == "call":
        result = huey.enqueue(work.s(timeout=100))
    elif how == "schedule":
        result = work.schedule(delay=0, timeout=100)
    else:
        result = huey.enqueue(work.s(timeout=50))
    run_all(huey)
    assert result() == (50 if how == "default off" else 100)


def test_each_try_has_the_whole_time(huey, late):
    seen = []

    @huey.task(timeout=60, retries=2, context=True)
    def work(task=None):
        seen.append(task.time_remaining)
        late()
        if task.retries:
            task.check_timeout()
        return "ended"

    result = work()
    run_all(huey)
    assert len(seen) == 3
    assert all(50 < left <= 60 for left in seen)
    result.reset()
    assert result() == "ended"


def test_a_timeout_is_retried_only_where_it_may_be(huey, late):
    runs = []

    @huey.task(timeout=60, retries=2, no_retry_on=TaskTimeout, context=True)
    def work(task=None):
        runs.append(1)
        late()
        task.check_timeout()

    work()
    run_all(huey)
    assert runs == [1]


def test_the_error_task_gets_the_timeout_and_a_chord_counts_it(huey, late):
    seen = []

    @huey.task(timeout=60, context=True)
    def work(task=None):
        late()
        task.check_timeout()

    @huey.task()
    def tell(error):
        seen.append(error)

    @huey.task()
    def collect(values):
        return [one.metadata["error"] for one in values]

    result = huey.enqueue(chord([work.s().error(tell)], collect))
    run_all(huey)
    [error] = seen
    assert isinstance(error, TaskTimeout)
    assert result() == ["TaskTimeout('timeout 60s')"]


def test_a_task_that_ends_late_without_asking_has_ended_well(huey, late):
    @huey.task(timeout=60)
    def work():
        late()
        return "ended"

    result = work()
    run_all(huey)
    assert result() == "ended"


def test_timeouts_work_in_a_consumer_of_native_threads(huey, start):
    @huey.task(timeout=0.01, context=True)
    def work(task=None):
        while True:
            task.check_timeout()

    start(huey)
    with pytest.raises(TaskException, match="TaskTimeout"):
        work()(blocking=True, timeout=PATIENCE)


@pytest.mark.parametrize("wrong", [0, -1, "10", float("nan"), True, []])
def test_what_is_no_duration_is_refused(huey, wrong):
    with pytest.raises(ConfigurationError, match=r"timeout is .* above 0, not "):

        @huey.task(timeout=wrong)
        def never():
            """Never declared."""

    @huey.task()
    def work():
        """Do nothing."""

    for call in (
        lambda: work.s(timeout=wrong),
        lambda: work.schedule(delay=1, timeout=wrong),
    ):
        with pytest.raises(InvalidArgument, match=r"^timeout is .* above 0, not "):
            call()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "file", "redis-list", "redis-zset"])
def test_a_patched_program_interrupts_what_takes_too_long(kind, request, tmp_path):
    is_redis = kind.startswith("redis")
    place = request.getfixturevalue("redis_server").url if is_redis else tmp_path / "queue"
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error"),
            *(Path(__file__).with_name("timeout_program.py"), kind, place),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
