# SPDX-License-Identifier: MIT
"""Canceling what runs in other processes, whatever becomes of those."""

from __future__ import annotations

import signal

import pytest
from application import Application
from consumer_process import eventually

from huey_green import TaskException

SIGNALS = """

@huey.signal(s.SIGNAL_CANCELED)
def canceled(signal, task):
    note("canceled", *task.args[:1])


@huey.task(retries=5)
def retried(n):
    note("began", n)
    try:
        time.sleep(3600)
    finally:
        note("left", n)
"""


def noting_signals(app: Application) -> Application:
    """Make the consumers of an application write down which tasks were canceled."""
    with (app.directory / "app.py").open("a") as file:
        file.write(SIGNALS)
    return app


def ends_canceled(result) -> bool:
    with pytest.raises(TaskException, match="TaskCanceled"):
        result.get(blocking=True, timeout=30)
    return True


def test_a_task_that_runs_in_another_process_is_interrupted_and_cleans_up(app: Application):
    consumers = [noting_signals(app).consume("-w", "2"), app.consume("-w", "2")]
    results = {name: app.tasks.wait(name) for name in "abcd"}
    eventually(lambda: {*app.noted("began")} == {*results}, "all to begin", say=app.ledger)
    assert app.huey.cancel(results["a"].id) is True
    assert results["c"].cancel() is True
    assert ends_canceled(results["a"])
    assert ends_canceled(results["c"])
    eventually(lambda: app.noted("canceled") == {"a": 1, "c": 1}, "the signals", say=app.ledger)
    assert app.noted("left") == {"a": 1, "c": 1}
    assert not results["b"].is_ready()
    assert (results["b"].cancel(), results["d"].cancel()) == (True, True)
    eventually(lambda: app.noted("canceled").total() == 4, "the others", say=app.ledger)
    eventually(app.is_drained, "an empty storage")
    for consumer in consumers:
        consumer.stop()
    app.drain()
    assert app.noted("began") == app.noted("left") == app.noted("canceled")
    assert app.noted("ran") == app.noted("interrupted") == {}


def test_a_canceled_task_is_not_retried_by_another_process(app: Application):
    consumer = noting_signals(app).consume()
    retried = app.huey.task(name="retried", retries=5)(app.tasks.wait.func)
    result = retried("r")
    consumer.wait_for(lambda: app.times("began", "r"), "the task to begin")
    assert result.cancel() is True
    assert ends_canceled(result)
    consumer.stop()
    app.drain()
    assert app.noted("began") == app.noted("left") == app.noted("canceled") == {"r": 1}


def test_a_task_is_not_run_again_when_its_consumer_dies_after_it_was_canceled(app: Application):
    first = noting_signals(app).consume("--lease", "600")
    result = app.tasks.wait("w")
    first.wait_for(lambda: app.times("began", "w"), "the task to begin")
    first.send(signal.SIGSTOP)
    assert result.cancel() is True
    first.kill()
    second = app.consume("--lease", "600")
    second.wait_for(lambda: app.times("canceled", "w"), "the task to be given back")
    assert ends_canceled(result)
    second.wait_for(app.is_drained, "an empty storage")
    second.stop()
    assert app.noted("began") == {"w": 1}
    assert app.noted("ran") == {}


def test_a_consumer_that_stops_gives_no_canceled_task_back(app: Application):
    consumer = noting_signals(app).consume("-t", "1")
    results = [app.tasks.wait(f"n{number}") for number in range(20)]
    consumer.wait_for(lambda: app.noted("began").total() == 20, "all to begin")
    consumer.send(signal.SIGTERM)
    assert all(result.cancel() for result in results)
    assert consumer.ends() == 0, consumer.said
    app.drain()
    assert all(ends_canceled(result) for result in results)
    assert app.noted("ran") == {}
    assert app.noted("began") == app.noted("left") == app.noted("canceled")
