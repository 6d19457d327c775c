# SPDX-License-Identifier: MIT
"""File operations that fail or never come back, and all that can be seen of a storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huey_green.message import (
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Member,
    Outgoing,
    Planned,
    Settlement,
)
from huey_green.storage.file import FileStorage, change, disk, folder, journal
from huey_green.storage.file.state import State

#: More than ``small_files`` keeps in the journal.
LARGE = b"large" * 20

#: What changes files; reading and closing does not.
CHANGING = {"open", "pwrite", "replace", "rename", "unlink", "makedirs", "fsync"}


class Killed(BaseException):
    """The process ends here: nothing that it would still do to files is done."""


class FaultyOs:
    """The ``os`` of the modules that change files; at the ``at``-th operation ``error`` is raised.

    ``torn`` lets a write write half of it before. After ``Killed`` every operation raises.
    """

    def __init__(self, at: int, error: BaseException, torn: bool = False) -> None:
        self.count = 0
        self._at = at
        self._error = error
        self._torn = torn

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CHANGING:
            return real

        def operation(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)
            self.count += 1
            if self.count == self._at or (
                self.count > self._at and isinstance(self._error, Killed)
            ):
                if self._torn and name == "pwrite" and self.count == self._at:
                    fd, data, offset = args
                    real(fd, data[: len(data) // 2], offset)
                raise self._error
            return real(*args, **kwargs)

        return operation


@contextmanager
def faulty(at: int, error: BaseException, torn: bool = False) -> Iterator[FaultyOs]:
    """Let the ``at``-th operation raise ``error``."""
    faults = FaultyOs(at, error, torn)
    modules: list[Any] = [disk, journal]
    for module in modules:
        module.os = faults
    try:
        yield faults
    finally:
        for module in modules:
            module.os = os


@contextmanager
def small_files() -> Iterator[None]:
    """Give data of 50 bytes or more a file of its own, so that copies of a folder are cheap."""
    before, change.LARGE = change.LARGE, 50
    try:
        yield
    finally:
        change.LARGE = before


@contextmanager
def rewriting() -> Iterator[None]:
    """Let the journal be written anew after every change."""
    before = folder.ROOM, State.size
    folder.ROOM = 0
    State.size = lambda self: 0  # type: ignore[method-assign]
    try:
        yield
    finally:
        folder.ROOM, State.size = before  # type: ignore[method-assign]


def reopened(path: Path) -> FileStorage:
    """Return a handle that shares nothing with those before, as in another process."""
    folder._folders.clear()
    return FileStorage("crashes", path)


def seen(storage: FileStorage) -> dict[str, Any]:
    """Return everything that can be seen."""
    return {
        "ready": storage.enqueued_items(),
        "planned": storage.scheduled_items(),
        "values": storage.result_items(),
        "size": (storage.queue_size(), storage.schedule_size(), storage.result_store_size()),
        "in flight": sorted((one.consumer, one.receipt, one.body) for one in storage.in_flight()),
        "consumers": set(storage.consumers()),
        "dead": storage.dead_letters(),
        "chord": storage.chord_values("chord", 3),
        "parked": storage.parked_items(),
        "progress": [storage.peek_progress("one"), storage.peek_progress("two")],
        "hits": storage.hits("key", 1e6),
        "counter": storage._work(lambda one: dict(one.state.notes.counters)),
        "claims": storage._work(lambda one: dict(one.state.notes.claims)),
        "once": storage._work(lambda one: set(one.state.notes.once)),
        "marks": storage._work(lambda one: set(one.state.notes.marks)),
        "canceled": storage.canceled(0.0)[0],
        "attempts": storage._work(
            lambda one: sorted(
                (message.number, message.lease, message.begun, message.history, message.permit)
                for message in one.state.messages.every.values()
            )
        ),
    }


def litter(path: Path) -> set[str]:
    """Return the files that have no meaning."""
    storage = reopened(path)
    known = storage._work(lambda one: one.state.files())
    bodies = {f"bodies/{one.name}" for one in path.glob("bodies/*")} - known
    return bodies | {
        one.name for one in path.iterdir() if one.name.startswith(("trash", "incoming", "journal."))
    }


def populate(storage: FileStorage) -> list[Delivery]:
    """Bring in something of everything; return what ``one`` holds."""
    storage.enqueue_many([Outgoing(b"a"), Outgoing(LARGE + b"b", 5), Outgoing(b"c", -1)])
    storage.enqueue_many([Outgoing(b"%d" % number) for number in range(6)])
    held = storage.fetch("one", 4)
    storage.begin("one", held[:1])
    [theirs, parked] = storage.fetch("two", 2)
    assert storage.admit("two", theirs, "key", 1)
    assert not storage.admit("two", parked, "key", 1)
    storage.add_to_schedule(b"planned", 10.0)
    storage.add_to_schedule(LARGE + b"planned", 20.0)
    storage.put_data("plain", b"1")
    storage.put_data("large", LARGE)
    assert storage.put_if_empty("ending", b"1", ttl=1e6)
    storage.put_revocation("revoked", b"1")
    storage.incr("counter", 5)
    storage.enqueue_claimed(b"claimed", Claim("claim", "me"))
    storage.postpone(b"postponed", Claim("debounce", "me"), at=30.0)
    storage.hit("key", 5, 1e6)
    storage.put_progress("one", b"10 %")
    storage.put_progress("two", LARGE)
    storage.enqueue_once(b"tick", "minute", ttl=1e6)
    storage.enqueue_many([Outgoing(b"dies", 99), Outgoing(b"notes", 99)])
    dies, notes = storage.fetch("one", 2)
    letter = DeadLetter("dead", LARGE, "why", died_at=5.0)
    noted = Member("chord", 0, 3, b"first", Outgoing(b"callback"))
    large = Member("chord", 2, 3, LARGE, Outgoing(b"callback"))
    storage.settle("one", [Settlement(dies, Effects(dead=letter))])
    extra = Extra(members=(noted, large))
    storage.settle("one", [Settlement(notes, Effects(extra=extra))])
    return held


def settle(storage: FileStorage, held: list[Delivery]) -> None:
    """Settle with something of every effect."""
    effects = Effects(
        results=(("result", b"r"), ("plain", b"2"), ("ending", b"2"), ("large result", LARGE)),
        enqueue=(Outgoing(b"next", 2), Outgoing(LARGE + b"next")),
        schedule=(Planned(b"retry", 15.0), Planned(LARGE, 16.0)),
        dead=DeadLetter("other", b"other", "why", died_at=6.0),
        extra=Extra(
            members=(
                Member("chord", 0, 3, b"again", Outgoing(b"twice")),
                Member("chord", 1, 3, b"second", Outgoing(b"callback")),
            ),
            drops=(Claim("claim", "me"), Claim("debounce", "other")),
            limited="key",
            progress=("one", "two"),
        ),
    )
    joined = Effects(extra=Extra(joined=("chord",)))
    storage.settle("one", [Settlement(held[0], effects), Settlement(held[1], joined)])


#: Every call that changes something, each one atomic step.
CALLS: dict[str, Callable[[FileStorage, list[Delivery]], object]] = {
    "enqueue": lambda storage, _: storage.enqueue(b"new"),
    "enqueue_many": lambda storage, _: storage.enqueue_many([Outgoing(LARGE), Outgoing(b"x", 1)]),
    "dequeue": lambda storage, _: storage.dequeue(),
    "flush_queue": lambda storage, _: storage.flush_queue(),
    "add_to_schedule": lambda storage, _: storage.add_to_schedule(LARGE, 1.0),
    "read_schedule": lambda storage, _: storage.read_schedule(25.0),
    "remove_scheduled": lambda storage, _: storage.remove_scheduled(LARGE + b"planned"),
    "flush_schedule": lambda storage, _: storage.flush_schedule(),
    "promote": lambda storage, _: storage.promote(now=25.0, priority_of=len),
    "put_data": lambda storage, _: storage.put_data("plain", LARGE),
    "put_data over one that ends": lambda storage, _: storage.put_data("ending", b"2"),
    "pop_data": lambda storage, _: storage.pop_data("large"),
    "pop_data of one that ends": lambda storage, _: storage.pop_data("ending"),
    "delete_if": lambda storage, _: storage.delete_if("plain", b"1"),
    "put_if_empty": lambda storage, _: storage.put_if_empty("new", b"1", ttl=1e6),
    "flush_results": lambda storage, _: storage.flush_results(),
    "flush_all": lambda storage, _: storage.flush_all(),
    "incr": lambda storage, _: storage.incr("counter"),
    "delete_counter": lambda storage, _: storage.delete_counter("counter"),
    "put_revocation": lambda storage, _: storage.put_revocation("plain", b"r", ttl=1e6),
    "pop_revocation": lambda storage, _: storage.pop_revocation("revoked"),
    "fetch": lambda storage, _: storage.fetch("one", 3),
    "fetch for good": lambda storage, _: storage.fetch("one", 3, lease=None),
    "begin": lambda storage, held: storage.begin("one", held),
    "settle": lambda storage, held: settle(storage, held),
    "release": lambda storage, held: storage.release("one", held),
    "leave": lambda storage, _: storage.leave("two"),
    "reclaim": lambda storage, _: storage.reclaim(dead=["one", "two"], now=100.0),
    "enqueue_once": lambda storage, _: storage.enqueue_once(LARGE, "new", ttl=1e6),
    "enqueue_claimed": lambda storage, _: storage.enqueue_claimed(LARGE, Claim("new", "me")),
    "drop_claims": lambda storage, _: storage.drop_claims([Claim("claim", "me")]),
    "postpone": lambda storage, _: storage.postpone(LARGE, Claim("debounce", "me"), at=40.0),
    "admit": lambda storage, held: storage.admit("one", held[0], "key", 2),
    "park": lambda storage, held: storage.admit("one", held[0], "key", 1),
    "hit": lambda storage, _: storage.hit("key", 5, 1e6),
    "forget_hits": lambda storage, _: storage.forget_hits("key"),
    "cancel": lambda storage, _: storage.cancel("task"),
    "put_progress": lambda storage, _: storage.put_progress("two", LARGE + b"!"),
    "requeue_dead": lambda storage, _: storage.requeue_dead(),
    "delete_dead": lambda storage, _: storage.delete_dead(),
}
