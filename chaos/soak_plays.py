# SPDX-License-Identifier: MIT
"""What the producer of a soak does with tasks: each play enqueues a few, and waits for their end.

A play leaves nothing behind: it reads what is to be read, and takes back what is to be taken
back. It tells the ``book`` how often the body of each task is to run. What comes out otherwise
than it must is an AssertionError.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gevent

from chaos import soak_app as app
from huey_green import ResultTimeout, TaskException, chord, group
from huey_green.result import Result

#: Seconds that a value may be waited for.
PATIENCE = 900.0

#: Most native threads of a consumer. As many tasks want one at once, and hold it for a while, so
#: that all of them are there from the beginning.
NATIVE_THREADS = 32


@dataclass
class Book:
    """``least`` and ``most`` are how often the body of a task is to run, ``tasks`` how many were
    enqueued."""

    tasks: int = 0
    least: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    def expect(self, task: str, runs: int, least: int | None = None) -> None:
        """Note that a body is to run so often, or at least ``least`` times."""
        self.most[task] += runs
        self.least[task] += runs if least is None else least


Play = Callable[[Book, random.Random], None]


class Entry(NamedTuple):
    """``share`` is how often a play comes in the mixture."""

    play: Play
    share: int


PLAYS: list[Entry] = []


def _play(share: int) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        PLAYS.append(Entry(play, share))
        return play

    return register


def draw(chance: random.Random) -> Play:
    """Return a play that is drawn at random."""
    return chance.choices(PLAYS, [one.share for one in PLAYS])[0].play


def _expect_error(result: Result[Any], name: str) -> None:
    try:
        value: Any = result.get(blocking=True, timeout=PATIENCE)
    except TaskException as error:
        value = error
    assert isinstance(value, TaskException), f"{value!r}, not {name}"
    assert name in str(value), f"{value!r}, not {name}"


def _check(found: Any, wanted: Any) -> None:
    assert found == wanted, f"{found!r} in place of {wanted!r}"


@_play(6)
def read(book: Book, chance: random.Random) -> None:
    """Tasks whose results are read one after the other."""
    book.tasks += 100
    book.expect("plain", 100)
    results = app.plain.map(range(100))
    _check(results.get(blocking=True, timeout=PATIENCE), list(range(100)))


@_play(40)
def unread(book: Book, chance: random.Random) -> None:
    """Tasks without a value: nobody waits for them, but for the last one."""
    book.tasks += 501
    book.expect("silent", 500)
    book.expect("plain", 1)
    app.silent.map(range(500))
    _check(app.plain("last").get(blocking=True, timeout=PATIENCE), "last")


@_play(2)
def crowd(book: Book, chance: random.Random) -> None:
    """Hundreds of callers, each of whom waits for one result; some come and go."""
    book.tasks += 400
    book.expect("waiting", 400)
    results = list(app.waiting.map(range(400)))
    for result in results[:20]:
        try:
            result.get(blocking=True, timeout=0.0001)
        except ResultTimeout:
            continue
    callers = [gevent.spawn(one.get, blocking=True, timeout=PATIENCE) for one in results]
    gevent.joinall(callers, raise_error=True)
    _check([one.value for one in callers], list(range(400)))


@_play(4)
def retry(book: Book, chance: random.Random) -> None:
    """Tasks that fail twice, with and without a delay."""
    book.tasks += 20
    book.expect("retried", 60)
    results = app.retried.map([0.0, 0.05] * 10)
    _check(results.get(blocking=True, timeout=PATIENCE), [3] * 20)


@_play(4)
def pipeline(book: Book, chance: random.Random) -> None:
    """Pipelines of five steps."""
    book.tasks += 50
    book.expect("step", 50)
    several = []
    for _ in range(10):
        first = app.step.s()
        for _ in range(4):
            first = first.then(app.step)
        several.append(app.huey.enqueue(first))
    for results in several:
        _check(results.get(blocking=True, timeout=PATIENCE), [1, 2, 3, 4, 5])


@_play(4)
def joining(book: Book, chance: random.Random) -> None:
    """Chords; the results of their members are read, too."""
    book.tasks += 77
    book.expect("member", 70)
    book.expect("callback", 7)
    whole = [
        app.huey.enqueue(chord([app.member.s(n) for n in range(10)], app.callback.s()))
        for _ in range(7)
    ]
    for one in whole:
        _check(one.get(blocking=True, timeout=PATIENCE), 45)
        _check(one.results.get(blocking=True, timeout=PATIENCE), list(range(10)))


@_play(1)
def grouped(book: Book, chance: random.Random) -> None:
    """A group, read in the order in which its tasks end."""
    book.tasks += 30
    book.expect("plain", 30)
    results = app.huey.enqueue(group([app.plain.s(n) for n in range(30)]))
    _check(sorted(results.as_completed(timeout=PATIENCE)), list(range(30)))


@_play(3)
def later(book: Book, chance: random.Random) -> None:
    """Tasks for moments within the next second."""
    book.tasks += 30
    book.expect("scheduled", 30)
    results = [app.scheduled.schedule((n,), delay=chance.uniform(0.01, 1.0)) for n in range(30)]
    for number, result in enumerate(results):
        _check(result.get(blocking=True, timeout=PATIENCE), number)


@_play(1)
def too_late(book: Book, chance: random.Random) -> None:
    """Tasks that have expired when their moment comes."""
    book.tasks += 10
    for _ in range(10):
        app.expiring.schedule(delay=0.05)


@_play(2)
def once(book: Book, chance: random.Random) -> None:
    """Unique tasks: of the same calls one, as long as it waits."""
    name = uuid.uuid4().hex
    results = [app.unique((name, n % 5)) for n in range(20)]
    _read_shared(book, "unique", results, [(name, n % 5) for n in range(20)])


@_play(1)
def last(book: Book, chance: random.Random) -> None:
    """Debounced tasks: of several calls the last one."""
    name = uuid.uuid4().hex
    results = [app.debounced((name, n % 2)) for n in range(10)]
    _read_shared(book, "debounced", results, [(name, n % 2) for n in range(10)])


def _read_shared(book: Book, task: str, results: list[Any], wanted: list[Any]) -> None:
    distinct = {result.id for result in results}
    book.tasks += len(distinct)
    book.expect(task, len(distinct))
    for result, value in zip(results, wanted, strict=True):
        _check(result.get(blocking=True, timeout=PATIENCE, preserve=True), value)
    for one in distinct:
        assert app.huey.delete(one), "a value that was just read is gone"


@_play(2)
def exclusive(book: Book, chance: random.Random) -> None:
    """Tasks that want the same lock, and tasks that each have a lock of their own."""
    names = [f"lock-{chance.randrange(4)}" for _ in range(4)]
    names += [uuid.uuid4().hex for _ in range(10)]
    book.tasks += len(names)
    book.expect("locked", len(names))
    _check(app.locked.map(names).get(blocking=True, timeout=PATIENCE), names)


@_play(1)
def permits(book: Book, chance: random.Random) -> None:
    """Tasks that share the permits of semaphores."""
    names = [f"semaphore-{chance.randrange(2)}" for _ in range(8)] + [uuid.uuid4().hex]
    book.tasks += len(names)
    book.expect("permitted", len(names))
    _check(app.permitted.map(names).get(blocking=True, timeout=PATIENCE), names)


@_play(1)
def rates(book: Book, chance: random.Random) -> None:
    """Tasks of which so many may run in a second."""
    book.tasks += 10
    book.expect("limited", 10)
    _check(app.limited.map(range(10)).get(blocking=True, timeout=PATIENCE), list(range(10)))


@_play(2)
def places(book: Book, chance: random.Random) -> None:
    """Tasks of which so many may run at once."""
    book.tasks += 20
    book.expect("crowded", 20)
    _check(app.crowded.map(range(20)).get(blocking=True, timeout=PATIENCE), list(range(20)))


@_play(2)
def failure(book: Book, chance: random.Random) -> None:
    """Tasks that fail, some with a task that follows an error."""
    book.tasks += 15
    book.expect("failing", 10)
    book.expect("rescue", 5)
    rescued = [app.failing.s(n).error(app.rescue) for n in range(5)]
    followed: Any = app.huey.enqueue_many(rescued)
    for result in [*followed, *app.failing.map(range(5))]:
        _expect_error(result, "Expected")


@_play(2)
def progress(book: Book, chance: random.Random) -> None:
    """Tasks that tell how far they have come; one of them is watched."""
    book.tasks += 5
    book.expect("telling", 5)
    results = list(app.telling.map([3] * 5))
    for _ in results[0].progress_updates(timeout=PATIENCE):
        continue
    for result in results:
        _check(result.get(blocking=True, timeout=PATIENCE), 3)


@_play(2)
def overtime(book: Book, chance: random.Random) -> None:
    """Tasks whose time is over long before they would end."""
    book.tasks += 5
    book.expect("slow", 5)
    for result in [app.slow() for _ in range(5)]:
        _expect_error(result, "TaskTimeout")


@_play(1)
def stopped(book: Book, chance: random.Random) -> None:
    """Tasks that are canceled where they wait or run."""
    book.tasks += 5
    book.expect("endless", 5, least=0)
    results = app.huey.enqueue_many([app.endless.s() for _ in range(5)])
    gevent.sleep(chance.choice((0.0, 0.02)))
    assert results.cancel(), "endless tasks were found to have ended"
    for result in results:
        _expect_error(result, "TaskCanceled")


@_play(2)
def withdrawn(book: Book, chance: random.Random) -> None:
    """Tasks that are revoked before their time comes; one is restored."""
    book.tasks += 6
    book.expect("scheduled", 3)
    tasks = [app.scheduled.s(n, delay=0.3) for n in range(6)]
    # Before they are enqueued: on a busy machine they would run before they were revoked.
    for task in tasks[:4]:
        app.huey.revoke(task, revoke_once=True)
    assert app.huey.restore(tasks[3]), "a revocation was not there to be taken back"
    results = app.huey.enqueue_many(tasks)
    for number in (3, 4, 5):
        _check(results[number], number)


@_play(1)
def threads(book: Book, chance: random.Random) -> None:
    """Tasks in native threads."""
    book.tasks += NATIVE_THREADS
    book.expect("native", NATIVE_THREADS)
    wanted = list(range(NATIVE_THREADS))
    _check(app.native.map(wanted).get(blocking=True, timeout=PATIENCE), wanted)


@_play(1)
def values(book: Book, chance: random.Random) -> None:
    """Values of an application's own, that are read, deleted, or end by themselves."""
    key = uuid.uuid4().hex
    app.huey.put(key, "value")
    _check(app.huey.get(key, peek=True), "value")
    _check(app.huey.get(key), "value")
    assert app.huey.put_if_empty(key, "value", ttl=1.0)
    app.huey.put(f"{key}.deleted", "value")
    assert app.huey.delete(f"{key}.deleted")


@_play(1)
def buried(book: Book, chance: random.Random) -> None:
    """Messages that no consumer can read: dead letters, which are deleted."""
    mine = {uuid.uuid4().hex.encode() for _ in range(5)}
    for body in mine:
        app.huey.storage.enqueue(body)
    left = set(mine)
    ends_in = gevent.Timeout(PATIENCE, AssertionError("a message did not become a dead letter"))
    with ends_in:
        while left:
            gevent.sleep(0.05)
            found = [one for one in app.huey.dead_letters() if one.body in left]
            app.huey.storage.delete_dead([one.id for one in found])
            left -= {one.body for one in found}
