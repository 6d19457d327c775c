# SPDX-License-Identifier: MIT
"""Awaiting results in an asyncio program, whose event loop is never blocked by it.

All who wait on one event loop for results of one Huey share a watch. It asks the storage for
those whose turn it is, in one call in the loop's default executor, and never has two calls at
once: a thousand that wait cost one thread for a moment, and neither a connection nor a thread
each. To wait in a thread for a wake-up would be answered some milliseconds earlier, but as many as
the executor has threads would stop everything else that runs there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from huey_green import clock
from huey_green.exceptions import ResultTimeout, StorageRefused, StorageUnavailable
from huey_green.ports import ResultSource
from huey_green.result import ChordResult, Result, ResultGroup
from huey_green.storage.absence import absence_of

__all__ = ["aget_result", "aget_result_group"]

R = TypeVar("R")

#: Seconds from the first look to the second, from which on they grow; the most there are between
#: two looks; and the least, in which others may come and be looked for with the same call.
FIRST_DELAY, LONGEST_DELAY, PAUSE = 0.01, 0.25, 0.005

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
    after ``timeout`` seconds. The pause between two looks grows by ``backoff``, up to
    ``max_delay`` or a quarter of a second. With ``preserve`` the result stays in the store. It
    can be canceled; a result that was read meanwhile is kept in ``res``.

    A storage that is away is waited for, and if ``timeout`` ends meanwhile ``StorageUnavailable``
    is raised; what waiting does not cure is raised at once, see ``Result.get``.
    """
    result = res.callback if isinstance(res, ChordResult) else res
    waiter = _Waiter(result, preserve, backoff, min(max_delay, LONGEST_DELAY), timeout)
    watch = _watch_of(result.huey)
    watch.add(waiter)
    try:
        value: R | None = await waiter.future
        return value
    finally:
        watch.remove(waiter)


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


class _Waiter:
    """One that waits: for what, until when, and when it is looked for next."""

    def __init__(
        self,
        result: Result[Any],
        preserve: bool,
        backoff: float,
        longest: float,
        timeout: float | None,
    ) -> None:
        self.result = result
        self.preserve = preserve
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._backoff = backoff
        self._longest = longest
        self._timeout = timeout
        self._delay = min(FIRST_DELAY, longest)
        self.due_at = clock.monotonic()
        self._ends_at = float("inf") if timeout is None else self.due_at + timeout

    def answer(
        self, answer: _Answer | None, now: float, away: StorageUnavailable | None = None
    ) -> None:
        """Hand over what a look has found, or say when to look again; ``away`` says why it found
        nothing."""
        if self.future.done():
            return  # Canceled during the look.
        if answer is None and now >= self._ends_at:
            text = f"no result of task {self.result.id} within {self._timeout:g} s"
            self.future.set_exception(away or ResultTimeout(text))
        elif answer is None:
            self.due_at = min(now + self._delay, self._ends_at)
            self._delay = min(self._delay * self._backoff, self._longest)
        elif answer.error is not None:
            self.future.set_exception(answer.error)
        else:
            self.future.set_result(answer.value)


class _Answer:
    """What was read: a value, or the error that reading it raised."""

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class _Watch:
    """Looks for results of one Huey, for all that wait on one event loop, while there are any."""

    def __init__(self, huey: ResultSource) -> None:
        self.huey = huey
        self.task: asyncio.Task[None] | None = None
        self._waiters: set[_Waiter] = set()
        self._changed = asyncio.Event()

    def add(self, waiter: _Waiter) -> None:
        self._waiters.add(waiter)
        self._changed.set()

    def remove(self, waiter: _Waiter) -> None:
        self._waiters.discard(waiter)
        if not self._waiters:
            self._changed.set()

    async def run(self) -> None:
        try:
            while self._waiters:
                self._changed.clear()
                now = clock.monotonic()
                due = [waiter for waiter in self._waiters if waiter.due_at <= now]
                if due:
                    await self._look(due[:AT_ONCE])
                    await asyncio.sleep(PAUSE)
                else:
                    await self._wait(min(one.due_at for one in self._waiters) - now)
        finally:
            for waiter in self._waiters:
                waiter.future.cancel()

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except asyncio.TimeoutError:
            return

    async def _look(self, due: Sequence[_Waiter]) -> None:
        asked = [(waiter.result, waiter.preserve) for waiter in due]
        loop = asyncio.get_running_loop()
        answers: Sequence[_Answer | None]
        away = None
        try:
            answers = await loop.run_in_executor(None, _read, self.huey, asked)
        except Exception as error:
            if isinstance(error, StorageUnavailable) and not isinstance(error, StorageRefused):
                answers, away = [None] * len(due), error
            else:
                answers = [_Answer(error=error)] * len(due)
        now = clock.monotonic()
        for waiter, answer in zip(due, answers, strict=True):
            waiter.answer(answer, now, away)
        if away is not None and self._waiters:
            await loop.run_in_executor(None, _sit_out, self.huey, away, now + AWAY)


def _read(huey: ResultSource, asked: Sequence[tuple[Result[Any], bool]]) -> list[_Answer | None]:
    """Read the results that are there, None for those that are not; in a thread."""
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
        watch = watches[id(huey)] = _Watch(huey)
        watch.task = loop.create_task(_run(watch, watches), name="huey_green-results")
    return watch


async def _run(watch: _Watch, watches: dict[int, _Watch]) -> None:
    # The watch begins only when its first waiter is there, and nothing can come between its end
    # and the next line.
    try:
        await watch.run()
    finally:
        del watches[id(watch.huey)]
