# SPDX-License-Identifier: MIT
"""RateLimit: at most so many in any stretch of time, over all processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from huey_green.exceptions import ConfigurationError, RateLimitExceeded
from huey_green.locks import check_name, check_seconds
from huey_green.storage.base import BaseStorage
from huey_green.task_options import check_decorated

P = ParamSpec("P")
R = TypeVar("R")


class RateLimit:
    """At most ``limit`` in any ``per`` seconds, under a name that all processes share.

    The window slides: it is exact, counted in one step of the storage, by the storage's clock.
    As a decorator below ``@huey.task()`` or as a context manager it raises
    ``RateLimitExceeded``; with ``retry`` the task runs again when there is room, whatever
    retries it was declared with.
    """

    def __init__(
        self,
        storage: Callable[[], BaseStorage],
        name: str,
        limit: int,
        per: float,
        retry: bool = True,
    ) -> None:
        check_name("a rate limit", name)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ConfigurationError(f"limit is a whole number from 1, not {limit!r}")
        check_seconds("per", per)
        if not isinstance(retry, bool):
            raise ConfigurationError(f"retry is True or False, not {retry!r}")
        self._storage = storage
        self.name = name
        self.limit = limit
        self.per = per
        self.retry = retry

    def delay(self) -> float:
        """Count one if there is room and return 0.0; else the seconds until there is."""
        return self._storage().hit(self.name, self.limit, self.per)

    def acquire(self) -> bool:
        """Count one if there is room; say whether there was. Never waits."""
        return self.delay() == 0.0

    def current_usage(self) -> int:
        """Return how many were counted in the last ``per`` seconds."""
        return self._storage().hits(self.name, self.per)

    def reset(self) -> None:
        """Forget what was counted."""
        self._storage().forget_hits(self.name)

    def __enter__(self) -> RateLimit:
        delay = self.delay()
        if delay > 0:
            raise RateLimitExceeded(self.name, delay, self.retry)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What was counted stays counted, however it ended."""

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        check_decorated(fn, "@huey.rate_limit(...)")

        @wraps(fn)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return fn(*args, **kwargs)

        return limited
