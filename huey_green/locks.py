# SPDX-License-Identifier: MIT
"""TaskLock: at most one at a time, as a context manager or decorator."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from huey_green.exceptions import TaskLockedException
from huey_green.storage.base import BaseStorage

P = ParamSpec("P")
R = TypeVar("R")


def lock_key(queue: str, name: str) -> str:
    """Return the key under which huey keeps the lock ``name`` of a queue."""
    return f"{queue}.lock.{name}"


class TaskLock:
    """The lock ``name`` of a queue. (API reference, "TaskLock".)

    ``ttl`` is the seconds after which a lock whose holder died is free again; None keeps it
    until somebody clears it.
    """

    def __init__(
        self, storage: Callable[[], BaseStorage], queue: str, name: str, ttl: float | None = None
    ) -> None:
        self._storage = storage
        self._key = lock_key(queue, name)
        self._name = name
        self._ttl = ttl

    def acquire(self) -> bool:
        """Take the lock; say whether it was free. Never waits."""
        return self._storage().put_if_empty(self._key, b"1", ttl=self._ttl)

    def release(self) -> bool:
        """Free the lock; say whether it was held."""
        return self._storage().delete_data(self._key)

    def clear(self) -> bool:
        """Free the lock whoever holds it: for when its holder was killed."""
        return self.release()

    def is_locked(self) -> bool:
        """Say whether somebody holds the lock."""
        return self._storage().has_data_for_key(self._key)

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
        @wraps(fn)
        def locked(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return fn(*args, **kwargs)

        return locked
