# SPDX-License-Identifier: MIT
"""``huey_green events``."""

from __future__ import annotations

import json
import threading
from uuid import uuid4

import pytest

from huey_green.testing.concurrency import eventually

SOURCE = """\
from huey_green import RedisHuey

huey = RedisHuey({name!r}, url={url!r}, events=True)


@huey.task()
def add(a, b):
    return a + b


@huey.task()
def fail(why):
    raise ValueError(why)
"""


@pytest.fixture
def loud(make_app, redis_server):
    app = make_app(SOURCE.format(name=f"loud{uuid4().hex}", url=redis_server.url))
    yield app
    app.huey.emitter.close()
    app.huey.flush()


def follow(app, count, act, *words):
    """Follow so many events while something is done; return what was printed."""
    huey = app.huey
    channel = huey.emitter.channel
    link = huey.storage.link.another()

    def listeners():
        return link.execute("PUBSUB", "NUMSUB", channel)[1]

    def do():
        eventually(listeners, "a listener")
        act()
        while (task := huey.dequeue()) is not None:
            huey.execute(task)

    doing = threading.Thread(target=do)
    doing.start()
    said = app.run("events", "APP", "--timeout", "30", "--count", str(count), *words)
    doing.join()
    link.close()
    assert (said.status, said.err) == (0, "")
    return said


def test_events_are_a_line_each(loud):
    said = follow(loud, 6, lambda: (loud.module.add(1, 2), loud.module.fail("\x1b[31m why")))
    statuses = [line.split("  ")[1].strip() for line in said.lines]
    assert sorted(statuses) == [
        *("enqueued", "enqueued", "error", "finished", "started", "started"),
    ]
    error = next(line for line in said.lines if "  error " in line)
    assert f"{loud.name}.fail" in error
    assert error.endswith("ValueError:  [31m why")


def test_events_for_programs_are_as_they_were_sent(loud):
    said = follow(loud, 3, lambda: loud.module.fail("why"), "--json")
    found = [json.loads(line) for line in said.lines]
    assert [one["status"] for one in found] == ["enqueued", "started", "error"]
    assert "ValueError: why" in found[-1]["traceback"]


def test_some_of_them_are_enough(loud):
    def act():
        loud.module.add(1, 2)
        loud.module.fail("why")

    words = ("--json", "--status", "started", "--status", "error", "--task", "fail")
    said = follow(loud, 2, act, *words)
    assert [json.loads(line)["status"] for line in said.lines] == ["started", "error"]
    assert {json.loads(line)["task"] for line in said.lines} == {f"{loud.name}.fail"}


def test_what_is_lost_or_strange_is_told_whatever_was_asked_for(loud):
    def act():
        emit = loud.huey.emitter.emit
        emit('{"status": "dropped", "dropped": 7}')
        emit('{"status": "a\\u001b", "at": "x", "execute_time": 1e99}')

    assert follow(loud, 1, act, "--status", "error").lines == ["7 events were dropped here"]
    assert follow(loud, 2, act).lines[1] == "-  a             -  -  for -"


def test_a_huey_that_sends_none_says_what_to_do(app):
    said = app.run("events", "APP")
    assert (said.status, said.out) == (2, "")
    assert "has no events=True" in said.err
