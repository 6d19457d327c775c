# SPDX-License-Identifier: MIT
"""SIGTERM, SIGINT and SIGHUP to a consumer at work: nothing is lost by any of them."""

from __future__ import annotations

import signal
from collections import Counter

import pytest
from application import KINDS, Application, Make
from consumer_process import ConsumerProcess


def running(consumer: ConsumerProcess, app: Application, *names: str) -> None:
    """Wait until these tasks have begun."""
    for name in names:
        consumer.wait_for(lambda name=name: app.times("began", name), f"{name} to begin")


@pytest.mark.parametrize(
    ("kind", "number"),
    [(kind, signal.SIGTERM) for kind in KINDS] + [("list", signal.SIGINT)],
)
def test_the_first_signal_lets_running_tasks_end_and_exits_with_0(make_app: Make, kind, number):
    app = make_app(kind)
    consumer = app.consume()
    app.tasks.wait("slow", 1.0)
    running(consumer, app, "slow")
    consumer.send(number)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("ran") == {"slow": 1}
    assert app.noted("interrupted") == {}
    assert app.is_drained()
    assert app.times("stopped", consumer.pid) == 1
    assert f"{number.name}: waiting for running tasks to end, for 30 s at most" in consumer.said
    assert "Traceback" not in consumer.said


def test_an_idle_consumer_ends_at_once(make_app: Make):
    app = make_app()
    consumer = app.consume()
    consumer.stop(patience=5)


def test_what_runs_past_the_shutdown_timeout_is_interrupted_and_goes_back_first(app):
    consumer = app.consume("-t", "1", "-w", "2")
    app.tasks.wait("a")
    app.tasks.wait("b")
    running(consumer, app, "a", "b")
    app.tasks.quick("later")
    consumer.stop()
    assert app.noted("left") == {"a": 1, "b": 1}
    assert app.noted("interrupted") == {"a": 1, "b": 1}
    assert app.noted("ran") == {}
    assert sorted(app.waiting()[:2]) == ["a", "b"]
    assert app.waiting()[2:] == ["later"]
    [first] = app.huey.storage.fetch("another", 1)
    assert first.attempt == 1
    app.huey.storage.leave("another")
    app.drain()
    assert app.noted("ran") == {"a": 1, "b": 1, "later": 1}


def test_a_second_signal_interrupts_at_once(make_app: Make):
    app = make_app()
    consumer = app.consume("-t", "3600")
    app.tasks.wait("long")
    running(consumer, app, "long")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM: waiting")
    consumer.send(signal.SIGINT)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("interrupted") == {"long": 1}
    assert app.waiting() == ["long"]


def test_a_task_that_swallows_its_interruption_and_ends_is_not_run_again(make_app: Make):
    app = make_app()
    consumer = app.consume("-t", "0")
    app.tasks.swallow("deaf")
    running(consumer, app, "deaf")
    consumer.stop()
    assert app.noted("swallowed") == app.noted("ran") == {"deaf": 1}
    assert app.noted("interrupted") == {}
    assert app.is_drained()


def test_a_task_that_never_ends_is_given_back_unless_it_is_to_run_at_most_once(make_app: Make):
    app = make_app()
    consumer = app.consume("-t", "0")
    app.tasks.stubborn("mule")
    app.tasks.stubborn_once("once")
    running(consumer, app, "mule")
    consumer.wait_for(lambda: app.times("ran", "once"), "the task to begin")
    consumer.stop()
    assert app.noted("swallowed") == {"mule": 1, "once": 1}
    assert app.waiting() == ["mule"]
    assert "did not end within 5 s of being interrupted; it runs again elsewhere" in consumer.said


def test_a_task_that_hogs_the_process_may_end_after_the_first_signal(make_app: Make):
    app = make_app()
    consumer = app.consume("-t", "20")
    app.tasks.busy("hog")
    running(consumer, app, "hog")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM: waiting")
    (app.directory / "enough").touch()
    assert consumer.ends() == 0, consumer.said
    assert app.noted("ran") == {"hog": 1}
    assert app.is_drained()


def test_a_task_that_hogs_the_process_is_interrupted_by_the_second_signal(make_app: Make):
    app = make_app()
    consumer = app.consume("-t", "3600")
    app.tasks.busy("hog")
    running(consumer, app, "hog")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM: waiting")
    consumer.send(signal.SIGTERM)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("left") == app.noted("interrupted") == {"hog": 1}
    assert app.waiting() == ["hog"]
    app.drain()
    assert app.noted("ran") == {"hog": 1}


def test_sighup_restarts_in_place_and_nothing_is_lost_or_done_twice(app):
    consumer = app.consume("-w", "20")
    names = [f"n{number}" for number in range(60)]
    for number, name in enumerate(names):
        app.tasks.wait(name, 0.2)
        if number == 30:
            running(consumer, app, "n0")
            consumer.send(signal.SIGHUP)
    consumer.wait_for(lambda: app.times("started", consumer.pid) == 2, "a second start")
    consumer.wait_for(app.is_drained, "an empty storage")
    consumer.stop()
    assert app.noted("ran") == Counter(names)
    assert app.noted("interrupted") == {}
    assert consumer.count("up to 20 tasks at once") == 2


