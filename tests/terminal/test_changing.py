# SPDX-License-Identifier: MIT
"""The commands that change something: dead, cancel, revoke, restore, purge and run."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timedelta

import pytest

from huey_green import Consumer, clock
from huey_green.message import DeadLetter, Delivery, Effects, Settlement
from huey_green.terminal.values import arguments, value

MEMORY = "from huey_green import MemoryHuey\nhuey = MemoryHuey()\n"


def bury(huey, *letters):
    settlements = [Settlement(Delivery(b""), Effects(dead=letter)) for letter in letters]
    assert huey.storage.settle("", settlements) == []


def run_all(huey):
    """Run what waits, here."""
    while (task := huey.dequeue()) is not None:
        huey.execute(task)


# Dead letters.


def test_dead_letters_are_listed_shown_put_back_and_deleted(app):
    letters = [
        DeadLetter(f"id-{n}", b"%d" % n, f"why {n}", died_at=1e9 + n, attempts=n) for n in range(5)
    ]
    bury(app.huey, *letters)
    assert app.run("dead", "list", "APP").lines == app.run("dead", "APP").lines
    assert len(app.run("dead", "list", "APP", "--limit", "2").lines) == 3
    assert app.run("dead", "requeue", "APP", "id-0", "id-1") == (
        *(0, "put 2 dead letters back in the queue\n"),
        "",
    )
    assert app.huey.storage.enqueued_items() == [b"0", b"1"]
    assert app.run("dead", "delete", "APP", "id-2").out == "deleted 1 dead letter\n"
    assert (
        app.run("dead", "requeue", "APP", "--all").out == "put 2 dead letters back in the queue\n"
    )
    assert app.run("dead", "delete", "APP", "--all") == (0, "deleted 0 dead letters\n", "")
    assert app.run("dead", "delete", "APP", "id-2").status == 3


def test_all_that_is_known_of_a_dead_letter_is_shown(app):
    letter = DeadLetter(
        *("the-id", b"\x80abc", "took 2 down\x1b[2J", "Traceback\n  line\n"),
        attempts=2,
        history=("1000000000.000 web1:b:n:4711:1:2",),
        died_at=1e9,
        consumer="web2:b:n:12:1:2",
        priority=5.0,
        call="app.add(1, 2)",
        claim="unique:x",
    )
    bury(app.huey, letter)
    said = app.run("dead", "show", "APP", "the-id")
    assert said.status == 0
    assert said.lines[0] == "the-id  app.add(1, 2)"
    for text in (
        *("reason:      took 2 down [2J", "attempts:    2", "given up by: web2, process 12"),
        *("priority:    5", "claim:       unique:x", "message:     4 bytes"),
        *("took down web1, process 4711", "Traceback\n  line"),
    ):
        assert text in said.out
    fields = json.loads(app.run("dead", "show", "APP", "the-id", "--json").out)
    assert (fields["id"], fields["body"], fields["attempts"]) == ("the-id", "\x80abc", 2)
    missing = app.run("dead", "show", "APP", "the-id", "unknown")
    assert (missing.status, missing.out) == (3, said.out)
    assert "there is no dead letter unknown" in missing.err


@pytest.mark.parametrize("verb", ["requeue", "delete"])
@pytest.mark.parametrize("words", [[], ["a", "--all"]])
def test_either_ids_are_named_or_all_of_them(app, verb, words):
    bury(app.huey, DeadLetter("a", b"", "why"))
    said = app.run("dead", verb, "APP", *words)
    assert said.status == 2
    assert "name dead letters by their ids, or say --all" in said.err
    assert len(app.huey.dead_letters()) == 1


# Stopping.


def test_a_task_is_canceled_wherever_it_waits(app):
    results = [app.module.add(1, n) for n in range(3)]
    said = app.run("cancel", "APP", results[0].id, results[1].id)
    assert said == (0, f"{results[0].id} canceled\n{results[1].id} canceled\n", "")
    run_all(app.huey)
    assert results[2].get() == 3
    said = app.run("cancel", "APP", results[2].id)
    assert said == (3, f"{results[2].id} had ended, or is not known\n", "")


def test_a_task_is_revoked_by_its_id_and_restored(app):
    one, other = app.module.add(1, 2), app.module.add(3, 4)
    said = app.run("revoke", "APP", one.id, other.id)
    assert said.lines == [f"revoked the task with the id {it.id}" for it in (one, other)]
    assert one.is_revoked()
    assert app.run("restore", "APP", other.id) == (0, f"{other.id} restored\n", "")
    assert app.run("restore", "APP", other.id) == (3, f"{other.id} was not revoked\n", "")
    run_all(app.huey)
    assert one.get() is None
    assert other.get() == 7
    assert app.run("revoke", "APP", "--id", "my-own-id").status == 0


def test_a_task_is_revoked_by_its_name_for_a_time_once_or_for_some_arguments(app):
    add, huey = app.module.add, app.huey
    name = f"{app.name}.add"
    assert app.run("revoke", "APP", "add") == (0, f"revoked all calls of {name}\n", "")
    assert add.is_revoked()
    assert app.run("restore", "APP", name) == (0, f"{name} restored\n", "")
    assert app.run("revoke", "APP", "add", "--once").out == f"revoked all calls of {name} once\n"
    first, second = add(1, 2), add(1, 2)
    run_all(huey)
    assert (first.get(), second.get()) == (None, 3)
    said = app.run("revoke", "APP", "add", "--until", "1h")
    assert said.out.startswith(f"revoked all calls of {name} until ")
    now = datetime.now()
    assert huey.is_revoked(add, now + timedelta(minutes=59))
    assert not huey.is_revoked(add, now + timedelta(minutes=61))
    app.run("restore", "APP", "add")
    said = app.run("revoke", "APP", "add", "--args", '[1, "a"]', "--until", "2999-01-01T12:00")
    assert said.out == f"revoked {name}(1, 'a') until 2999-01-01 12:00:00\n"
    assert huey.is_revoked(add.s(1, "a"))
    assert not huey.is_revoked(add.s(1, 2))
    assert app.run("restore", "APP", "add", "--args", "[1, 2]").status == 3
    assert app.run("restore", "APP", "add", "--args", '[1, "a"]').status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["revoke", "APP", "ad"], "did you mean"),
        (["revoke", "APP", "f" * 32, "--args", "[1]"], "go with the name of a task"),
        (["revoke", "APP", "add", "--args", "1"], "is a list or a dict"),
        (["revoke", "APP", "add", "--until", "soon"], "is a moment as 2026"),
        (["revoke", "APP", "add", "--until", "1h", "--once"], "not allowed with"),
        (["revoke", "APP"], "ID|TASK"),
        (["cancel", "APP"], "ID"),
        (["run", "APP", "ad"], "did you mean"),
        (["run", "APP", "add", "--priority", "nan"], "priority"),
        (["run", "APP", "add", "--timeout", "1"], "--timeout goes with --wait"),
        (["run", "APP", "add", "--delay", "1", "--eta", "2999-01-01"], "not allowed with"),
        (["run", "APP", "add", "--eta", "soon"], "is a moment as 2026"),
        (["purge", "APP"], "say what"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence_and_changes_nothing(app, words, said):
    done = app.run(*words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert not app.huey.is_revoked(app.module.add)
    assert len(app.huey) == 0


def test_a_name_that_two_tasks_end_with_is_asked_back(make_app):
    source = """
