# SPDX-License-Identifier: MIT
"""Handles on results: waiting without polling, and what may still be done to a task."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from huey_green.exceptions import (
    InvalidArgument,
    ResultTimeout,
    StorageUnavailable,
    TaskException,
)
from huey_green.progress import Progress
from huey_green.storage import absence
from huey_green.wire import Error

if TYPE_CHECKING:
    from huey_green.ports import ResultSource
    from huey_green.task import Expires, Task

R = TypeVar("R")
_NONE: Any = object()

#: Seconds for which a value stays that was read by one of several callers of a unique task.
SHARED_KEPT = 600.0


class Result(Generic[R]):
    """The handle on one task: its value, and its fate while it has not run.

    Reading a value takes it out of the store, and keeps it in this handle; one that several
    callers may wait for, that of a ``unique`` or a debounced task, stays for ten minutes more.
    (API reference, "Result".)
    """

    def __init__(self, huey: ResultSource, task: Task) -> None:
        self.huey = huey
        self.task = task
        self.revoke_id = task.revoke_id
        self._value: Any = _NONE

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    def __repr__(self) -> str:
        return f"<Result: task {self.id}>"

    def __call__(self, *args: Any, **kwargs: Any) -> R | None:
        """The same as ``get``."""
        return self.get(*args, **kwargs)

    def __await__(self) -> Generator[Any, None, R | None]:
        """Wait for the value in an asyncio program, and return it as ``get(blocking=True)`` does.

        Nothing of the event loop is blocked meanwhile. For a time that it may take there is
        ``asyncio.wait_for(result, seconds)``, and more in ``huey_green.contrib.asyncio``.
        """
        from huey_green.awaiting import aget_result

        return aget_result(self).__await__()

    def get(
        self,
        blocking: bool = False,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
        revoke_on_timeout: bool = False,
        preserve: bool = False,
    ) -> R | None:
        """Return the task's value, or None when there is none (yet).

        With ``blocking``, wait for it, at most ``timeout`` seconds, and raise ``ResultTimeout``
        (a ``HueyException``) when it does not come; ``revoke_on_timeout`` then keeps the task
        from starting. ``backoff`` and ``max_delay`` shape the polling of storages that cannot
        wake a waiter. ``preserve`` leaves the value in the store. Raises ``TaskException`` when
        the task failed.

        Who waits, waits for a storage that is away, too, and if ``timeout`` ends meanwhile
        ``StorageUnavailable`` is raised: there may be a value. It is raised as well if the value
        may have been lost with the connection, and a ``StorageRefused`` always at once.
        """
        value = self.get_raw_result(
            blocking, timeout, backoff, max_delay, revoke_on_timeout, preserve
        )
        if isinstance(value, Error):
            raise TaskException(value.metadata)
        found: R | None = value
        return found

    def get_raw_result(
        self,
        blocking: bool = False,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
        revoke_on_timeout: bool = False,
        preserve: bool = False,
    ) -> Any:
        """As ``get``, but return a failure as an ``Error`` instead of raising it."""
        if not blocking:
            value = self._read(preserve)
            return None if value is _NONE else value
        value = self._value
        if timeout is not None and not isinstance(timeout, (int, float)):
            raise InvalidArgument(f"timeout is seconds, not {timeout!r}")
        ends_at = absence.end_of(timeout)
        while value is _NONE:
            if self._wait(ends_at, backoff, max_delay):
                # Another handle may have taken the value away meanwhile; then wait on.
                value = self._read_patiently(preserve, ends_at)
            elif ends_at is not None:
                if revoke_on_timeout:
                    self.revoke()
                    value = self._read(preserve)
                    if value is not _NONE:  # It ended just now: nobody would come upon the mark.
                        self.restore()
                        break
                raise ResultTimeout(f"no result of task {self.id} within {timeout:g} s")
        return value

    def _wait(self, ends_at: float | None, backoff: float, max_delay: float) -> bool:
        storage = self.huey.storage

        def wait() -> bool:
            return storage.wait_result(self.id, absence.left_until(ends_at), backoff, max_delay)

        return absence.patiently(storage, ends_at, wait)

    def _read_patiently(self, preserve: bool, ends_at: float | None) -> Any:
        storage = self.huey.storage
        try:
            return self._read(preserve)
        except StorageUnavailable as error:
            if self._value is not _NONE:
                return self._value
            absence.absence_of(storage).sit_out(error, ends_at)
            # It may have been taken out, and lost with the answer: nobody could wait for it.
            if not preserve and not absence.patiently(storage, ends_at, self.is_ready):
                raise
            return _NONE

    def _read(self, preserve: bool) -> Any:
        if self._value is _NONE:
            storage = self.huey.storage
            data = storage.peek_data(self.id) if preserve else storage.pop_data(self.id)
            if data is not None:
                self._value = self.huey.decode_result(data)
                if not preserve and self._is_shared():
                    storage.put_if_empty(self.id, data, ttl=SHARED_KEPT)
        return self._value

    def _is_shared(self) -> bool:
        """Say whether other callers may have handles on this task, and want its value, too."""
        if not self.task.unique and self.task.debounce is None:
            return False
        return not _is_of_a_try(self._value)

    @property
    def has_been_read(self) -> bool:
        """Whether this handle holds the value already."""
        return self._value is not _NONE

    def is_ready(self) -> bool:
        """Say whether a value, or an error, is there to be read."""
        return self._value is not _NONE or self.huey.storage.has_data_for_key(self.id)

    def _has_ended(self) -> bool:
        """Say whether there is a value, or an error that is not followed by another try."""
        if not self._may_run:
            return True
        data = self.huey.storage.peek_data(self.id)
        return data is not None and not _is_of_a_try(self.huey.decode_result(data))

    def revoke(self, revoke_once: bool = True) -> None:
        """Keep the task from running, unless it already runs."""
        self.huey.revoke(self.task, revoke_once=revoke_once)

    def restore(self) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self.huey.restore(self.task)

    def is_revoked(self) -> bool:
        """Say whether this task, or all of its kind, may not run."""
        return self.huey.is_revoked(self.task)

    def reschedule(
        self,
        eta: datetime | None = None,
        delay: float | timedelta | None = None,
        expires: Expires | None = None,
        priority: float | None = None,
        preserve_pipeline: bool = True,
    ) -> Result[R]:
        """Revoke the task and enqueue a new one for ``eta``, or ``delay`` seconds from now.

        With neither, at once. Whether the original has already run is not checked. ``expires``
        and ``priority`` are the original's unless given; what follows it follows the new one,
        unless ``preserve_pipeline`` is False.
        """
        result: Result[R] = self.huey.reschedule(
            self.task, eta, delay, expires, priority, preserve_pipeline
        )
        return result

    def cancel(self) -> bool:
        """Stop the task wherever it is: queued, scheduled, or running somewhere now.

        A running one is interrupted within a second, with ``TaskCanceled``; it is not retried,
        and its result is an error that says so. Returns False when it had ended already.
        """
        return self._may_run and self.huey.cancel(self.id)

    @property
    def _may_run(self) -> bool:
        """Whether this handle does not know that the task has ended."""
        return self._value is _NONE or _is_of_a_try(self._value)

    def progress(self) -> Progress | None:
        """Return what the running task said last of how far it has come; None if nothing."""
        return self.huey.get_progress(self.id)

    def progress_updates(self, timeout: float | None = None) -> Iterator[Progress]:
        """Yield the task's progress now and whenever it changes, until the task has ended.

        Raises ``ResultTimeout`` when nothing changes for ``timeout`` seconds.
        """
        news = _News(self)
        keys = [f"p:{self.id}", self.id]
        while True:
            if not absence.wait_patiently(self.huey.storage, keys, news.has_come, timeout):
                raise ResultTimeout(f"no progress of task {self.id} within {timeout:g} s")
            before, news.known = news.known, news.present
            if news.present is not None and news.present != before:
                yield news.present
            # It is forgotten when the task has ended, whether or not that left a result.
            if news.is_last or (before is not None and news.present is None):
                return

    def reset(self) -> None:
        """Forget the value that was read, to read again: after a retry, say."""
        self._value = _NONE


class _News:
    """What somebody who watches a task has seen of its progress."""

    def __init__(self, result: Result[Any]) -> None:
        self._result = result
        self.known: Progress | None = None
        self.present: Progress | None = None
        #: The task has ended.
        self.is_last = False

    def has_come(self) -> bool:
        """Look; say whether there is something new, or the task has ended."""
        self.is_last = self._result._has_ended()
        self.present = self._result.progress()
        return self.present != self.known or self.is_last


def _is_of_a_try(value: Any) -> bool:
    """Say whether a value is the error of a try that is followed by another one."""
    return isinstance(value, Error) and bool(value.metadata.get("is_retried"))


class ResultGroup:
    """The results of a pipeline, a group or of ``map``, in order.

    (API reference, "ResultGroup".)
    """

    def __init__(self, results: Sequence[Result[Any]]) -> None:
        self._results = list(results)

    def get(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the values of all; the arguments are those of ``Result.get``."""
        return [result.get(*args, **kwargs) for result in self._results]

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The same as ``get``."""
        return self.get(*args, **kwargs)

    def __await__(self) -> Generator[Any, None, list[Any]]:
        """Wait for all values in an asyncio program; see ``Result.__await__``."""
        from huey_green.awaiting import aget_result_group

        return aget_result_group(self).__await__()

    def __iter__(self) -> Iterator[Result[Any]]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, index: int) -> Any:
        """Wait for the value at ``index`` and return it."""
        return self._results[index].get(True)

    def reset(self) -> None:
        """Forget the values that were read, to read again."""
        for result in self._results:
            result.reset()

    def is_ready(self) -> bool:
        """Say whether all values, or errors, are there to be read."""
        return not self._unread(self._results)

    def cancel(self) -> bool:
        """Stop all that have not ended; say whether any was stopped. See ``Result.cancel``."""
        running = [result for result in self._results if result._may_run]
        if not running:
            return False
        return bool(running[0].huey.cancel_many([result.id for result in running]))

    def as_completed(
        self, backoff: float = 1.15, max_delay: float = 1.0, timeout: float | None = None
    ) -> Iterator[Any]:
        """Yield the values in the order in which the tasks end.

        Raises ``TaskException`` at a task that failed; going on after that is the caller's
        choice (a ``for`` loop ends). Raises ``ResultTimeout`` when none ends for ``timeout``
        seconds. ``backoff`` and ``max_delay`` are those of ``Result.get``.
        """
        waiting = list(self._results)
        while waiting:
            storage = waiting[0].huey.storage
            unread = absence.patiently(
                storage, absence.end_of(timeout), partial(self._unread, waiting)
            )
            unread_ids = {result.id for result in unread}
            for result in waiting:
                if result.id not in unread_ids:
                    yield result.get(True, timeout)
            waiting = unread
            if waiting and not self._wait_for_any(waiting, timeout, backoff, max_delay):
                raise ResultTimeout(f"none of {len(waiting)} tasks ended within {timeout:g} s")

    def _wait_for_any(
        self,
        waiting: Sequence[Result[Any]],
        timeout: float | None,
        backoff: float,
        max_delay: float,
    ) -> bool:
        storage, keys = waiting[0].huey.storage, [result.id for result in waiting]
        return absence.wait_patiently(
            storage,
            keys,
            lambda: len(self._unread(waiting)) < len(waiting),
            timeout,
            backoff,
            max_delay,
        )

    @staticmethod
    def _unread(results: Sequence[Result[Any]]) -> list[Result[Any]]:
        """Return those that have no value yet."""
        asked = [result for result in results if not result.has_been_read]
        if not asked:
            return []
        found = asked[0].huey.storage.peek_many([result.id for result in asked])
        return [result for result in asked if result.id not in found]


class ChordResult(Generic[R]):
    """The handle on a chord: its value is the callback's.

    ``results`` are those of the members, ``callback`` that of the callback, ``pipeline_results``
    those of the callback and of what follows it, None when nothing does.
    """

    def __init__(
        self,
        results: ResultGroup,
        callback: Result[R],
        pipeline_results: ResultGroup | None = None,
    ) -> None:
        self.results = results
        self.callback = callback
        self.pipeline_results = pipeline_results

    @property
    def id(self) -> str:
        """The callback's id."""
        return self.callback.id

    def get(self, *args: Any, **kwargs: Any) -> R | None:
        """Return the value of the callback; the arguments are those of ``Result.get``."""
        return self.callback.get(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> R | None:
        """The same as ``get``."""
        return self.get(*args, **kwargs)

    def __await__(self) -> Generator[Any, None, R | None]:
        """Wait for the callback's value in an asyncio program; see ``Result.__await__``."""
        return self.callback.__await__()

    def is_ready(self) -> bool:
        """Say whether the callback's value, or error, is there to be read."""
        return self.callback.is_ready()

    def cancel(self) -> bool:
        """Stop all members that have not ended, and the callback; say whether any was stopped."""
        return ResultGroup([*self.results, self.callback]).cancel()

    def reset(self) -> None:
        """Forget the values that were read, to read again."""
        self.results.reset()
        self.callback.reset()
        if self.pipeline_results is not None:
            self.pipeline_results.reset()
