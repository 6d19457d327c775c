# SPDX-License-Identifier: MIT
"""Random verbs by many at once, and what each of them was told; the whole is judged afterwards.

Run as a program it does so with greenlets: ``python histories.py KIND SEED [URL]``.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

from worlds import REDIS_KINDS, FileWorld, MemoryWorld, SqliteWorld

from huey_green.message import (
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Member,
    Outgoing,
    Planned,
    Settlement,
)
from huey_green.testing.concurrency import together

#: A lease that ends only when a reclaim says so.
LONG = 1000.0
WORKERS = 4
STEPS = 120
CHORDS = 6
CHORD_SIZE = 5
TICKS = 20


class Worker:
    """One who produces, consumes and reaps, with a handle and a name of its own."""

    def __init__(self, number: int, seed: int, handle: Any) -> None:
        self.random = random.Random(f"{seed} {number}")
        self.handle = handle
        self.number = number
        self.name = f"worker-{number}"
        self.holds: list[Delivery] = []
        self._stale: list[Delivery] = []
        self._bodies = 0
        # What it was told.
        self.accepted: list[bytes] = []
        self.ended: list[bytes] = []
        self.popped: list[bytes] = []
        self.delivered: list[Delivery] = []
        self.settled: list[str] = []
        self.ticks: list[str] = []

    def run(self) -> None:
        verbs: list[Callable[[], None]] = [
            *[self.enqueue] * 3,
            *[self.fetch] * 5,
            *[self.settle] * 5,
            *(self.schedule, self.promote, self.tick, self.pop, self.release, self.extend),
            *(self.begin, self.admit, self.settle_late, self.abandon, self.requeue),
        ]
        for step in range(STEPS):
            self.random.choice(verbs)()
            if step % 40 == 39:
                self.random.choice([self.reclaim, self.leave])()

    def body(self) -> bytes:
        self._bodies += 1
        return f"{self.name}:{self._bodies}".encode()

    def some(self) -> list[Delivery]:
        """Take some of what it holds."""
        self.random.shuffle(self.holds)
        number = self.random.randint(0, len(self.holds))
        taken, self.holds = self.holds[:number], self.holds[number:]
        self._stale = [*self._stale, *taken][-20:]
        return taken

    def enqueue(self) -> None:
        bodies = [self.body() for _ in range(self.random.randint(1, 3))]
        self.handle.enqueue_many([Outgoing(body, self.random.randint(0, 2)) for body in bodies])
        self.accepted += bodies

    def schedule(self) -> None:
        body = self.body()
        self.handle.add_to_schedule(body, 1.0)
        self.accepted.append(body)

    def promote(self) -> None:
        self.handle.promote(self.random.randint(1, 3), None, lambda body: len(body))

    def tick(self) -> None:
        key = f"tick-{self.random.randrange(TICKS)}"
        if self.handle.enqueue_once(key.encode(), key, LONG):
            self.ticks.append(key)
            self.accepted.append(key.encode())

    def fetch(self) -> None:
        taken = self.handle.fetch(self.name, self.random.randint(1, 4), 0.0, LONG)
        self.delivered += taken
        self.holds += taken

    def pop(self) -> None:
        taken = self.handle.fetch(self.name, 1, 0.0, None)
        self.popped += [one.body for one in taken]

    def begin(self) -> None:
        self.handle.begin(self.name, self.holds)

    def admit(self) -> None:
        self.holds = [
            one for one in self.holds if self.handle.admit(self.name, one, "limited", WORKERS)
        ]

    def settle(self) -> None:
        self._settle(self.some())

    def settle_late(self) -> None:
        """Settle what was settled, released or dropped before."""
        self._settle(self._stale)

    def _settle(self, deliveries: list[Delivery]) -> None:
        batch = [Settlement(one, self.effects(one)) for one in deliveries]
        refused = {id(one) for one in self.handle.settle(self.name, batch)}
        for one in batch:
            if id(one) not in refused:
                self._note(one)

    def _note(self, settlement: Settlement) -> None:
        delivery, effects = settlement
        self.settled.append(delivery.receipt or "")
        self.accepted += [one.body for one in effects.enqueue]
        self.accepted += [one.body for one in effects.schedule]
        if effects.dead is None:
            self.ended.append(delivery.body)

    def effects(self, delivery: Delivery) -> Effects:
        """Return what the end of a delivery leaves behind."""
        kind, _, rest = delivery.body.decode().partition(" ")
        if kind == "member":
            chord, _, position = rest.partition(" ")
            callback = Outgoing(f"callback {chord}".encode())
            member = Member(chord, int(position), CHORD_SIZE, b"", callback)
            return Effects(extra=Extra(members=(member,), limited="limited"))
        effects = Effects(extra=Extra(limited="limited"))
        # Less than one each, so that there is an end to it.
        chosen = self.random.randrange(6)
        if chosen == 0:
            effects = effects._replace(enqueue=(Outgoing(self.body()),))
        elif chosen == 1:
            effects = effects._replace(schedule=(Planned(self.body(), 1.0),))
        elif chosen == 2:
            name = delivery.body.decode()
            effects = effects._replace(dead=DeadLetter(name, delivery.body, "why"))
        return effects

    def release(self) -> None:
        self.handle.release(self.name, self.some())

    def extend(self) -> None:
        self.handle.extend(self.name, LONG)

    def abandon(self) -> None:
        """Drop on the floor what it has; a reaper will find it."""
        self.some()

    def leave(self) -> None:
        self.handle.leave(self.name)

    def reclaim(self) -> None:
        self.handle.reclaim(self.random.choice([2, 1000]), (), self.handle.time() + 2 * LONG)

    def requeue(self) -> None:
        self.handle.requeue_dead()


def make_history(make_handle: Callable[[], Any], seed: int) -> list[Worker]:
    """Have workers do what they like, all at once; then work off what is left."""
    workers = [Worker(number, seed, make_handle()) for number in range(WORKERS)]
    first = workers[0]
    members = [
        f"member chord-{chord} {position}".encode()
        for chord in range(CHORDS)
        for position in range(CHORD_SIZE)
    ]
    first.handle.enqueue_many([Outgoing(body) for body in members])
    first.accepted += members
    together(*(worker.run for worker in workers))
    _work_off(first)
    # A member that was popped leaves its chord without an end.
    popped = {body.split()[1] for one in workers for body in one.popped if body in members}
    chords = {body.split()[1] for body in members} - popped
    first.accepted += [b"callback " + chord for chord in chords]
    return workers


def _work_off(worker: Worker) -> None:
    handle = worker.handle
    while True:
        handle.requeue_dead()
        handle.promote()
        handle.reclaim(1000, (), handle.time() + 2 * LONG)
        taken = handle.fetch(worker.name, 1000, 0.0, LONG)
        worker.delivered += taken
        worker._settle(taken)
        if not (taken or handle.queue_size() or handle.schedule_size() or handle.dead_letters()):
            return


def judge(workers: list[Worker], handle: Any) -> None:
    """Hold what all were told against the invariants of docs/lease-model.md."""
    accepted = Counter(body for worker in workers for body in worker.accepted)
    ended = Counter(body for worker in workers for body in (*worker.ended, *worker.popped))
    assert set(accepted.values()) == {1}
    assert ended == accepted, (ended - accepted, accepted - ended)
    deliveries = [one for worker in workers for one in worker.delivered]
    receipts = Counter(one.receipt for one in deliveries)
    assert set(receipts.values()) <= {1}
    settled = Counter(receipt for worker in workers for receipt in worker.settled)
    assert set(settled.values()) <= {1}
    assert settled.keys() <= receipts.keys()
    times = Counter(one.body for one in deliveries)
    for one in deliveries:
        assert one.attempt == len(one.history) + 1 <= times[one.body]
    ticks = [key for worker in workers for key in worker.ticks]
    assert len(ticks) == len(set(ticks))
    assert handle.in_flight() == handle.parked_items() == []


class Permits:
    """Counts who is inside; ``most`` is never to be above the limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def change(self, by: int) -> None:
        with self._lock:
            self._inside += by
            self.most = max(self.most, self._inside)


