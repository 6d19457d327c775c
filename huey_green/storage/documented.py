# SPDX-License-Identifier: MIT
"""The documented methods of a storage: queue, schedule, results, counters, revocation marks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from huey_green import clock
from huey_green.backoff import exponential
from huey_green.message import Outgoing

if TYPE_CHECKING:
    from typing_extensions import Self

Moment = datetime | float | int


#: The keys that say when another value ends, where the storage itself does not know.
TTL_PREFIX = "ttl:"

#: Seconds between looks of a caller that waits, where nothing may have been announced.
LOOK_AGAIN = 5.0


def epoch(moment: Moment) -> float:
    """Return a moment as epoch seconds; a naive datetime is local time."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


class DocumentedStorage:
    """What huey documents of ``BaseStorage``, and what can be made of that."""

    #: ``dequeue`` and ``fetch`` can wait for a message by themselves.
    blocking: bool = False
    #: The queue hands out higher priorities first.
    priority: ClassVar[bool] = True
    #: The lease protocol is native: a message of a dead consumer is delivered again.
    leases: ClassVar[bool] = False
    #: Calls block the calling native thread (a file, a lock): off the event loop with them.
    blocks_thread: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a subclass write its methods as huey documents them, without newer arguments."""
        super().__init_subclass__(**kwargs)
        for name, newer, adapted in (
            ("put_data", "is_result", _without_is_result),
            ("put_if_empty", "ttl", _without_ttl),
        ):
            method = vars(cls).get(name)
            if method is not None and not _takes(method, newer):
                setattr(cls, name, adapted(method))

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        self.name = name
        self.storage_kwargs = storage_kwargs

    def close(self) -> None:
        """Let go of connections and files; using the storage again opens them again."""

    def ping(self) -> None:
        """Do nothing but ask whether the storage answers; raises ``StorageUnavailable`` if not."""
        self.queue_size()

    def describe(self) -> str:
        """Return what a person needs to recognise the storage, without any secret in it."""
        return type(self).__name__

    def independent(self, patience: float | None = None) -> Self:
        """Return a handle on the same data that another native thread may use beside this one.

        Over a network its calls wait no longer than ``patience`` seconds for an answer.
        """
        return self

    def time(self) -> float:
        """Return the present by the clock that decides expiry here."""
        return clock.wall()

    # The queue.

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Add a message; a higher priority is delivered first, None counts as 0."""
        raise NotImplementedError

    def enqueue_many(self, messages: Sequence[Outgoing]) -> None:
        """Add messages in order, in as few round trips as the storage can."""
        for body, priority in messages:
            self.enqueue(body, priority)

    def dequeue(self) -> bytes | None:
        """Remove and return the next message without a lease, None when there is none."""
        raise NotImplementedError

    def queue_size(self) -> int:
        """Return how many messages are ready, those in flight and on the schedule not counted."""
        raise NotImplementedError

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        """Return the ready messages, the next one to be delivered first."""
        raise NotImplementedError

    def flush_queue(self) -> None:
        """Delete all ready messages."""
        raise NotImplementedError

    # The schedule.

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        """Keep a message until ``timestamp``."""
        raise NotImplementedError

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        """Remove and return the messages due at ``timestamp``, the earliest first."""
        raise NotImplementedError

    def schedule_size(self) -> int:
        """Return how many messages are on the schedule."""
        raise NotImplementedError

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        """Return the messages on the schedule, the earliest first."""
        raise NotImplementedError

    def remove_scheduled(self, data: bytes) -> bool:
        """Take exactly this message off the schedule, one of equals; say whether it was there."""
        return False

    def flush_schedule(self) -> None:
        """Delete all messages on the schedule."""
        raise NotImplementedError

    # Results and other values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        """Store a value; with ``is_result``, wake whoever waits for it."""
        raise NotImplementedError

    def peek_data(self, key: str) -> bytes | None:
        """Return a value and keep it, None when there is none."""
        raise NotImplementedError

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return those of ``keys`` that have a value, and keep them."""
        found = ((key, self.peek_data(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def pop_data(self, key: str) -> bytes | None:
        """Remove and return a value, None when there is none."""
        raise NotImplementedError

    def delete_data(self, key: str) -> bool:
        """Delete a value; say whether there was one."""
        return self.pop_data(key) is not None

    def delete_if(self, key: str, value: bytes) -> bool:
        """Delete the value under ``key`` if it is exactly this, in one step; say whether it was."""
        return self.peek_data(key) == value and self.delete_data(key)

    def has_data_for_key(self, key: str) -> bool:
        """Say whether there is a value."""
        raise NotImplementedError

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Store a value unless there is one, in one step; say whether it was stored.

        With ``ttl`` the value is gone after so many seconds.
        """
        raise NotImplementedError

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        """Wait until ``key`` has a value, at most ``timeout`` seconds; say whether it has one."""
        return self.wait_until(
            [key], lambda: self.has_data_for_key(key), timeout, backoff, max_delay
        )

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        """Wait until ``is_ready``, at most ``timeout`` seconds; say whether it came to that.

        It is asked first, and whenever a result of one of ``keys`` was stored, or progress of
        task ID under "p:ID". This one asks again and again, ``max_delay`` seconds apart at
        most; a storage that can be woken overrides it and ignores ``backoff`` and
        ``max_delay``.
        """
        ends_at = None if timeout is None else clock.monotonic() + timeout
        tries = 0
        while not is_ready():
            delay = exponential(tries, 0.01, backoff, max_delay)
            if ends_at is not None:
                left = ends_at - clock.monotonic()
                if left <= 0:
                    return False
                delay = min(delay, left)
            clock.sleep(delay)
            tries += 1
        return True

    def when_stored(self, key: str, told: Callable[[], None]) -> Callable[[], None] | None:
        """Have ``told`` called, by another thread, whenever ``key`` may have got a value.

        It has to return at once. Returns what to call when that is not to be told any more; None
        from a storage that tells nobody, as this one: ask it again and again.
        """
        return None

    def result_store_size(self) -> int:
        """Return how many values are stored."""
        raise NotImplementedError

    def result_items(self) -> Mapping[str, bytes]:
        """Return all stored values by key."""
        raise NotImplementedError

    def flush_results(self) -> None:
        """Delete all stored values."""
        raise NotImplementedError

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        """Add to a counter, which starts at 0, in one step; return what it is then."""
        raise NotImplementedError

    def delete_counter(self, key: str) -> None:
        """Forget a counter."""
        raise NotImplementedError

    def flush_counters(self) -> None:
        """Forget all counters."""

    def flush_all(self) -> None:
        """Delete everything that this name has in the storage."""
        self.flush_queue()
        self.flush_schedule()
        self.flush_results()
        self.flush_counters()

    # Revocation marks: ordinary values, known to be there without asking for each task.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Store a revocation under ``key``, in place of the one before, for ``ttl`` seconds."""
        self.put_data(key, value)

    def pop_revocation(self, key: str) -> bytes | None:
        """Remove and return a revocation, None when there is none."""
        return self.pop_data(key)

    def has_revocations(self) -> bool:
        """Say whether there may be any, as known at the last ``fetch``; costs no round trip."""
        return True


def _takes(method: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(method).parameters.values()
    return any(one.name == name or one.kind is one.VAR_KEYWORD for one in parameters)


def _without_is_result(method: Callable[..., None]) -> Callable[..., None]:
    @wraps(method)
    def put_data(self: DocumentedStorage, key: str, value: bytes, is_result: bool = False) -> None:
        method(self, key, value)

    return put_data


def _without_ttl(method: Callable[..., bool]) -> Callable[..., bool]:
    """Note beside a value when it ends; who finds it later takes its place."""

    @wraps(method)
    def put_if_empty(
        self: DocumentedStorage, key: str, value: bytes, ttl: float | None = None
    ) -> bool:
        note = TTL_PREFIX + key
        if not method(self, key, value):
            ends_at = self.peek_data(note)
            if ends_at is None or float(ends_at) > self.time():
                return False
            # Of several who see that it is over, the one that takes the note away goes on.
            if self.pop_data(note) is None:
                return False
            self.pop_data(key)
            if not method(self, key, value):
                return False
        if ttl is not None:
            self.put_data(note, repr(self.time() + ttl).encode())
        else:
            self.pop_data(note)
        return True

    return put_if_empty
