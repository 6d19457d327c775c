# SPDX-License-Identifier: MIT
"""Handles on results: waiting without polling, and what may still be done to a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from huey_green import clock
from huey_green.exceptions import ResultTimeout, TaskException
from huey_green.wire import Error

if TYPE_CHECKING:
    from huey_green.ports import ResultSource
    from huey_green.task import Task

R = TypeVar("R")
_NONE: Any = object()


class Result(Generic[R]):
    """The handle on one task: its value, and its fate while it has not run.

    Reading a value takes it out of the store, and keeps it in this handle. (API reference,
    "Result".)
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
        ends_at = None if timeout is None else clock.monotonic() + timeout
        while value is _NONE:
            left = None if ends_at is None else max(0.0, ends_at - clock.monotonic())
            if self.huey.storage.wait_result(self.id, left, backoff, max_delay):
                # Another handle may have taken the value away meanwhile; then wait on.
                value = self._read(preserve)
            elif ends_at is not None:
                if revoke_on_timeout:
                    self.revoke()
                raise ResultTimeout(f"no result of task {self.id} within {timeout:g} s")
        return value

    def _read(self, preserve: bool) -> Any:
        if self._value is _NONE:
            storage = self.huey.storage
            data = storage.peek_data(self.id) if preserve else storage.pop_data(self.id)
            if data is not None:
                self._value = self.huey.decode_result(data)
        return self._value

    def is_ready(self) -> bool:
        """Say whether a value, or an error, is there to be read."""
        return self._value is not _NONE or self.huey.storage.has_data_for_key(self.id)

    def revoke(self, revoke_once: bool = True) -> None:
        """Keep the task from running, unless it already runs."""
        self.huey.revoke(self.task, revoke_once=revoke_once)

    def restore(self) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self.huey.restore(self.task)

    def is_revoked(self) -> bool:
        """Say whether this task, or all of its kind, may not run."""
        return self.huey.is_revoked(self.task)

    def reschedule(self, eta: datetime | None = None, delay: float | None = None) -> Result[R]:
        """Revoke the task and enqueue a new one for ``eta``, or ``delay`` seconds from now.

        With neither, at once. Whether the original has already run is not checked.
        """
        result: Result[R] = self.huey.reschedule(self.task, eta, delay)
        return result

    def reset(self) -> None:
        """Forget the value that was read, to read again: after a retry, say."""
        self._value = _NONE


class ResultGroup:
    """The results of a pipeline or of ``map``, in order. (API reference, "ResultGroup".)"""

    def __init__(self, results: Sequence[Result[Any]]) -> None:
        self._results = list(results)

    def get(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the values of all; the arguments are those of ``Result.get``."""
        return [result.get(*args, **kwargs) for result in self._results]

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The same as ``get``."""
        return self.get(*args, **kwargs)

    def __iter__(self) -> Iterator[Result[Any]]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, index: int) -> Any:
        """Wait for the value at ``index`` and return it."""
        return self._results[index].get(True)
