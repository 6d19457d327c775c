# SPDX-License-Identifier: MIT
"""MiniHuey: greenlets of this process as a queue, with a schedule and crontabs, and no storage.

For what may be lost with the process: it keeps nothing, retries nothing, and has no consumer.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import update_wrapper
from itertools import count
from typing import Any, Generic, ParamSpec, TypeVar, overload

import gevent
from gevent.event import AsyncResult, Event
from gevent.pool import Pool

from huey_green import clock
from huey_green.cron import Validator, crontab
from huey_green.exceptions import ConfigurationError, HueyException

__all__ = ["MiniHuey", "MiniHueyResult", "crontab"]

log = logging.getLogger("huey_green.mini")

P = ParamSpec("P")
R = TypeVar("R")


class MiniHueyResult(AsyncResult):  # type: ignore[type-arg]
    """What a task will return: wait for it with ``get(timeout=...)``, or by calling this."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The same as ``get``: the task's value, or the error that it raised."""
        return self.get(*args, **kwargs)


class MiniTask(Generic[P, R]):
    """A function whose calls run in greenlets of their own."""

    def __init__(self, huey: MiniHuey, func: Callable[P, R]) -> None:
        update_wrapper(self, func)
        self._huey = huey
        self._func = func

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> MiniHueyResult:
        """Run a call in a greenlet. Waits for one when ``pool_size`` of them are busy."""
        return self._huey._spawn(self._func, args, kwargs, MiniHueyResult())

    def schedule(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        delay: float | timedelta | None = None,
        eta: datetime | None = None,
    ) -> MiniHueyResult:
        """Run a call ``delay`` seconds from now, or at ``eta``, naive meaning local time.

        It runs once the MiniHuey was started. Raises ``ValueError`` for both or neither.
        """
        result = MiniHueyResult()
        call = (self._func, tuple(args or ()), dict(kwargs or {}), result)
        self._huey._schedule(_moment(eta, delay), *call)
        return result


class MiniHuey:
    """Runs functions in greenlets: at once, later, and by crontab.

    ``interval`` is the most seconds between two looks at the schedule, where the clock might
    be changed meanwhile; ``pool_size`` bounds how many functions run at once. Calls run at once
    whether it was started or not; the schedule and crontabs need ``start``.
    """

    def __init__(
        self, name: str = "huey", interval: float = 1, pool_size: int | None = None
    ) -> None:
        if not interval > 0:
            raise ConfigurationError(f"interval is seconds above 0, not {interval!r}")
        self.name = name
        self._interval = interval
        self._pool = Pool(pool_size)
        self._order = count()
        self._scheduled: list[tuple[float, int, Callable[[], Any]]] = []
        self._periodic: list[tuple[Validator, Callable[[], Any]]] = []
        self._changed = Event()
        self._runner: gevent.Greenlet[..., Any] | None = None

    @overload
    def task(self, validate_func: None = None) -> Callable[[Callable[P, R]], MiniTask[P, R]]: ...

    @overload
    def task(self, validate_func: Validator) -> Callable[[Callable[[], R]], Callable[[], R]]: ...

    def task(self, validate_func: Validator | None = None) -> Callable[[Any], Any]:
        """Return a decorator that makes a function a task; with a crontab, a periodic one."""
        if validate_func is not None:
            return self.periodic_task(validate_func)
        return lambda func: MiniTask(self, func)

    def periodic_task(
        self, validate_func: Validator
    ) -> Callable[[Callable[[], R]], Callable[[], R]]:
        """Return a decorator that has a function run in each minute that ``validate_func`` accepts.

        It is asked once in each minute, with local time. The function stays as it is.
        """

        def decorator(func: Callable[[], R]) -> Callable[[], R]:
            self._periodic.append((validate_func, func))
            return func

        return decorator

    def start(self) -> None:
        """Begin to run what is scheduled and periodic; raises ``HueyException`` when begun."""
        if self._runner is not None:
            raise HueyException(f"MiniHuey {self.name!r} is already running")
        self._runner = gevent.spawn(self._run, clock.wall() // 60)

    def stop(self) -> None:
        """End what ``start`` began; what runs already is not stopped."""
        if self._runner is None:
            raise HueyException(f"MiniHuey {self.name!r} was not started")
        self._runner = None
        self._changed.set()

    def _schedule(self, at: float, func: Callable[..., Any], *call: Any) -> None:
        job = (at, next(self._order), lambda: self._spawn(func, *call))
        heapq.heappush(self._scheduled, job)
        self._changed.set()

    def _spawn(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: MiniHueyResult,
    ) -> MiniHueyResult:
        self._pool.spawn(_execute, func, args, kwargs, result)
        return result

    def _run(self, minute: float) -> None:
        # Not killed by stop(): it may be waiting for room, with a job in its hand.
        while self._runner is gevent.getcurrent():
            self._changed.clear()
            now = clock.wall()
            while self._scheduled and self._scheduled[0][0] <= now:
                heapq.heappop(self._scheduled)[2]()
            # Not again in the same minute because the clock was put back a little.
            if now // 60 > minute or minute - now // 60 > 2:
                minute = now // 60
                self._spawn_periodic(datetime.fromtimestamp(now))
            self._changed.wait(self._pause(clock.wall()))

    def _pause(self, now: float) -> float:
        next_at = (now // 60 + 1) * 60
        if self._scheduled:
            next_at = min(next_at, self._scheduled[0][0])
        return max(0.0, min(self._interval, next_at - now))

    def _spawn_periodic(self, now: datetime) -> None:
        for validate, func in self._periodic:
            try:
                is_due = validate(now)
            except Exception:
                log.exception("the crontab of %s failed", _name_of(func))
                continue
            if is_due:
                self._spawn(func, (), {}, MiniHueyResult())


def _moment(eta: datetime | None, delay: float | timedelta | None) -> float:
    """Return when a call is to run, in epoch seconds."""
    if eta is not None and delay is None:
        return eta.timestamp()
    if delay is not None and eta is None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        return clock.wall() + seconds
    raise ValueError("schedule() takes one of eta= (a datetime) and delay= (seconds)")


def _execute(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    result: MiniHueyResult,
) -> None:
    started = clock.monotonic()
    try:
        value = func(*args, **kwargs)
    except Exception as error:
        log.exception("task %s failed", _name_of(func))
        result.set_exception(error)
    except BaseException as error:  # Killed: whoever waits must not wait for ever.
        result.set_exception(error)
        raise
    else:
        log.info("executed %s in %.3f s", _name_of(func), clock.monotonic() - started)
        result.set(value)


def _name_of(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", None) or repr(func)
