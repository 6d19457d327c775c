# SPDX-License-Identifier: MIT
"""The values that travel between producer, storage and consumer.

They are named tuples and not dataclasses because several are made for every task: a named
tuple costs a third of a frozen dataclass.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Message(NamedTuple):
    """One call of a task, as it is written to the queue.

    ``eta`` and ``expires_at`` are in epoch seconds; ``retries`` counts the tries left after this
    one; ``retry_delay`` and ``timeout`` are seconds. ``on_complete`` and ``on_error`` are the
    messages to enqueue next. ``expires`` is the time to live from which ``expires_at`` was
    counted, in seconds, None when the moment itself was given.
    """

    id: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    eta: float | None = None
    retries: int = 0
    retry_delay: float = 0
    priority: int | float | None = None
    on_complete: Message | None = None
    on_error: Message | None = None
    options: Options | None = None


class Options(NamedTuple):
    """What few messages have. ``chord`` is the place in a chord that this one fills, ``joins``
    the chord whose values it is called with, ``claim`` the key that it holds; ``progress`` says
    that a try before has told how far it had come, ``by_huey`` that huey has enqueued it."""

    expires_at: float | None = None
    expires: float | None = None
    timeout: float | None = None
    retry_backoff: float = 0
    chord: Place | None = None
    joins: Joined | None = None
    claim: str | None = None
    progress: bool = False
    by_huey: bool = False


class Place(NamedTuple):
    """One of ``size`` places in a chord; ``callback``, a message or a task, follows the last."""

    chord: str
    position: int
    size: int
    callback: Any


class Joined(NamedTuple):
    """A chord of ``size`` members."""

    chord: str
    size: int


class Delivery(NamedTuple):
    """One handing-over of a message's bytes.

    ``receipt`` proves the lease and is unique to it; None when the message was popped without
    one. ``attempt`` says which delivery this is, from 1; ``history`` has a line for each of
    those before that ended with a dead consumer: epoch seconds, a blank, the consumer.
    """

    body: bytes
    receipt: str | None = None
    attempt: int = 1
    history: tuple[str, ...] = ()


class Outgoing(NamedTuple):
    """Bytes to enqueue; a higher priority is delivered first where the queue knows priorities."""

    body: bytes
    priority: float | None = None


class Planned(NamedTuple):
    """Bytes to put on the schedule until ``at``, in epoch seconds."""

    body: bytes
    at: float


class Promoted(NamedTuple):
    """What a look at the schedule did: how many messages it moved to the queue, and the moment of
    the earliest one that stays, in epoch seconds by the storage's clock; None when there is none,
    or the storage cannot tell."""

    moved: int
    next_at: float | None = None


class Death(NamedTuple):
    """A delivery that ended with its consumer: when that was seen, in epoch seconds, and whose."""

    at: float
    consumer: str


class DeadLetter(NamedTuple):
    """A message that will not be delivered again by itself, and why.

    ``died_at`` is in epoch seconds; ``attempts`` counts its deliveries, ``history`` the lines
    of those that ended with a dead consumer (see ``Delivery``, and ``deaths``). ``consumer`` gave
    it up. ``task_name`` and ``call``, its name with its arguments, shortened, are there if the
    message could be read. ``claim`` is the key that it holds while it waits or runs, ``joins``
    the chord whose values are kept for it.
    """

    id: str
    body: bytes
    reason: str
    traceback: str | None = None
    attempts: int = 1
    history: tuple[str, ...] = ()
    died_at: float = 0.0
    consumer: str = ""
    priority: float | None = None
    task_name: str | None = None
    call: str | None = None
    claim: str | None = None
    joins: str | None = None

    @property
    def deaths(self) -> tuple[Death, ...]:
        """Its deliveries that ended with a dead consumer, the first one first."""
        lines = (line.partition(" ") for line in self.history)
        return tuple(Death(float(at), consumer) for at, _, consumer in lines)

    @property
    def where(self) -> str:
        """``consumer`` for people: its host and process."""
        return readable_consumer(self.consumer)


def readable_consumer(name: str) -> str:
    """Return the host and the process in a consumer's name; the whole name if it has none."""
    parts = name.split(":")
    return f"{parts[0]}, process {parts[3]}" if len(parts) == 6 else name


class Retention(NamedTuple):
    """How many dead letters are kept, and for how many seconds; None is without a limit."""

    dead_limit: int | None = None
    dead_ttl: float | None = None


class Member(NamedTuple):
    """The value of one member of a chord; the one that makes ``size`` enqueues ``callback``."""

    chord: str
    position: int
    size: int
    value: bytes
    callback: Outgoing


class Claim(NamedTuple):
    """A key that only one owner, a task's id, holds at a time."""

    key: str
    owner: str


class Extra(NamedTuple):
    """Effects that few tasks have.

    ``members`` are noted, each position once; ``joined`` names chords whose values are forgotten;
    ``drops`` are claims that end if their owner still holds them; ``limited`` is the key under
    which the task's concurrency is bounded: its permit ends and one parked message comes back;
    ``progress`` names tasks whose progress is forgotten. After ``result_ttl`` seconds the results
    of the same settlement are, if nobody took them before; None keeps them until then.
    """

    members: tuple[Member, ...] = ()
    joined: tuple[str, ...] = ()
    drops: tuple[Claim, ...] = ()
    limited: str | None = None
    progress: tuple[str, ...] = ()
    result_ttl: float | None = None


#: The common case, and recognised by identity.
NO_EXTRA = Extra()


class Effects(NamedTuple):
    """What the end of a delivery leaves in the storage, applied whole or not at all."""

    results: tuple[tuple[str, bytes], ...] = ()
    enqueue: tuple[Outgoing, ...] = ()
    schedule: tuple[Planned, ...] = ()
    dead: DeadLetter | None = None
    extra: Extra = NO_EXTRA


#: A delivery that leaves nothing behind: the common case, and recognised by identity.
NOTHING = Effects()


class Settlement(NamedTuple):
    """The end of one lease together with its effects."""

    delivery: Delivery
    effects: Effects = NOTHING


class InFlight(NamedTuple):
    """A message that a consumer holds now; ``lease_ends_at`` is in epoch seconds."""

    consumer: str
    receipt: str
    body: bytes
    lease_ends_at: float