@huey.task(name="add")
def one():
    pass
one.task_class.__module__ = "a"
"""
    app = make_app(MEMORY + source)
    task = app.module.one.task_class
    app.huey.registry._classes = {"a.add": task, "b.add": task}
    said = app.run("run", "APP", "add")
    assert said.status == 2
    assert "add may be a.add or b.add" in said.err


# Purging.


class Keyboard(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_purging_deletes_what_was_named_and_nothing_else(app):
    huey = app.huey
    for n in range(3):
        app.module.add(n, n)
    huey.add_schedule(app.module.add.s(1, 2))
    huey.put("key", "value")
    assert app.run("purge", "APP", "--queue", "--yes").out == "deleted 3 waiting tasks\n"
    assert (len(huey), huey.scheduled_count(), huey.result_count()) == (0, 1, 1)
    said = app.run("purge", "APP", "--schedule", "--results", "--yes")
    assert said == (0, "deleted 1 scheduled task and 1 stored value\n", "")
    assert (huey.scheduled_count(), huey.result_count()) == (0, 0)
    bury(huey, DeadLetter("a", b"", "why"))
    assert app.run("purge", "APP", "--everything", "--yes").status == 0
    assert huey.dead_letters() == []


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("", 1)])
def test_purging_asks_first(app, monkeypatch, answer, status):
    app.module.add(1, 2)
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    said = app.run("purge", "APP", "--queue")
    assert said.status == status
    assert said.out.startswith("Delete 1 waiting task of 'shop' on SQLite ")
    assert len(app.huey) == status


def test_purging_where_nobody_can_be_asked_wants_to_be_told(app, monkeypatch):
    app.module.add(1, 2)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    said = app.run("purge", "APP", "--queue")
    assert (said.status, said.out) == (2, "")
    assert "say --yes" in said.err
    assert len(app.huey) == 1


# Running.


def test_a_task_is_enqueued_with_arguments_by_place_and_by_name(app):
    said = app.run("run", "APP", "add", "1", 'b={"x": [null, true]}', "--priority", "7")
    [task] = app.huey.pending()
    assert (said.status, said.out) == (0, f"{task.id}\n")
    assert (task.args, task.kwargs, task.priority) == ((1,), {"b": {"x": [None, True]}}, 7)
    said = app.run("run", "APP", f"{app.name}.add", "-1", "-2.5", "--json")
    assert json.loads(said.out) == app.huey.pending()[1].id
    assert app.huey.pending()[1].args == (-1, -2.5)


def test_a_task_is_enqueued_for_later(app):
    app.run("run", "APP", "add", "1", "2", "--delay", "1h")
    app.run("run", "APP", "add", "1", "2", "--eta", "2999-01-01T12:00")
    first, second = (task.eta for task in app.huey.pending())
    assert timedelta(minutes=59) < first - clock.now(utc=True) <= timedelta(hours=1)
    assert abs(second - datetime(2999, 1, 1, 12)) <= timedelta(hours=14)


def test_the_value_of_a_task_is_waited_for(make_app):
    app = make_app(MEMORY + "@huey.task()\ndef add(a, b):\n    return a + b\n")
    consumer = Consumer(app.huey, workers=2)
    consumer.start()
    try:
        assert app.run("run", "APP", "add", "1", "2", "--wait") == (0, "3\n", "")
        assert app.run("run", "APP", "add", "a", "b", "--wait").out == "ab\n"
        assert app.run("run", "APP", "add", "[1]", "[2]", "--wait", "--json").out == "[1, 2]\n"
        said = app.run("run", "APP", "add", "1", "b", "--wait")
        assert (said.status, said.out) == (1, "")
        assert "failed: TypeError" in said.err
    finally:
        consumer.stop()
    said = app.run("run", "APP", "add", "1", "2", "--wait", "--timeout", "0.01")
    assert (said.status, said.out) == (3, "")
    assert "has no result after 0.01 s" in said.err


def test_a_huey_without_results_has_nothing_to_wait_for(make_app):
    source = "from huey_green import MemoryHuey\nhuey = MemoryHuey(results=False)\n"
    app = make_app(source + "@huey.task()\ndef add(a, b):\n    return a + b\n")
    said = app.run("run", "APP", "add", "1", "2")
    assert said == (0, f"{app.huey.pending()[0].id}\n", "")
    said = app.run("run", "APP", "add", "1", "2", "--wait")
    assert said.status == 2
    assert "keeps no results" in said.err


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(("1", 1), ("-2.5", -2.5), ("true", True), ("True", True), ("null", None)),
        *(("None", None), ('"1"', "1"), ("'1'", "1"), ("[1, 2]", [1, 2]), ("(1, 2)", (1, 2))),
        *(('{"a": 1}', {"a": 1}), ("{1, 2}", {1, 2}), ("b'x'", b"x"), ("hello", "hello")),
        *(("2026-01-01", "2026-01-01"), ("/tmp/x", "/tmp/x"), ("", ""), ("NaN", "NaN")),
        *(("[" * 5000, "[" * 5000), ("a, b", "a, b"), (" 1", 1)),
    ],
)
def test_a_word_is_json_or_a_literal_or_else_text(text, meant):
    assert value(text) == meant
    assert type(value(text)) is type(meant)


def test_a_word_with_a_name_before_it_is_an_argument_by_name():
    assert arguments(["1", "a=2", "b=c=d", "=x", "1=2", '"a=2"']) == (
        [1, "=x", "1=2", "a=2"],
        {"a": 2, "b": "c=d"},
    )
