# SPDX-License-Identifier: MIT
"""MiniHuey in a process that gevent has not patched: greenlets switch where they wait."""

from datetime import datetime, timedelta, timezone

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool

from huey_green import ConfigurationError, HueyException, clock
from huey_green.contrib.mini import MiniHuey, MiniHueyResult, crontab

#: Seconds after which a test gives up waiting; none that passes comes near.
PATIENCE = 30.0


@pytest.fixture
def mini():
    return MiniHuey("tests", interval=0.02)


@pytest.fixture
def running(mini):
    mini.start()
    yield mini
    mini.stop()


@pytest.fixture
def add(mini):
    @mini.task()
    def add(a, b=1):
        """Add."""
        return a + b

    return add


class Minutes:
    """A clock that stands in a minute, and goes on when it is told to."""

    def __init__(self):
        self.now = datetime(2024, 7, 1, 12, 0, 30).timestamp()

    def wall(self):
        return self.now


@pytest.fixture
def minutes(monkeypatch):
    minutes = Minutes()
    monkeypatch.setattr(clock, "wall", minutes.wall)
    return minutes


def wait_until(condition):
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.005)


def test_a_call_runs_at_once_without_being_started(add):
    result = add(1, b=2)
    assert isinstance(result, MiniHueyResult)
    assert result.get(timeout=PATIENCE) == 3
    assert result() == 3
    assert add(4).get(timeout=PATIENCE) == 5


def test_a_task_keeps_the_name_and_the_text_of_its_function(add):
    assert (add.__name__, add.__doc__) == ("add", "Add.")


def test_an_error_is_logged_and_raised_where_the_result_is_read(mini, caplog):
    @mini.task()
    def fail():
        raise ValueError("no")

    result = fail()
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=PATIENCE)
    assert caplog.messages == ["task fail failed"]


def test_many_run_at_once(mini):
    together = Event()
    inside = []

    @mini.task()
    def meet(number):
        inside.append(number)
        if len(inside) == 1000:
            together.set()
        return together.wait(PATIENCE)

    results = [meet(number) for number in range(1000)]
    assert all(result.get(timeout=PATIENCE) for result in results)


def test_the_pool_bounds_how_many_run_and_who_calls_waits_for_room():
    mini = MiniHuey(pool_size=2)
    goes_on = Event()

    @mini.task()
    def wait(number):
        goes_on.wait(PATIENCE)
        return number

    results = [wait(1), wait(2)]
    third = gevent.spawn(wait, 3)
    gevent.sleep(0.01)
    assert not third.ready()
    goes_on.set()
    results.append(third.get(timeout=PATIENCE))
    assert [result.get(timeout=PATIENCE) for result in results] == [1, 2, 3]


def test_whoever_waits_for_a_killed_call_is_told(mini, monkeypatch):
    pool = Pool()
    monkeypatch.setattr(mini, "_pool", pool)
    began = Event()

    @mini.task()
    def last_for_ever():
        began.set()
        Event().wait()

    result = last_for_ever()
    began.wait(PATIENCE)
    pool.kill()
    with pytest.raises(gevent.GreenletExit):
        result.get(timeout=PATIENCE)


@pytest.mark.parametrize("how", ["delay", "timedelta", "local eta", "aware eta"])
def test_a_call_is_scheduled(running, add, how):
    span = timedelta(seconds=0.05)
    when = {
        "delay": {"delay": 0.05},
        "timedelta": {"delay": span},
        "local eta": {"eta": datetime.now() + span},
        "aware eta": {"eta": datetime.now(timezone.utc) + span},
    }[how]
    due_at = clock.wall() + 0.04
    result = add.schedule((1,), {"b": 5}, **when)
    assert result.get(timeout=PATIENCE) == 6
    assert clock.wall() >= due_at


def test_what_is_scheduled_runs_in_the_order_of_its_time(mini):
    ran = []
    note = mini.task()(ran.append)
    results = [note.schedule((when,), delay=when) for when in (0.03, 0.01, 0.02, 0.0)]
    mini.start()
    gevent.wait(results, timeout=PATIENCE)
    mini.stop()
    assert ran == [0.0, 0.01, 0.02, 0.03]