def work_under_a_limit(handle: Any, name: str, permits: Permits, limit: int, total: int) -> int:
    """Run ``total`` messages together with others; return how many were run here."""
    ran = tries = 0
    done = Effects(extra=Extra(limited="limited"))
    while handle.queue_size() or handle.parked_items(1) or handle.in_flight():
        for one in handle.fetch(name, 2, 0.0, LONG):
            if not handle.admit(name, one, "limited", limit):
                continue
            permits.change(1)
            assert handle.admit(name, one, "limited", limit)
            permits.change(-1)
            tries += 1
            if tries % 3 == 1 and one.body.startswith(b"again"):
                assert handle.release(name, [one]) == 1
                continue
            assert handle.settle(name, [Settlement(one, done)]) == []
            ran += 1
    return ran


LOCAL = {"memory": MemoryWorld, "sqlite": SqliteWorld, "file": FileWorld}


def main(kind: str, seed: str, url: str = "") -> None:
    if kind in LOCAL:
        world = LOCAL[kind]()
        handle, close = world.handle, world.close
    else:
        first = REDIS_KINDS[kind](f"greenlets-{kind}-{seed}", url=url)

        def handle() -> Any:
            return first.independent()

        close = first.close
    workers = make_history(handle, int(seed))
    judge(workers, workers[0].handle)
    for worker in workers:
        worker.handle.close()
    close()


if __name__ == "__main__":
    main(*sys.argv[1:])
