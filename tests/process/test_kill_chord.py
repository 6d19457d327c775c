# SPDX-License-Identifier: MIT
"""kill -9 of consumers in the middle of chords: each is completed, and called back once."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from application import Application, _load
from consumer_process import ConsumerProcess

from huey_green import chord

#: Far longer than a test: what is taken back was taken back without waiting for a lease.
LEASE = ("--lease", "600")

TASKS = """


@huey.task()
def member(which, n, seconds):
    note("began", f"{which}.{n}")
    time.sleep(seconds)
    note("ran", f"{which}.{n}")
    return n


@huey.task(retries=1)
def moody(which, n):
    first = not _has("ran", f"{which}.{n}")
    note("ran", f"{which}.{n}")
    if first:
        raise ValueError(n)
    return n


@huey.task()
def step(given, value):
    return value + given


@huey.task()
def called(which, values):
    note("called", which, os.getpid())
    time.sleep(0.02)
    return values
"""

CHORDS = 12


def make_chord(tasks, which: str, chance: random.Random) -> chord:
    """Return a chord whose value is [0, 1, ... 9, [10, 11, 12], 13]."""

    def member(n: int, part: str = ""):
        return tasks.member.s(which + part, n, chance.uniform(0, 0.1))

    members = [member(n) for n in range(8)]
    members += [tasks.moody.s(which, 8), member(4).then(tasks.step, 5)]
    members.append(chord([member(n, ".in") for n in (10, 11, 12)], tasks.called.s(f"{which}.in")))
    members.append(member(13))
    return chord(members, tasks.called.s(which))


def kill_at_some_moment(app: Application, chance: random.Random) -> int:
    """Start a consumer and kill it when it has done a random amount of work; return its id."""
    before = len(app.ledger())
    consumer: ConsumerProcess = app.start("-q", "-w", "12", *LEASE)
    enough = before + chance.randint(5, 70)
    consumer.wait_for(lambda: len(app.ledger()) >= enough or app.is_drained(), "some work")
    consumer.kill()
    return consumer.pid


def test_chords_are_completed_and_called_back_once_whatever_was_killed(app: Application):
    chance = random.Random(app.kind)
    with (app.directory / "app.py").open("a") as file:
        file.write(TASKS)
    app.huey.storage.close()
    tasks = app.tasks = _load(app.directory / "app.py")
    app.huey = tasks.huey
    wholes = {f"c{n}": make_chord(tasks, f"c{n}", chance) for n in range(CHORDS)}
    results = {which: app.huey.enqueue(whole) for which, whole in wholes.items()}
    killed = [kill_at_some_moment(app, chance) for _ in range(4)]
    app.drain("-q", *LEASE)

    expected = [*range(10), [10, 11, 12], 13]
    assert {which: result.get() for which, result in results.items()} == dict.fromkeys(
        wholes, expected
    )
    runs = defaultdict(list)
    for line in app.ledger():
        if line.startswith("called "):
            _, which, pid = line.split()
            runs[which].append(int(pid))
    assert {*runs} == {*wholes, *(f"{which}.in" for which in wholes)}
    for which, pids in runs.items():
        assert set(pids[:-1]) <= set(killed), (which, pids, killed)
        assert max(Counter(pids).values()) == 1, (which, pids)
    inner = [member for whole in wholes.values() for member in whole.tasks[10:11]]
    for whole in (*wholes.values(), *inner):
        assert not any(app.huey.storage.chord_values(*whole.callback.joins))
    assert app.huey.dead_letters() == []
