# SPDX-License-Identifier: MIT
"""``huey_green status`` and ``huey_green tasks``."""

from __future__ import annotations

import json
import re

import pytest

from huey_green.message import DeadLetter, Delivery, Effects, Settlement
from huey_green.report import encode_report
from huey_green.terminal import status
from huey_green.terminal.output import Paper, duration, plain

LONG = 1000.0
CONSUMER = "web1:58e4ccbc:4026531836:4711:99:aa"


def consume(huey, name=CONSUMER, lag=0.0004, tasks=(("the-id", "app.sleep", 200.0, 2),), running=3):
    """Be a consumer that holds what waits, and has said so."""
    storage = huey.storage
    storage.fetch(name, 10, lease=LONG)
    now = storage.time()
    report = encode_report(now - 2, now - 7500, 500, running, 1, lag, tasks)
    storage.put_report(name, report, LONG)


def test_an_empty_queue_that_nobody_consumes(app):
    said = app.run("status", "APP")
    assert said.status == 0
    assert said.err == ""
    assert said.lines[0].startswith("shop on SQLite ")
    assert said.lines[1:] == [
        "",
        "WAITING  SCHEDULED  PARKED  IN FLIGHT  DEAD  RESULTS",
        "      0          0       0          0     0        0",
        "",
        "no consumer",
    ]


def test_all_that_there_is_to_see(app):
    for n in range(1200):
        app.module.add(n, n)
    consume(app.huey)
    app.huey.storage.extend("db7:58e4ccbc:4026531836:12:99:bb", LONG)
    app.huey.storage.extend("old:58e4ccbc:4026531836:13:99:cc", -1.0)
    dead = DeadLetter("dead-id", b"x", "why")
    app.huey.storage.settle("", [Settlement(Delivery(b""), Effects(dead=dead))])
    said = app.run("status", "APP")
    assert said.status == 0
    assert said.lines[3] == "  1,190          0       0         10     1        0"
    assert said.lines[11].startswith(" 3 min ")  # Some seconds may have passed.
    cells = [re.split("  +", line.strip()) for line in said.lines[5:]]
    assert cells == [
        ["CONSUMER", "STATE", "WORKERS", "RUNNING", "READY", "HOLDS", "LAG", "UP"],
        ["db7, process 12", "silent", "0"],
        ["old, process 13", "dead", "0"],
        ["web1, process 4711", "alive", "500", "3", "1", "10", "< 1 ms", "2 h 5 min"],
        [""],
        ["RUNNING FOR", "TASK", "ID", "ATTEMPT", "CONSUMER"],
        [cells[6][0], "app.sleep", "the-id", "2", "web1, process 4711"],
        ["and 2 more"],
    ]


def test_the_same_for_programs_is_a_line_for_each_queue(app, make_app):
    app.module.add(1, 2)
    consume(app.huey)
    app.huey.storage.extend("db7:58e4ccbc:4026531836:12:99:bb", LONG)
    other = make_app("from huey_green import MemoryHuey\nhuey = MemoryHuey('other')\n")
    said = app.run("status", "APP", other.path, "--json")
    assert (said.status, said.err) == (0, "")
    shop, memory = map(json.loads, said.lines)
    assert (shop["name"], shop["waiting"], shop["in_flight"]) == ("shop", 0, 1)
    silent, alive = shop["consumers"]
    assert (silent["state"], silent["host"], silent["workers"]) == ("silent", "db7", None)
    assert (alive["state"], alive["pid"], alive["workers"], alive["running"]) == (
        *("alive", 4711, 500),
        3,
    )
    [task] = shop["running"]
    assert (task["id"], task["name"], task["attempt"]) == ("the-id", "app.sleep", 2)
    assert 200 <= task["running_for"] < 300
    assert shop["running_count"] == 3
    assert (memory["name"], memory["consumers"]) == ("other", [])


def test_as_many_running_tasks_are_shown_as_one_wants(app):
    tasks = [(f"id-{n}", "app.sleep", 100.0 - n, 1) for n in range(20)]
    consume(app.huey, tasks=tasks, running=25)
    said = app.run("status", "APP")
    assert re.findall(r"app.sleep +(\S+)", said.out) == [f"id-{n}" for n in range(10)]
    assert said.lines[-1] == "and 15 more"
    assert app.run("status", "APP", "--limit", "20").lines[-1] == "and 5 more"
    assert len(json.loads(app.run("status", "APP", "--json").out)["running"]) == 20


def test_no_terminal_obeys_what_a_consumer_says(app):
    consume(app.huey, name="h\x1b]0;x\x07\n:b:n:1:2:3", tasks=[("\x1b[31m", "a\nb\r", 1.0, 1)])
    said = app.run("status", "APP")
    assert "\x1b" not in said.out
    assert len(said.lines) == 11
    assert "\x1b" not in app.run("status", "APP", "--json").out


