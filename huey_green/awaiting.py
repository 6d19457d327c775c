# SPDX-License-Identifier: MIT
"""Awaiting results in an asyncio program, whose event loop is never blocked by it.

All who wait on one event loop for results of one Huey share a watch. It asks the storage for
those whose turn it is, in one call in the loop's default executor, and never has two calls at
once. Whose turn it is says the storage, from a thread that listens for all of this process; one
that tells nobody is asked again and again. So a thousand that wait cost one connection, and
neither a connection nor a thread each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from huey_green import clock
from huey_green.exceptions import ResultTimeout, StorageRefused, StorageUnavailable
from huey_green.ports import ResultSource
from huey_green.result import ChordResult, Result, ResultGroup
from huey_green.storage.absence import absence_of
from huey_green.storage.base import LOOK_AGAIN

__all__ = ["aget_result", "aget_result_group"]

R = TypeVar("R")

#: Where nobody is told: seconds from the first look to the second, from which on they grow; the
#: most there are between two looks; and the least, in which others may come and be looked for
#: with the same call.
FIRST_DELAY, LONGEST_DELAY, PAUSE = 0.01, 0.25, 0.005

#: Where one is told, also when something may have been missed: seconds after which one looks all
#: the same.
GUARD = 2 * LOOK_AGAIN

#: Seconds for which one call waits for a storage that is away.
AWAY = 0.25

#: Most that are looked for in one call: those whose results are there wait for its end.
AT_ONCE = 200


async def aget_result(
    res: Result[R] | ChordResult[R],
    backoff: float = 1.15,
    max_delay: float = 1.0,
    preserve: bool = False,
    timeout: float | None = None,
) -> R | None:
    """Wait for a result and return it, as ``res.get(blocking=True)`` does in a thread.

    Raises ``TaskException`` when the task failed, ``ResultTimeout`` when there is no result
    after ``timeout`` seconds. Where the storage tells nobody, the pause between two looks grows
    by ``backoff``, up to ``max_delay`` or a quarter of a second. With ``preserve`` the result
    stays in the store. It can be canceled; a result that was read meanwhile is kept in ``res``.

    A storage that is away is waited for, and if ``timeout`` ends meanwhile ``StorageUnavailable``
    is raised; what waiting does not cure is raised at once, see ``Result.get``.
    """
    result = res.callback if isinstance(res, ChordResult) else res
    watch = _watch_of(result.huey)
    pace = backoff, min(max_delay, LONGEST_DELAY)
    waiter = _Waiter(watch, result, preserve, pace, timeout)
    try:
        waiter.begin()
        value: R | None = await waiter.future
        return value
    finally:
        waiter.end()


async def aget_result_group(rg: ResultGroup, *args: Any, **kwargs: Any) -> list[Any]:
    """Wait for all results of a group and return them in order, each as ``aget_result`` does.

    Takes its other arguments. The first error is raised, and the others are not waited for.
    """
    tasks = [asyncio.ensure_future(aget_result(result, *args, **kwargs)) for result in rg]
    try:
        values: list[Any] = await asyncio.gather(*tasks)
        return values
    finally:
        for task in tasks:
            task.cancel()


class _Answer:
    """What was read: a value, or the error that reading it raised."""

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class _Waiter:
    """One that waits: for what, until when, and when it is looked for next."""

    def __init__(
        self,
        watch: _Watch,
        result: Result[Any],
        preserve: bool,
        pace: tuple[float, float],
        timeout: float | None,
    ) -> None:
        self.result = result
        self.preserve = preserve
        self.future: asyncio.Future[Any] = watch.loop.create_future()
        #: Whether the storage says when to look.
        self.is_told = False
        self._watch = watch
        self._backoff, self._longest = pace
        self._delay = min(FIRST_DELAY, self._longest)
        self._timeout = timeout
        self._ends_at = float("inf") if timeout is None else clock.monotonic() + timeout
        self._alarm: asyncio.TimerHandle | None = None
        self._forget: Callable[[], None] | None = None

    def begin(self) -> None:
        self._watch.waiters.add(self)
        self._forget = self.result.huey.storage.when_stored(self.result.id, self._told)
        self.is_told = self._forget is not None
        self.look()

    def end(self) -> None:
        if self._forget is not None:
            self._forget()
        if self._alarm is not None:
            self._alarm.cancel()
        self._watch.remove(self)

    def look(self) -> None:
        """Have its result be looked for."""
        self._watch.put(self)

    def _told(self) -> None:
        """Called by the storage's thread."""
        with suppress(RuntimeError):  # The loop has ended.
            self._watch.loop.call_soon_threadsafe(self.look)

    def answer(self, answer: _Answer | None, away: StorageUnavailable | None = None) -> None:
        """Hand over what a look has found, or say when to look again; ``away`` says why it found
        nothing."""
        if self.future.done():
            return  # Canceled during the look.
        if answer is None:
            self._wait_on(away)
        elif answer.error is not None:
            self.future.set_exception(answer.error)
        else:
            self.future.set_result(answer.value)

    def _wait_on(self, away: StorageUnavailable | None) -> None:
        left = self._ends_at - clock.monotonic()
        if left <= 0:
            text = f"no result of task {self.result.id} within {self._timeout:g} s"
            self.future.set_exception(away or ResultTimeout(text))
            return
        delay = self._delay
        if self.is_told and away is None:
            delay = GUARD
        else:
            self._delay = min(self._delay * self._backoff, self._longest)
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._watch.loop.call_later(min(delay, left), self.look)


