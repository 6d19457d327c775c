# SPDX-License-Identifier: MIT
"""A Huey with shards as its consumers see it: a part for each shard, read by a consumer of its own.

All that concerns one shard is that of the part: its storage, its clock, the periodic tasks that lie
there. All else is the Huey's, and what is to happen once is done by the first part or the last.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from huey_green.exceptions import StorageUnavailable
from huey_green.execution.executor import Executor

if TYPE_CHECKING:
    from huey_green.huey import Huey
    from huey_green.storage.redis.shards import RedisShards

log = logging.getLogger("huey_green.consumer")


def parts_of(huey: Huey) -> list[Huey]:
    """Return what consumers of a Huey read: its shards, or itself where it has none."""
    count = getattr(huey.storage, "shard_count", 0)
    if not count:
        return [huey]
    common = _Common(huey)
    return [cast("Huey", Part(common, number)) for number in range(count)]


class Part:
    """One shard of a Huey, which stands for that Huey; whatever is not here is the Huey's."""

    def __init__(self, common: _Common, number: int) -> None:
        huey = common.huey
        self._huey = huey
        self._whole = cast("RedisShards", huey.storage)
        self._number = number
        self.storage = self._whole.shards[number]
        self.executor = _PartExecutor(huey)
        self.registry = _PartRegistry(huey, number)
        self.hooks_startup = _Run(common.begin)
        self.hooks_shutdown = _Run(common.end)
        self.flush_locks = common.flush_locks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._huey, name)

    def check(self) -> None:
        """Raise ``ConfigurationError`` if its server knows of other shards than this Huey."""
        self._whole.check(self._number)


class _Common:
    """What the parts of a Huey do once for all of them."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self._running = 0
        self._has_flushed = False

    def begin(self) -> None:
        self._running += 1
        if self._running == 1:
            self.huey.hooks_startup.run()

    def end(self) -> None:
        self._running -= 1
        if self._running == 0:
            self.huey.hooks_shutdown.run()

    def flush_locks(self, *names: str) -> set[str]:
        """Free the locks when the first part starts: later on a task may hold one."""
        if self._has_flushed:
            return set()
        self._has_flushed = True
        try:
            return self.huey.flush_locks(*names)
        except StorageUnavailable as error:
            log.warning("not all locks could be freed: %s", error)
            return set()


class _Run:
    """Hooks that are run together with those of the other parts."""

    def __init__(self, run: Any) -> None:
        self.run = run


class _PartExecutor(Executor):
    """It knows the time of one shard, and shares the native threads of the Huey's."""

    def __init__(self, huey: Huey) -> None:
        super().__init__(huey)
        self._native = huey.executor._native


class _PartRegistry:
    """The tasks of a Huey, and those of the periodic ones that lie on one shard."""

    def __init__(self, huey: Huey, number: int) -> None:
        self._huey = huey
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._huey.registry, name)

    def __contains__(self, name: str) -> bool:
        return name in self._huey.registry

    @property
    def periodic_tasks(self) -> list[Any]:
        """An instance of each that is enqueued there."""
        huey = self._huey
        return [
            task
            for task in huey.registry.periodic_tasks
            if huey._shard_of_kind(type(task)) == self._number
        ]
