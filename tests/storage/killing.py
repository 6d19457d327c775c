# SPDX-License-Identifier: MIT
"""Forks processes that work on a folder and kills them at random moments: a program.

There are some chains of messages. Whoever settles one stores its result and enqueues, or puts
on the schedule, the next of its chain; the ends of all chains are a chord. So at any moment each
chain has one message somewhere and the results of all those before it, or it has ended.

    python killing.py FOLDER SEED WORKERS ROUNDS
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter

from huey_green.message import (
    Delivery,
    Effects,
    Extra,
    Member,
    Outgoing,
    Planned,
    Settlement,
)
from huey_green.storage.file import FileStorage, change, folder

CHAINS = 40
END = b"end"

# So that there is often a file to write beside the journal, and another journal.
change.LARGE = 2_000
folder.ROOM = 30_000


def message(chain: int, step: int) -> bytes:
    return b"%d:%d:" % (chain, step) + b"x" * (random.random() < 0.1) * random.randrange(5_000)


def place(body: bytes) -> tuple[int, int]:
    chain, step, _ = body.split(b":")
    return int(chain), int(step)


def effects(body: bytes, last: int) -> Effects:
    """Return what follows a message."""
    chain, step = place(body)
    results = ((f"{chain}:{step}", body),)
    if step == last:
        member = Member("all", chain, CHAINS, b"%d" % chain, Outgoing(END))
        return Effects(results, extra=Extra(members=(member,)))
    if random.random() < 0.3:
        return Effects(results, schedule=(Planned(message(chain, step + 1), 1.0),))
    return Effects(results, enqueue=(Outgoing(message(chain, step + 1), chain % 3),))


def work(path: str, name: str, last: int) -> None:
    """Work until killed."""
    storage = FileStorage("killed", path)
    while True:
        taken = storage.fetch(name, random.randrange(1, 9), wait=0.01)
        mine: list[Delivery] = [one for one in taken if one.body != END]
        storage.begin(name, mine[:2])
        released = [one for one in mine if random.random() < 0.1]
        done = [one for one in mine if one not in released]
        storage.settle(name, [Settlement(one, effects(one.body, last)) for one in done])
        storage.release(name, released + [one for one in taken if one.body == END])
        storage.promote(limit=3)
        storage.put_data("scratch", b"y" * random.randrange(5_000))
        storage.incr("rounds")
        if random.random() < 0.3:
            storage.pop_data("scratch")


def check(storage: FileStorage, last: int) -> bool:
    """Raise where something is lost or doubled; say whether all has ended."""
    assert storage.in_flight() == []
    waiting = storage.enqueued_items() + storage.scheduled_items()
    ends = waiting.count(END)
    at = [place(body) for body in waiting if body != END]
    doubled = [chain for chain, count in Counter(chain for chain, _ in at).items() if count > 1]
    assert not doubled, doubled
    steps = dict.fromkeys(range(CHAINS), last + 1) | dict(at)
    expected = {f"{chain}:{step}" for chain, next_one in steps.items() for step in range(next_one)}
    items = storage.result_items()
    scratch = items.pop("scratch", b"")
    assert set(scratch) <= set(b"y")
    assert set(items) == expected, set(items) ^ expected
    assert all(key == "{}:{}".format(*place(value)) for key, value in items.items())
    noted = [value is not None for value in storage.chord_values("all", CHAINS)]
    assert noted == [step == last + 1 for step in steps.values()]
    assert ends == (not at)
    return not at


def main(path: str, seed: int, workers: int, rounds: int) -> None:
    last = max(20, rounds // 3)
    storage = FileStorage("killed", path)
    storage.enqueue_many([Outgoing(message(chain, 0)) for chain in range(CHAINS)])
    kills = 0
    randomness = random.Random(seed)
    for number in range(rounds):
        names = [f"{number}-{worker}" for worker in range(workers)]
        children = []
        for name in names:
            child = os.fork()
            if child == 0:
                random.seed(f"{seed} {name}")
                work(path, name, last)
            children.append(child)
        for child in children:
            time.sleep(randomness.uniform(0.0, 0.03))
            os.kill(child, signal.SIGKILL)
        for child in children:
            _, status = os.waitpid(child, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            kills += 1
        storage.reclaim(dead=names)
        has_ended = check(storage, last)
    while not has_ended:
        storage.promote()
        taken = [one for one in storage.fetch("last", 100) if one.body != END]
        storage.settle("last", [Settlement(one, effects(one.body, last)) for one in taken])
        storage.leave("last")
        has_ended = check(storage, last)
    ends = storage.enqueued_items().count(END)
    print(json.dumps({"kills": kills, "ended": ends, "rounds": storage.incr("rounds", 0)}))
    storage.close()


if __name__ == "__main__":
    main(sys.argv[1], *(int(one) for one in sys.argv[2:5]))
