# SPDX-License-Identifier: MIT
"""TaskLock: at most one at a time, as a context manager or decorator."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from huey_green.exceptions import ConfigurationError, StorageUnavailable, TaskLockedException
from huey_green.storage.base import BaseStorage
from huey_green.task_options import check_decorated, seconds

P = ParamSpec("P")
R = TypeVar("R")


_above_0 = seconds(above=0)


def check_name(what: str, name: object) -> None:
    """Raise ``ConfigurationError`` unless ``name`` can be the name of a lock or limit."""
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what} has a name, not {name!r}")


def check_seconds(what: str, value: object) -> None:
    """Raise ``ConfigurationError`` unless ``value`` is a number of seconds above 0."""
    if _above_0(value) is not None:
        raise ConfigurationError(f"{what} is seconds above 0, not {value!r}")


#: Locks that are held here: they are known for as long, even if nobody has the object any more.
_held_here: set[TaskLock] = set()


def lock_key(queue: str, name: str) -> str:
    """Return the key under which huey keeps the lock ``name`` of a queue."""
    return f"{queue}.lock.{name}"


class TaskLock:
    """The lock ``name`` of a queue. (API reference, "TaskLock".)

    ``ttl`` is the seconds after which a lock whose holder died is free again; None keeps it
    until somebody clears it. Whoever holds it after that is not robbed of it by the holder
    before: each frees only what it took itself.
    """

    def __init__(
        self, storage: Callable[[], BaseStorage], queue: str, name: str, ttl: float | None = None
    ) -> None:
        check_name("a lock", name)
        if ttl is not None:
            check_seconds("ttl", ttl)
        self._storage = storage
        self._key = lock_key(queue, name)
        self._name = name
        #: What ``flush_locks`` frees.
        self.names = [name]
        self._ttl = ttl
        # By thread or greenlet: one object may stand above a function that many call.
        self._held: dict[int, list[bytes]] = {}

    def acquire(self) -> bool:
        """Take the lock; say whether it was free. Never waits."""
        owner = secrets.token_hex(8).encode()
        try:
            taken = self._storage().put_if_empty(self._key, owner, ttl=self._ttl)
        except BaseException:
            # A timeout in the midst of it, say: it may be ours, and nobody else would free it.
            self._try_to_free(owner)
            raise
        if taken:
            self._held.setdefault(threading.get_ident(), []).append(owner)
            _held_here.add(self)
        return taken

    def release(self) -> bool:
        """Free the lock if it was taken with this object; say whether it was held until now."""
        ident = threading.get_ident()
        if ident not in self._held:
            if not self._held:
                return False
            ident = next(iter(self._held))  # Taken in one thread, freed in another.
        owner = self._held[ident].pop()
        if not self._held[ident]:
            del self._held[ident]
        if not self._held:
            _held_here.discard(self)
        try:
            return self._storage().delete_if(self._key, owner)
        except BaseException:
            self._try_to_free(owner)
            raise

    def _try_to_free(self, owner: bytes) -> None:
        with suppress(StorageUnavailable):
            self._storage().delete_if(self._key, owner)

    def clear(self) -> bool:
        """Free the lock whoever holds it: for when its holder was killed."""
        return self._storage().delete_data(self._key)

    def is_locked(self) -> bool:
        """Say whether somebody holds the lock."""
        return self._storage().has_data_for_key(self._key)

    #: huey's other name for it.
    locked = is_locked

    def __enter__(self) -> TaskLock:
        if not self.acquire():
            raise TaskLockedException(f"the lock {self._name!r} is held by another task")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        check_decorated(fn, "@huey.lock_task(...)")

        @wraps(fn)
        def locked(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return fn(*args, **kwargs)

        return locked
