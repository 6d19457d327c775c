# SPDX-License-Identifier: MIT
"""huey's semaphores under its import path; here they work on every storage."""

from __future__ import annotations

from huey_green.huey import Huey
from huey_green.semaphore import Semaphore

__all__ = ["RedisSemaphore", "lock_task_semaphore"]


class RedisSemaphore(Semaphore):
    """The semaphore ``name`` of a Huey, under huey's name for it; see ``Semaphore``.

    ``timeout`` is the seconds after which the permit of a dead holder is free again, five
    minutes unless given.
    """

    def __init__(self, huey: Huey, name: str, value: int = 1, timeout: float | None = None) -> None:
        super().__init__(lambda: huey.storage, huey.name, name, value, timeout)


def lock_task_semaphore(
    huey: Huey, lock_name: str, value: int = 1, timeout: float | None = None
) -> Semaphore:
    """Return a decorator, or context manager, that lets in ``value`` at a time.

    Whoever comes when it is full gets ``TaskLockedException``: a task is retried if it has
    retries. ``timeout`` is that of ``RedisSemaphore``. The same as ``huey.lock_task_semaphore``.
    """
    return huey.lock_task_semaphore(lock_name, value, timeout)
