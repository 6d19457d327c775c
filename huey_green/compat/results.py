# SPDX-License-Identifier: MIT
"""AsyncData: huey's old handle on the result of a task."""

from __future__ import annotations

from typing import Any, TypeVar

from huey_green.compat.errors import DataStoreTimeout
from huey_green.compat.joining import values_of
from huey_green.exceptions import InvalidArgument, ResultTimeout
from huey_green.huey import Huey
from huey_green.result import Result
from huey_green.storage.base import BaseStorage
from huey_green.task import Task

R = TypeVar("R")


class AsyncData(Result[R]):
    """The handle on one task; ``AsyncData(huey, task)``, or with the id of the task."""

    def __init__(self, huey: Any, task: Task | str) -> None:
        """In place of a Huey it may be a data store, as with huey 0.3."""
        if not isinstance(huey, Huey):
            huey = _Reader(huey)
        super().__init__(huey, Task(id=task) if isinstance(task, str) else task)

    def __repr__(self) -> str:
        return object.__repr__(self)

    def get(
        self,
        blocking: bool = False,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
        revoke_on_timeout: bool = False,
        preserve: bool = False,
    ) -> R | None:
        """As ``Result.get``, but raise ``DataStoreTimeout`` when the value does not come."""
        try:
            return super().get(blocking, timeout, backoff, max_delay, revoke_on_timeout, preserve)
        except ResultTimeout as error:
            raise DataStoreTimeout(str(error)) from None


class _Reader(Huey):
    """A Huey that has results and no queue."""

    def __init__(self, store: Any) -> None:
        if not callable(getattr(store, "put", None)) or not callable(getattr(store, "get", None)):
            raise InvalidArgument(f"AsyncData takes a Huey or a data store, not {store!r}")
        self._store = store
        super().__init__(str(getattr(store, "name", None) or "results"))

    def get_storage(self, **kwargs: Any) -> BaseStorage:
        return values_of(self.name, self._store)


__all__ = ["AsyncData"]
