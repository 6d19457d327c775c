# SPDX-License-Identifier: MIT
"""A Redis that goes away, connections that are cut, consumers that stall: the rest goes on."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from application import Application, Make
from consumer_process import ConsumerProcess, eventually

from huey_green.testing.redis import PrivateRedis

REDIS_KINDS = ("list", "zset")
BEGINS, ENDS = "Waiting for it to come back", "answers again after"


@pytest.mark.parametrize("kind", REDIS_KINDS)
def test_a_restarted_redis_costs_two_lines_and_no_task(
    make_app: Make, own_redis: PrivateRedis, kind: str
):
    app = make_app(kind, url=own_redis.url)
    names = [f"n{number}" for number in range(400)]
    results = app.tasks.wait.map([(name, 0.05) for name in names])
    consumer = app.consume("-w", "20", "-S")
    consumer.wait_for(lambda: app.noted("ran").total() >= 60, "some to run")
    own_redis.kill()
    consumer.says(BEGINS)
    own_redis.start()
    app.huey.storage.close()  # The connections of this process were cut too.
    consumer.says(ENDS)
    consumer.wait_for(app.is_drained, "an empty storage")
    consumer.stop()
    assert (consumer.count(BEGINS), consumer.count(ENDS)) == (1, 1), consumer.said[-3000:]
    assert {*app.noted("ran")} == {*names}
    assert results.get() == names


@pytest.mark.parametrize("end", [PrivateRedis.kill, PrivateRedis.pause], ids=["gone", "silent"])
def test_a_consumer_can_be_stopped_while_redis_is_away(
    make_app: Make, own_redis: PrivateRedis, end: Callable[[PrivateRedis], None]
):
    app = make_app(url=f"{own_redis.url}?socket_timeout=1")
    consumer = app.consume("-t", "1", "--lease", "600")
    app.tasks.wait("long")
    app.tasks.wait("short", 0.5)
    consumer.wait_for(lambda: app.noted("began").total() == 2, "both to begin")
    end(own_redis)
    consumer.wait_for(lambda: app.times("ran", "short"), "the short one to end")
    consumer.says(BEGINS)
    consumer.send(signal.SIGTERM)
    # The limits add up: each service ends its call, the last results get a last chance.
    assert consumer.ends(patience=60) == 0, consumer.said
    assert "1 finished tasks could not be acknowledged" in consumer.said
    if end is PrivateRedis.pause:
        own_redis.resume()
    own_redis.restart()
    app.huey.storage.close()
    app.drain()
    # A silent server may have taken the last words of the first consumer when it goes on.
    assert app.noted("ran")["long"] == 1
    assert app.noted("ran")["short"] == 2 or end is PrivateRedis.pause


@pytest.mark.parametrize("kind", REDIS_KINDS)
def test_cut_connections_and_forgotten_scripts_cost_no_task(
    make_app: Make, own_redis: PrivateRedis, kind: str
):
    app = make_app(kind, url=own_redis.url)
    names = [f"n{number}" for number in range(300)]
    app.tasks.wait.map([(name, 0.05) for name in names])
    consumer = app.consume("-w", "20", "-S")
    ask = app.huey.storage.link.execute
    for at_least in (20, 70, 120, 170, 220):
        consumer.wait_for(lambda n=at_least: app.noted("ran").total() >= n, "some to run")
        ask("SCRIPT", "FLUSH")
        assert ask("CLIENT", "KILL", "TYPE", "normal") >= 1
    consumer.wait_for(app.is_drained, "an empty storage")
    # A service may find its connection cut when another has already found a new one.
    consumer.wait_for(lambda: 1 <= consumer.count(BEGINS) == consumer.count(ENDS), "each to end")
    consumer.stop()
    assert app.noted("ran") == Counter(names)


TICKS = """

# A minute lasts three seconds, here and in the storage.
from huey_green import clock

_began = {began}


def fast():
    return _began // 60 * 60 + (time.time() - _began) * 20


clock.wall = huey.storage.time = fast


def ticking(number):
    @huey.periodic_task(lambda moment: True, name="tick%d" % number)
    def tick():
        note("ticked", number)


for _number in range(20):
    ticking(_number)
"""


@pytest.mark.parametrize("kind", REDIS_KINDS)
def test_each_minute_of_a_periodic_task_runs_once_however_many_consumers_there_are(
    make_app: Make, kind: str
):
    app = make_app(kind)
    with (app.directory / "app.py").open("a") as file:
        file.write(TICKS.format(began=time.time()))
    consumers = [app.consume("-q") for _ in range(3)]
    eventually(lambda: app.noted("ticked").total() >= 60, "three minutes", say=app.ledger)
    for consumer in consumers:
        consumer.send(signal.SIGTERM)
    for consumer in consumers:
        assert consumer.ends() == 0, consumer.said
    app.drain("-n", "-q")
    storage = app.huey.storage
    keys = storage.link.execute("ZRANGE", storage.keys.once, 0, -1)
    minutes = Counter(key.decode().split(":")[1].removeprefix("app.tick") for key in keys)
    assert min(minutes.values()) >= 3
    assert app.noted("ticked") == minutes


def test_what_a_suspended_consumer_held_runs_elsewhere_and_it_stores_nothing(app: Application):
    first = app.consume("--lease", "1")
    result = app.tasks.whose("w", 1.0)
    first.wait_for(lambda: app.times("began", "w"), "the task to begin")
    first.send(signal.SIGSTOP)
    second: ConsumerProcess = app.consume("--lease", "1")
    second.wait_for(lambda: app.times("ran", "w"), "a second run")
    second.wait_for(app.is_drained, "its result to be stored")
    first.send(signal.SIGCONT)
    first.says("1 finished tasks were no longer ours")
    assert app.times("ran", "w") == 2
    assert result.get() == second.pid
    first.stop()
    second.stop()
    assert app.is_drained()


def test_a_task_that_hogs_the_process_keeps_its_lease(app: Application):
    first = app.consume("--lease", "1")
    second = app.consume("--lease", "1")
    app.tasks.busy("hog")
    eventually(lambda: app.times("began", "hog"), "the task to begin")
    [held] = app.huey.storage.in_flight()
    until = held.lease_ends_at + 4.0
    eventually(lambda: app.huey.storage.consumers()[held.consumer] >= until, "four leases to go by")
    (app.directory / "enough").touch()
    eventually(app.is_drained, "the hog to be settled")
    for consumer in (first, second):
        consumer.stop()
        assert "no longer ours" not in consumer.said
        assert "dead consumers" not in consumer.said
    assert app.noted("began") == app.noted("ran") == {"hog": 1}
