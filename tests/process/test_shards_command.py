# SPDX-License-Identifier: MIT
"""The command with a queue that has shards: alone, in several processes, beside another queue."""

from __future__ import annotations

import signal
from uuid import uuid4

import pytest
from consumer_process import ConsumerProcess, eventually

from huey_green import RedisHuey
from huey_green.testing.redis import PrivateRedis

APP = """
import os, time
from huey_green import RedisHuey, every
huey = RedisHuey({name!r}, urls={urls!r}, shards=4)
plain = RedisHuey({name!r} + "plain", url={urls!r}[0])
def note(text):
    with open("ledger", "a") as file:
        file.write(text + chr(10))
@huey.task()
def work(n, seconds=0.0):
    note(f"begun {{n}}")
    time.sleep(seconds)
    note(f"ran {{n}}")
    return n
@plain.task()
def other(n):
    note(f"other {{n}}")
@huey.periodic_task(every(seconds=0.5), context=True)
def tick(task=None):
    note(f"tick {{task.id}}")
"""


class App:
    def __init__(self, directory, name, urls):
        (directory / "app.py").write_text(APP.format(name=name, urls=urls))
        self.directory = directory
        scope = {}
        exec((directory / "app.py").read_text(), {"__name__": "app"}, scope)
        self.huey, self.work, self.other = (scope[one] for one in ("huey", "work", "other"))
        self.plain: RedisHuey = scope["plain"]

    def noted(self, what):
        """Return what was noted after a word, as often as it was."""
        path = self.directory / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{what} ")]


@pytest.fixture
def app(tmp_path, redis_server):
    with PrivateRedis(download=True) as second:
        app = App(tmp_path, f"shop{uuid4().hex}", [redis_server.url, second.url])
        yield app
        app.huey.flush()
        app.plain.flush()
        app.huey.storage.close()
        app.plain.storage.close()


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["alone", "two processes"])
def test_the_command_runs_the_tasks_of_all_shards(app, options):
    consumer = ConsumerProcess(app.directory, "-w", "10", *options)
    try:
        app.work.map([(n,) for n in range(60)])
        consumer.wait_for(lambda: len(app.noted("ran")) == 60, "60 tasks")
        consumer.wait_for(lambda: len(app.noted("tick")) > 2, "some ticks")
        consumer.says("4 shards of")
        consumer.stop()
    finally:
        consumer.kill()
    assert sorted(map(int, app.noted("ran"))) == list(range(60))
    assert len({*app.noted("tick")}) == len(app.noted("tick"))
    assert app.huey.storage.in_flight() == []
    assert app.huey.storage.consumers() == {}


def test_a_consumer_that_is_killed_loses_nothing_of_any_shard(app):
    consumer = ConsumerProcess(app.directory, "-w", "20", "--lease", "2")
    try:
        app.work.map([(n, 60.0) for n in range(12)])
        consumer.wait_for(lambda: len(app.noted("begun")) == 12, "12 tasks")
    finally:
        consumer.kill()
    held = app.huey.storage.in_flight()
    assert len({one.body.shard for one in held}) > 1
    assert len(held) >= 12
    again = ConsumerProcess(app.directory, "-w", "20")
    try:
        again.wait_for(lambda: len(app.noted("begun")) == 24, "all of them once more")
        again.send(signal.SIGTERM)
        eventually(lambda: again.count("waiting for running tasks") == 1)
        again.send(signal.SIGTERM)
        assert again.ends() == 0
    finally:
        again.kill()
    assert len(app.huey.pending()) >= 12


def test_a_queue_with_shards_may_stand_beside_another_one(app):
    consumer = ConsumerProcess(app.directory, "app.plain", "-w", "10", "--weights", "3,1")
    try:
        app.work.map([(n,) for n in range(30)])
        app.other.map([(n,) for n in range(30)])
        consumer.wait_for(lambda: len(app.noted("ran")) == len(app.noted("other")) == 30, "all")
        consumer.stop()
    finally:
        consumer.kill()


def test_a_consumer_that_says_another_number_of_shards_tells_why_it_does_not_start(app):
    assert app.huey.pending_count() == 0
    path = app.directory / "app.py"
    path.write_text(path.read_text().replace("shards=4", "shards=6"))
    consumer = ConsumerProcess(app.directory)
    try:
        assert consumer.ends() == 2
    finally:
        consumer.kill()
    assert "knows this queue as 4 shards" in consumer.said
    assert "Traceback" not in consumer.said