class Screen:
    """A terminal of so many columns."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen()


def test_a_terminal_gets_colours_and_no_line_is_longer_than_it(screen, monkeypatch):
    rows = [("1 s", "a" * 60, "x"), ("2 s", "b", "y" * 5)]
    Paper(screen).table(("FOR", "TASK", "ID"), rows, colours=[{2: "31"}])
    lines = screen.text.splitlines()
    assert lines[1] == f"1 s  {'a' * 27}…  \x1b[31mx\x1b[0m"
    assert lines[2] == f"2 s  {'b':<28}  yyyyy"
    monkeypatch.setenv("NO_COLOR", "1")
    narrow = Screen()
    Paper(narrow).table(("FOR", "ID"), [("1 s", "x")])
    assert narrow.text == "FOR  ID\n1 s  x\n"
    plainly = Screen()
    Paper(plainly).table(("FOR", "TASK", "ID"), rows, colours=[{2: "31"}])
    assert "\x1b" not in plainly.text
    assert {len(line) for line in plainly.text.splitlines()} <= set(range(41))


def test_watching_shows_it_again_and_again_and_outlives_an_outage(app, monkeypatch):
    app.module.add(1, 2)
    rounds = []

    def sleep(seconds):
        rounds.append(seconds)
        if len(rounds) == 2:
            monkeypatch.setattr(type(app.huey.storage), "counts", away)
        if len(rounds) == 4:
            raise KeyboardInterrupt

    def away(self):
        raise status.StorageUnavailable("SQLite is away")

    monkeypatch.setattr(status.time, "sleep", sleep)
    said = app.run("status", "APP", "--watch", "--every", "5s")
    assert said.status == 130
    assert rounds == [5.0] * 4
    assert said.out.count("WAITING") == 2
    assert said.err == "huey_green: SQLite is away\n" * 2


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 ms"),
        (0.0002, "< 1 ms"),
        (0.35, "350 ms"),
        (0.9997, "1.0 s"),
        (4.21, "4.2 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (273600, "3 d 4 h"),
        (-4.21, "-4.2 s"),
    ],
)
def test_times_are_told_in_two_units_at_most(seconds, told):
    assert duration(seconds) == told


def test_text_is_plain_whatever_is_in_it():
    assert plain("a\x1b[31m\nb\x07\u202ec\x9b") == "a [31m b  c "
    assert plain("a\n\tb\r\x1b", lines=True) == "a\n\tb  "


def test_an_immediate_huey_says_so(make_app):
    app = make_app("from huey_green import MemoryHuey\nhuey = MemoryHuey(immediate=True)\n")
    assert "this Huey is immediate" in app.run("status", "APP").out


@pytest.mark.parametrize(
    ("words", "status_", "said"),
    [
        (["status"], 2, "IMPORT.PATH"),
        (["status", "APP", "--limit", "-1"], 2, "less than 0"),
        (["status", "APP", "--every", "soon"], 2, "is a time as 90"),
        (["status", "nowhere.huey"], 2, "there is no module 'nowhere'"),
        (["status", "APP", "nowhere.huey"], 2, "there is no module 'nowhere'"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(app, words, status_, said):
    done = app.run(*words)
    assert (done.status, done.out) == (status_, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_storage_that_is_away_is_told_in_one_sentence(make_app):
    app = make_app("from huey_green import RedisHuey\nhuey = RedisHuey(port=1)\n")
    for name in ("status", "tasks", "dead"):
        done = app.run(name, "APP")
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith("huey_green: Redis at localhost:1")
        assert done.err.count("\n") == 1


# Tasks.


def test_tasks_are_listed_with_their_options_and_what_there_is_of_them(app):
    for n in range(3):
        app.module.add(n, n)
    task = app.module.sleep.s(1)
    app.huey.add_schedule(task)
    app.huey.storage.enqueue(b"unreadable")
    name = app.name
    said = app.run("tasks", "APP")
    assert (said.status, said.err) == (0, "")
    assert [line.split(maxsplit=2) for line in said.lines[:2]] == [
        ["TASK", "WAITING", f"{'SCHEDULED  RUNNING  OPTIONS'}"],
        [f"{name}.add", "3", f"{'retries=3  retry_delay=5  priority=2'}"],
    ]
    assert said.lines[2].split() == [f"{name}.fail"]
    assert said.lines[3].split() == [f"{name}.sleep", "1"]
    assert said.lines[4].split() == [f"{name}.tick", "crontab(minute='*/5')"]
    assert said.lines[5].split() == [f"{name}.weekly", "on_mondays"]


def test_tasks_for_programs_are_a_line_each(app):
    app.module.add(1, 2)
    consume(app.huey, tasks=[("id", f"{app.name}.add", 1.0, 1)])
    found = [json.loads(line) for line in app.run("tasks", "APP", "--json").lines]
    assert found[0] == {
        "queue": "shop",
        "name": f"{app.name}.add",
        "options": {"retries": 3, "retry_delay": 5, "priority": 2},
        "when": None,
        "waiting": 0,
        "scheduled": 0,
        "running": 1,
    }
    assert found[3]["when"] == "crontab(minute='*/5')"


def test_an_application_without_tasks_is_told_what_may_be_missing(make_app):
    app = make_app("from huey_green import MemoryHuey\nhuey = MemoryHuey()\n")
    assert "imported" in app.run("tasks", "APP").out
