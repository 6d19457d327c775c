# SPDX-License-Identifier: MIT
"""kill -9 of a busy consumer: every task is accounted for, and the next consumer is quick."""

from __future__ import annotations

import random
import signal

import pytest
from application import KINDS, Application, Make
from consumer_process import ConsumerProcess

from huey_green import TaskException

#: Far longer than a test: what is taken back was taken back without waiting for a lease.
LEASE = ("--lease", "600")


def kill_at_some_moment(app: Application, chance: random.Random, *options: str) -> None:
    """Start a consumer and kill it when it has done a random amount of work."""
    before = len(app.ledger())
    consumer = app.start("-q", *LEASE, *options)
    enough = before + chance.randint(1, 60)
    consumer.wait_for(lambda: len(app.ledger()) >= enough or app.is_drained(), "some work")
    consumer.kill()


def test_every_task_is_executed_to_its_end_whatever_was_killed(app: Application):
    chance = random.Random(app.kind)
    tasks = app.tasks
    results = {}
    for number in range(60):
        results[f"plain{number}"] = tasks.wait(f"plain{number}", chance.uniform(0, 0.1))
    for number in range(25):
        results[f"flaky{number}"] = tasks.flaky(f"flaky{number}")
        late = chance.uniform(0, 2)
        results[f"late{number}"] = tasks.quick.schedule((f"late{number}",), delay=late)
        steps = tasks.half.s(f"steps{number}").then(tasks.quick)
        results[f"steps{number}"] = list(app.huey.enqueue(steps))[-1]
    for _ in range(4):
        kill_at_some_moment(app, chance, "-w", "20")
    app.drain("-q", *LEASE)
    ran = app.noted("ran")
    assert {*ran} == {*results}
    assert max(ran.values()) <= 5
    assert {*app.noted("half")} == {name for name in results if name.startswith("steps")}
    assert {name: result.get() for name, result in results.items()} == {n: n for n in results}
    assert app.huey.dead_letters() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"at_most_once": True}], ids=["task", "Huey"])
def test_an_at_most_once_task_runs_at_most_once(make_app: Make, kind: str, options):
    chance = random.Random(kind)
    app = make_app(kind, **options)
    task = app.tasks.wait if options else app.tasks.at_most_once
    names = [f"n{number}" for number in range(100)]
    task.map([(name, 0.02) for name in names])
    for _ in range(3):
        kill_at_some_moment(app, chance, "-w", "5")
    app.drain("-q", *LEASE)
    began = app.noted("began" if options else "ran")
    assert set(began.values()) == {1}
    # Lost is what was on its way when its consumer was killed, and nothing else. What the last
    # consumer had not begun when it was stopped went back.
    assert len({*began, *app.waiting()}) >= 100 - 3 * 5


def test_a_task_that_kills_its_consumer_becomes_a_dead_letter_and_its_neighbours_run(
    app: Application,
):
    results = {name: app.tasks.quick(name) for name in ("a", "b", "c")}
    poison = app.tasks.poison("p")
    results |= {name: app.tasks.wait(name, 0.3) for name in ("d", "e", "f")}
    for _ in range(app.huey.max_deliveries):
        consumer = app.start("-w", "50", *LEASE)
        assert consumer.ends() == -signal.SIGKILL, consumer.said
    assert app.noted("poisoned") == {"p": 5}
    consumer = app.consume(*LEASE)
    consumer.wait_for(app.is_drained, "an empty storage")
    consumer.stop()
    assert app.noted("poisoned") == {"p": 5}
    assert {name: result.get() for name, result in results.items()} == {n: n for n in results}
    [letter] = app.huey.dead_letters()
    assert letter.id == poison.id
    assert letter.attempts == 6
    assert "delivered 5 times and each time its consumer died" in letter.reason
    assert len(letter.history) == 5
    with pytest.raises(TaskException, match="each time its consumer died"):
        poison.get()
    assert letter.reason in consumer.said


def test_a_consumer_elsewhere_is_waited_for_until_its_lease_ends(app: Application):
    """A name of another host or boot says nothing about processes here."""
    app.tasks.quick("far")
    [delivery] = app.huey.storage.fetch("elsewhere:boot:1:1:1:abc", 1, lease=1.5)
    assert delivery.attempt == 1
    consumer: ConsumerProcess = app.consume()
    consumer.wait_for(lambda: app.times("ran", "far"), "the lease to end")
    consumer.stop()
    assert "gave 1 tasks of dead consumers back to the queue" in consumer.said