class _Watch:
    """Looks for results of one Huey, for all that wait on one event loop, while there are any."""

    def __init__(self, huey: ResultSource, loop: asyncio.AbstractEventLoop) -> None:
        self.huey = huey
        self.loop = loop
        self.waiters: set[_Waiter] = set()
        self.task: asyncio.Task[None] | None = None
        # In the order of their turns; a dict, as each has one turn.
        self._due: dict[_Waiter, None] = {}
        self._changed = asyncio.Event()

    def put(self, waiter: _Waiter) -> None:
        """Have one be looked for."""
        if waiter in self.waiters and not waiter.future.done():
            self._due[waiter] = None
            self._changed.set()

    def remove(self, waiter: _Waiter) -> None:
        self.waiters.discard(waiter)
        self._due.pop(waiter, None)
        if not self.waiters:
            self._changed.set()

    async def run(self) -> None:
        try:
            while self.waiters:
                self._changed.clear()
                if not self._due:
                    await self._changed.wait()
                    continue
                due = list(islice(self._due, AT_ONCE))
                for waiter in due:
                    del self._due[waiter]
                await self._look(due)
                if not all(waiter.is_told for waiter in due):
                    await asyncio.sleep(PAUSE)
        finally:
            for waiter in self.waiters:
                waiter.future.cancel()

    async def _look(self, due: Sequence[_Waiter]) -> None:
        asked = [(waiter.result, waiter.preserve) for waiter in due]
        answers: Sequence[_Answer | None]
        away = None
        try:
            answers = await self.loop.run_in_executor(None, _read, self.huey, asked)
        except Exception as error:
            if isinstance(error, StorageUnavailable) and not isinstance(error, StorageRefused):
                answers, away = [None] * len(due), error
            else:
                answers = [_Answer(error=error)] * len(due)
        for waiter, answer in zip(due, answers, strict=True):
            waiter.answer(answer, away)
        if away is not None and self.waiters:
            ends_at = clock.monotonic() + AWAY
            await self.loop.run_in_executor(None, _sit_out, self.huey, away, ends_at)


def _read(huey: ResultSource, asked: Sequence[tuple[Result[Any], bool]]) -> list[_Answer | None]:
    """Read the results that are there, None for those that are not; in a thread."""
    # Not taken out on suspicion: who waits is told of an outage in the midst of that, as the value
    # may have been lost with it.
    unread = [result.id for result, _ in asked if not result.has_been_read]
    found = huey.storage.peek_many(unread) if unread else {}
    return [
        _get(result, preserve) if result.has_been_read or result.id in found else None
        for result, preserve in asked
    ]


def _sit_out(huey: ResultSource, error: StorageUnavailable, ends_at: float) -> None:
    with suppress(StorageUnavailable):  # The next look will say.
        absence_of(huey.storage).sit_out(error, ends_at)


def _get(result: Result[Any], preserve: bool) -> _Answer | None:
    try:
        value = result.get(preserve=preserve)
    except Exception as error:  # The task's, or of bytes that cannot be read.
        return _Answer(error=error)
    # Another handle may have taken it away since it was seen.
    return _Answer(value) if result.has_been_read else None


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Watch]] = WeakKeyDictionary()


def _watch_of(huey: ResultSource) -> _Watch:
    loop = asyncio.get_running_loop()
    watches = _watches.setdefault(loop, {})
    watch = watches.get(id(huey))
    if watch is None:
        watch = watches[id(huey)] = _Watch(huey, loop)
        watch.task = loop.create_task(_run(watch, watches), name="huey_green-results")
    return watch


async def _run(watch: _Watch, watches: dict[int, _Watch]) -> None:
    # The watch begins only when its first waiter is there, and nothing can come between its end
    # and the next line.
    try:
        await watch.run()
    finally:
        del watches[id(watch.huey)]
