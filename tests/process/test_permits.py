# SPDX-License-Identifier: MIT
"""Tasks of which so many run at once over all consumers, when those are killed and stopped."""

from __future__ import annotations

import random
import signal
from collections import Counter

from application import Application

LIMITED = """

@huey.task(max_concurrency=3)
def limited(n, seconds=None):
    \"\"\"Runs for so long, or until a file says that it is enough.\"\"\"
    note("began", n)
    if seconds is None:
        while not (_HERE / "enough").exists():
            time.sleep(0.01)
    else:
        time.sleep(seconds)
    note("ran", n)
    note("ended", n)
    return n
"""


def with_limited_tasks(app: Application) -> Application:
    """Give an application a task of which three run at once."""
    with (app.directory / "app.py").open("a") as file:
        file.write(LIMITED)
    app.limited = app.huey.task(name="limited", max_concurrency=3)(app.tasks.quick.func)
    return app


def most_at_once(app: Application) -> int:
    """How many ran at once at most, by the ledger."""
    running = most = 0
    for line in app.ledger():
        running += line.startswith("began ") - line.startswith("ended ")
        most = max(most, running)
    return most


def is_over(app: Application) -> bool:
    return app.is_drained() and not app.huey.parked() and app.is_drained()


def test_the_permits_of_a_killed_consumer_come_back_and_everything_runs(app: Application):
    with_limited_tasks(app)
    names = [f"n{number}" for number in range(12)]
    results = app.limited.map([(name,) for name in names])
    first = app.consume("--lease", "600", "-w", "20")
    first.wait_for(lambda: app.noted("began").total() == 3, "three to begin")
    first.wait_for(lambda: len(app.huey.parked()) == 9, "the others to be parked")
    first.kill()
    for total in (6, 9):
        consumer = app.consume("--lease", "600", "-w", "20")
        consumer.wait_for(lambda n=total: app.noted("began").total() == n, "three to begin again")
        consumer.wait_for(lambda: len(app.huey.parked()) == 9, "the others to be parked")
        consumer.kill()
    assert app.noted("ran") == {}
    (app.directory / "enough").touch()
    consumer = app.consume("--lease", "600")
    consumer.wait_for(lambda: is_over(app), "all to run")
    consumer.stop()
    assert app.noted("ran") == Counter(names)
    assert app.noted("began").total() == 9 + len(names)
    assert results.get(blocking=True, timeout=30) == names


def test_never_more_run_at_once_whatever_is_stopped(app: Application):
    chance = random.Random(app.kind)
    with_limited_tasks(app)
    names = [f"n{number}" for number in range(150)]
    app.limited.map([(name, chance.uniform(0, 0.02)) for name in names])
    consumers = [app.consume("-w", "10") for _ in range(2)]
    for share in (20, 60, 100):
        consumers[0].wait_for(lambda n=share: app.noted("ran").total() >= n, "some to run")
        consumers[0].stop()
        consumers = [consumers[1], app.consume("-w", "10")]
    consumers[0].wait_for(lambda: is_over(app), "all to run")
    for consumer in consumers:
        consumer.stop()
    assert app.noted("ran") == Counter(names)
    assert most_at_once(app) == 3


def test_all_run_after_kills_at_random_moments(app: Application):
    chance = random.Random(app.kind)
    with_limited_tasks(app)
    names = [f"n{number}" for number in range(100)]
    results = app.limited.map([(name, chance.uniform(0, 0.02)) for name in names])
    for _ in range(4):
        consumer = app.start("-q", "--lease", "600", "-w", "10")
        enough = len(app.ledger()) + chance.randint(1, 40)
        consumer.wait_for(lambda n=enough: len(app.ledger()) >= n or is_over(app), "some work")
        consumer.send(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        consumer.ends()
    consumer = app.consume("--lease", "600", "-w", "10")
    consumer.wait_for(lambda: is_over(app), "all to run")
    consumer.stop()
    assert {*app.noted("ran")} == {*names}
    assert max(app.noted("ran").values()) <= 5
    assert results.get() == names
    assert app.huey.dead_letters() == []