def test_a_schedule_is_not_looked_at_before_the_start_nor_after_the_stop(mini, add):
    early = add.schedule((1,), delay=0)
    gevent.sleep(0.05)
    assert not early.ready()
    mini.start()
    assert early.get(timeout=PATIENCE) == 2
    mini.stop()
    gevent.sleep(0)
    late = add.schedule((2,), delay=0)
    gevent.sleep(0.05)
    assert not late.ready()
    mini.start()
    assert late.get(timeout=PATIENCE) == 3
    mini.stop()


def test_a_call_that_was_due_is_not_lost_when_it_is_stopped_while_the_pool_is_full():
    mini = MiniHuey(pool_size=1, interval=0.01)
    goes_on = Event()
    busy = mini.task()(goes_on.wait)
    note = mini.task()(lambda number: number)
    first = busy()
    waiting = note.schedule((5,), delay=0)
    mini.start()
    gevent.sleep(0.01)
    mini.stop()
    goes_on.set()
    assert waiting.get(timeout=PATIENCE) == 5
    assert first.get(timeout=PATIENCE)


def test_a_delay_shorter_than_the_interval_is_kept():
    mini = MiniHuey(interval=3600)
    mini.start()
    try:
        assert mini.task()(lambda: 5).schedule(delay=0.01).get(timeout=PATIENCE) == 5
    finally:
        mini.stop()


@pytest.mark.parametrize("when", [{}, {"delay": 1, "eta": datetime(2030, 1, 1)}])
def test_one_of_delay_and_eta_is_needed(add, when):
    with pytest.raises(ValueError, match=r"one of eta= .* and delay="):
        add.schedule((1,), **when)


def test_periodic_functions_run_once_in_each_minute_that_is_theirs(minutes, running):
    asked, ran = [], []

    @running.task(lambda moment: asked.append(moment) or True)
    def every_minute():
        ran.append("every")
        return 77

    @running.periodic_task(crontab(minute="2"))
    def minute_two():
        ran.append("two")

    assert every_minute() == 77, "it can be called as the function it is"
    ran.clear()
    gevent.sleep(0.05)
    assert asked == [], "not in the minute in which it was started"
    for minute, expected in [(1, ["every"]), (2, ["every", "every", "two"])]:
        minutes.now = datetime(2024, 7, 1, 12, minute, 1).timestamp()
        wait_until(lambda expected=expected: len(ran) >= len(expected))
        gevent.sleep(0.05)
        assert ran == expected
    minutes.now = datetime(2024, 7, 1, 12, 1, 59).timestamp()
    gevent.sleep(0.05)
    minutes.now = datetime(2024, 7, 1, 12, 2, 1).timestamp()
    gevent.sleep(0.05)
    assert len(ran) == 3, "not again because the clock was put back a little"
    assert asked == [datetime(2024, 7, 1, 12, 1, 1), datetime(2024, 7, 1, 12, 2, 1)]


def test_a_crontab_that_raises_does_not_stop_the_others(minutes, running, caplog):
    ran = []

    @running.periodic_task(lambda moment: 1 / 0)
    def broken():
        ran.append("broken")

    running.periodic_task(crontab())(lambda: ran.append("sound"))
    minutes.now += 60
    wait_until(lambda: ran)
    assert ran == ["sound"]
    assert "the crontab of broken failed" in caplog.messages


def test_it_starts_and_stops_once(mini):
    with pytest.raises(HueyException, match="was not started"):
        mini.stop()
    mini.start()
    with pytest.raises(HueyException, match="already running"):
        mini.start()
    mini.stop()
    with pytest.raises(HueyException, match="was not started"):
        mini.stop()


@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_that_makes_no_sense_is_refused(interval):
    with pytest.raises(ConfigurationError, match="interval"):
        MiniHuey(interval=interval)