def test_a_second_sighup_while_restarting_changes_nothing(make_app: Make):
    app = make_app()
    consumer = app.consume()
    for round_ in range(2, 5):
        consumer.send(signal.SIGHUP)
        consumer.says("restarting: ", times=round_ - 1)
        consumer.send(signal.SIGHUP)
        consumer.wait_for(lambda n=round_: app.times("started", consumer.pid) >= n, "a restart")
    consumer.stop()


def test_sigterm_after_sighup_stops_and_lets_running_tasks_end(make_app: Make):
    app = make_app()
    consumer = app.consume()
    app.tasks.wait("slow", 1.5)
    running(consumer, app, "slow")
    consumer.send(signal.SIGHUP)
    consumer.says("SIGHUP: restarting")
    consumer.send(signal.SIGTERM)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("ran") == {"slow": 1}
    assert app.times("started", consumer.pid) == 1
    assert app.noted("interrupted") == {}


def test_signals_while_it_starts_are_answered(make_app: Make, own_redis):
    app = make_app(url=own_redis.url)
    own_redis.pause()
    consumer = app.start()
    consumer.says("tasks at once")
    consumer.wait_for(lambda: catches(consumer.pid, signal.SIGTERM), "its signal handlers")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM: ")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM again")
    own_redis.resume()
    assert consumer.ends() == 0, consumer.said
    assert "Traceback" not in consumer.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("options", [(), ("-t", "0")], ids=["in time", "interrupted"])
def test_nothing_is_lost_under_load(app, number, options):
    names = [f"n{number}" for number in range(300)]
    consumer = app.consume("-w", "50", "-q", *options)
    results = app.tasks.wait.map([(name, 0.05) for name in names])
    for at_least in (40, 120):
        consumer.wait_for(lambda n=at_least: app.noted("ran").total() >= n, "some to run")
        consumer.send(number)
        if number == signal.SIGHUP:
            starts = app.noted("started").total() + 1
            consumer.wait_for(lambda n=starts: app.noted("started").total() >= n, "a restart")
            continue
        assert consumer.ends() == 0, consumer.said
        assert {*app.noted("ran"), *app.waiting()} >= {*names}
        consumer = app.consume("-w", "50", "-q", *options)
    consumer.wait_for(app.is_drained, "an empty storage")
    consumer.stop()
    assert consumer.said == ""
    assert app.noted("ran") == Counter(names)
    assert results.get(blocking=True, timeout=5) == names


def test_a_restart_begins_as_the_process_did_whatever_tasks_have_changed(make_app: Make):
    app = make_app()
    consumer = app.consume()
    app.tasks.go_away("away")
    consumer.wait_for(lambda: app.noted("ran")["away"], "a task that goes away")
    consumer.send(signal.SIGHUP)
    consumer.wait_for(lambda: app.times("started", consumer.pid) == 2, "a restart")
    consumer.stop()


def test_a_directory_that_is_gone_is_a_clear_mistake(make_app: Make):
    consumer = make_app().start(shell='mkdir gone && cd gone && rmdir ../gone && exec "$@"')
    assert consumer.ends() == 2
    assert "the current directory cannot be read (No such file or directory)" in consumer.said
    assert "Traceback" not in consumer.said


def catches(pid: int, number: int) -> bool:
    """Say whether a process has a handler for a signal."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return bool(int(fields["SigCgt"], 16) >> (number - 1) & 1)


@pytest.mark.parametrize(
    ("graceful", "number"), [("INT", signal.SIGTERM), ("SIGTERM", signal.SIGINT)]
)
def test_the_signal_that_is_not_the_graceful_one_interrupts_at_once(
    make_app: Make, graceful, number
):
    app = make_app()
    consumer = app.consume("-g", graceful)
    app.tasks.wait("a")
    running(consumer, app, "a")
    consumer.send(number)
    assert consumer.ends(patience=15) == 0, consumer.said
    assert app.noted("interrupted") == {"a": 1}
    assert app.waiting() == ["a"]


@pytest.mark.parametrize(("graceful", "number"), [("INT", signal.SIGINT), ("TERM", signal.SIGTERM)])
def test_the_graceful_signal_lets_running_tasks_end(make_app: Make, graceful, number):
    app = make_app()
    consumer = app.consume("-g", graceful)
    app.tasks.wait("slow", 1.0)
    running(consumer, app, "slow")
    consumer.send(number)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("ran") == {"slow": 1}


def test_after_max_tasks_the_process_starts_anew_and_goes_on(make_app: Make):
    app = make_app()
    consumer = app.consume("-M", "5", "-w", "2")
    for number in range(12):
        app.tasks.quick(str(number))
    consumer.wait_for(lambda: len(app.noted("ran")) == 12, "all to have run")
    assert "5 tasks have run: restarting" in consumer.said
    consumer.wait_for(
        lambda: app.times("started", consumer.pid) == consumer.count("restarting: ") + 1,
        "the last one to have started",
    )
    consumer.stop()
    assert set(app.noted("ran").values()) == {1}
    assert app.times("stopped", consumer.pid) >= 2
