# SPDX-License-Identifier: MIT
"""``--processes``: a parent that nothing gets past, and children that nobody misses."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from application import Application, Make
from consumer_process import ConsumerProcess, eventually

#: The end of an application that says which process imported it.
SAYS_WHERE = 'note("imported", os.getpid())\n'


@pytest.fixture
def app(make_app: Make) -> Application:
    made = make_app()
    path = made.directory / "app.py"
    path.write_text(path.read_text() + SAYS_WHERE)
    return made


def started(app: Application) -> list[int]:
    """The processes that have begun to consume, the oldest first."""
    return [int(line.split()[1]) for line in app.ledger() if line.startswith("started ")]


def imported(app: Application) -> list[int]:
    """The processes that have imported the application."""
    return [int(line.split()[1]) for line in app.ledger() if line.startswith("imported ")]


def consume(app: Application, count: int, *options: str) -> ConsumerProcess:
    """Start a parent and wait until all of its children consume."""
    consumer = app.start("--processes", str(count), *options)
    consumer.wait_for(lambda: len(started(app)) == count, f"{count} processes")
    return consumer


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def run_some(app: Application, consumer: ConsumerProcess, name: str, count: int = 20) -> None:
    """Have some tasks run, each once."""
    names = [f"{name}{number}" for number in range(count)]
    for one in names:
        app.tasks.quick(one)
    consumer.wait_for(lambda: set(names) <= set(app.noted("ran")), f"{count} tasks")
    assert all(app.noted("ran")[one] == 1 for one in names)


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["fresh", "preloaded"])
def test_tasks_are_shared_by_all_processes_which_end_with_their_parent(app, preload):
    consumer = consume(app, 3, *preload)
    children = started(app)
    assert len(set(children)) == 3
    assert consumer.pid not in children
    for number in range(30):
        app.tasks.wait(number, 0.1)
    consumer.wait_for(lambda: sum(app.noted("ran").values()) == 30, "30 tasks")
    consumer.stop()
    assert not any(lives(pid) for pid in children)
    assert {f"stopped {pid}" for pid in children} <= set(app.ledger())
    assert app.is_drained()
    assert sorted(imported(app)) == ([consumer.pid] if preload else sorted(children))


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["fresh", "preloaded"])
def test_a_child_that_is_killed_is_replaced_at_once_and_its_tasks_run_again(app, preload):
    consumer = consume(app, 2, *preload)
    first, second = started(app)
    app.tasks.wait("slow")
    consumer.wait_for(lambda: app.times("began", "slow"), "a task that runs")
    victim = next(
        pid for pid in (first, second) if str(pid) in app.huey.storage.in_flight()[0].consumer
    )
    os.kill(victim, signal.SIGKILL)
    consumer.wait_for(lambda: len(started(app)) == 3, "another process")
    consumer.says(f"process {victim} was ended by SIGKILL (out of memory?); another one starts now")
    consumer.wait_for(lambda: app.noted("ran")["slow"], "the task to be run again")
    run_some(app, consumer, "more")
    consumer.stop()
    assert app.noted("began") == {"slow": 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_tasks_end_before_the_processes_do(app, number):
    consumer = consume(app, 2, "-w", "1")
    for name in ("a", "b"):
        app.tasks.wait(name, 1.0)
    consumer.wait_for(lambda: len(app.noted("began")) == 2, "two tasks that run")
    consumer.send(number)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("ran") == {"a": 1, "b": 1}
    assert consumer.count(f"{number.name}: stopping 2 processes") == 1
    assert "Traceback" not in consumer.said


def test_a_second_signal_interrupts_what_runs(app):
    consumer = consume(app, 2, "-w", "1", "-t", "3600")
    for name in ("a", "b"):
        app.tasks.wait(name)
    consumer.wait_for(lambda: len(app.noted("began")) == 2, "two tasks that run")
    consumer.send(signal.SIGTERM)
    consumer.says("SIGTERM: waiting", times=2)
    consumer.send(signal.SIGTERM)
    assert consumer.ends() == 0, consumer.said
    assert app.noted("interrupted") == {"a": 1, "b": 1}
    assert sorted(app.waiting()) == ["a", "b"]


def test_sighup_replaces_one_process_at_a_time_while_the_others_consume(app):
    consumer = consume(app, 2)
    old = started(app)
    app.tasks.wait("slow", 1.0)
    consumer.wait_for(lambda: app.times("began", "slow"), "a task that runs")
    path = app.directory / "app.py"
    path.write_text(path.read_text() + '\nnote("this", "is-new")\n')
    consumer.send(signal.SIGHUP)
    consumer.wait_for(lambda: len(started(app)) == 4, "two more processes")
    new = started(app)[2:]
    consumer.wait_for(lambda: not any(lives(pid) for pid in old), "the end of the old ones")
    run_some(app, consumer, "more")
    consumer.stop()
    # The new one consumed before the old one was asked to stop, and was alone with it.
    order = [line for line in app.ledger() if line.split()[0] in ("started", "stopped")]
    gone = [f"stopped {pid}" for pid in old]
    assert order.index(f"started {new[0]}") < order.index(gone[0])
    assert order.index(gone[0]) < order.index(f"started {new[1]}") < order.index(gone[1])
    assert app.noted("this") == {"is-new": 2}
    assert app.noted("ran")["slow"] == 1


def test_new_code_that_cannot_be_loaded_leaves_the_old_processes_at_work(app):
    consumer = consume(app, 2)
    old = started(app)
    path = app.directory / "app.py"
    good = path.read_text()
    path.write_text(good + "\nthis is a mistake\n")
    consumer.send(signal.SIGHUP)
    consumer.says("SyntaxError")
    consumer.says("ended with status 2: those that run go on as they are; SIGHUP tries again")
    run_some(app, consumer, "old")
    assert started(app) == old
    path.write_text(good)
    consumer.send(signal.SIGHUP)
    consumer.wait_for(lambda: len(started(app)) == 4, "two more processes")
    consumer.stop()


def test_a_mistake_in_the_application_is_said_once_and_ends_it(app):
    (app.directory / "app.py").write_text("import no_such_module\n")
    for preload in ((), ("--preload",)):
        consumer = app.start("--processes", "3", *preload)
        assert consumer.ends() == 2
        assert consumer.count("no_such_module") == 2  # The line, and what is wrong with it.


def test_a_storage_that_is_away_at_the_start_is_said_once(tmp_path, own_redis):
    app = Application(tmp_path, "list", url=own_redis.url)
    own_redis.stop()
    consumer = app.start("--processes", "3")
    assert consumer.ends() == 1
    assert consumer.count("starts only with one") == 1
    app.close()


def test_after_max_tasks_another_process_takes_over_without_a_gap(app):
    consumer = consume(app, 1, "-M", "10")
    [first] = started(app)
    run_some(app, consumer, "a", 10)
    consumer.wait_for(lambda: len(started(app)) == 2, "another process")
    consumer.says("10 tasks have run: asking for another process")
    consumer.wait_for(lambda: not lives(first), "the end of the first one")
    order = [line for line in app.ledger() if line.split()[0] in ("started", "stopped")]
    assert order == [f"started {first}", f"started {started(app)[1]}", f"stopped {first}"]
    run_some(app, consumer, "b", 5)
    consumer.stop()


def test_a_process_that_holds_too_much_memory_is_replaced(app):
    consumer = consume(app, 2, "--max-rss", "200")
    app.tasks.hold("large", 300)
    consumer.says("MB of memory are in use: asking for another process")
    consumer.wait_for(lambda: len(started(app)) == 3, "another process")
    run_some(app, consumer, "more")
    consumer.stop()


def test_a_child_that_asks_by_itself_is_replaced(app):
    consumer = consume(app, 1)
    [first] = started(app)
    os.kill(first, signal.SIGHUP)
    consumer.wait_for(lambda: len(started(app)) == 2, "another process")
    consumer.says(f"takes the place of {first}")
    consumer.stop()


def test_children_without_a_parent_stop(app):
    consumer = consume(app, 2)
    children = started(app)
    app.tasks.wait("slow", 1.0)
    consumer.wait_for(lambda: app.times("began", "slow"), "a task that runs")
    consumer.kill()
    eventually(lambda: not any(lives(pid) for pid in children), "the end of the children")
    assert app.noted("ran") == {"slow": 1}
    assert app.is_drained()


def test_a_row_of_children_that_end_is_restarted_later_and_later(app):
    consumer = consume(app, 2)
    seen = started(app)
    os.kill(seen[1], signal.SIGKILL)
    consumer.wait_for(lambda: len(started(app)) == 3, "a third process")
    os.kill(started(app)[2], signal.SIGKILL)
    consumer.says("another one starts in 0.5 s")
    consumer.wait_for(lambda: len(started(app)) == 4, "a fourth process")
    os.kill(started(app)[3], signal.SIGKILL)
    consumer.says("another one starts in 1.0 s")
    run_some(app, consumer, "more")
    consumer.wait_for(lambda: len(started(app)) == 5, "a fifth process")
    consumer.stop()


def test_all_write_to_one_log_line_by_line(app, tmp_path):
    log = tmp_path / "all.log"
    consumer = consume(app, 3, "-l", str(log))
    run_some(app, consumer, "a", 300)
    consumer.stop()
    lines = log.read_text().splitlines()
    assert all(re.match(r"\[\d{4}-\d\d-\d\d \S+\] [A-Z]+:\S+:\d+:", line) for line in lines)
    assert sum(" executed in " in line for line in lines) == 300
    assert sum("consumes 'test" in line for line in lines) == 1
    assert consumer.said == ""


def test_auto_is_a_process_for_each_core(app):
    consumer = app.start("--processes", "auto")
    cores = len(os.sched_getaffinity(0))
    consumer.wait_for(lambda: len(started(app)) >= min(cores, 2), "processes")
    consumer.stop()


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_number_that_is_none_is_refused(app, count):
    consumer = app.start("--processes", count)
    assert consumer.ends() == 2
    assert f"--processes: is a number from 1, or auto, not '{count}'" in consumer.said


def test_preload_is_for_several_processes(app):
    consumer = app.start("--preload")
    assert consumer.ends() == 2
    assert "--preload goes with --processes" in consumer.said
