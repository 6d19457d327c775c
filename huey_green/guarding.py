# SPDX-License-Identifier: MIT
"""The part of Huey that bounds what runs at once, and how often: locks, semaphores, rates."""

from __future__ import annotations

from functools import cached_property
from weakref import WeakSet

from huey_green.locks import TaskLock, check_name, lock_key
from huey_green.ratelimit import RateLimit
from huey_green.semaphore import Semaphore
from huey_green.storage.base import BaseStorage


class Guarding:
    """Mixed into Huey, which makes the attributes."""

    name: str
    storage: BaseStorage

    @cached_property
    def _guards(self) -> WeakSet[TaskLock | Semaphore]:
        """The locks that are in use: names may be as many as there are users or files."""
        return WeakSet()

    def lock_task(self, lock_name: str, ttl: float | None = None) -> TaskLock:
        """Return a lock, to use as a decorator or context manager; see ``TaskLock``.

        ``ttl`` is the seconds after which it is free again whatever became of its holder.
        """
        lock = TaskLock(lambda: self.storage, self.name, lock_name, ttl)
        self._guards.add(lock)
        return lock

    def is_locked(self, lock_name: str) -> bool:
        """Say whether a lock is held."""
        check_name("a lock", lock_name)
        return self.storage.has_data_for_key(lock_key(self.name, lock_name))

    def flush_locks(self, *names: str) -> set[str]:
        """Free the locks of this application, and ``names``; return those that were held.

        Its own are those above functions, those that it keeps in a variable, and those that it
        holds itself.
        """
        for name in names:
            check_name("a lock", name)
        known = {name for guard in self._guards for name in guard.names}.union(names)
        return {name for name in known if self.storage.delete_data(lock_key(self.name, name))}

    def lock_task_semaphore(
        self, lock_name: str, value: int = 1, ttl: float | None = None
    ) -> Semaphore:
        """Return a lock that ``value`` tasks may hold at once; see ``Semaphore``."""
        semaphore = Semaphore(lambda: self.storage, self.name, lock_name, value, ttl)
        self._guards.add(semaphore)
        return semaphore

    def rate_limit(self, name: str, limit: int, per: float, retry: bool = True) -> RateLimit:
        """Return a limit of ``limit`` in any ``per`` seconds, to use as a decorator or context
        manager; see ``RateLimit``."""
        return RateLimit(lambda: self.storage, name, limit, per, retry)
