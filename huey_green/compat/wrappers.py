# SPDX-License-Identifier: MIT
"""What a decorated function was with huey 0.3 and 0.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, ParamSpec, TypeVar, cast

from huey_green.compat.naming import deprecated
from huey_green.compat.results import AsyncData
from huey_green.task import Task
from huey_green.wrapper import TaskWrapper

P = ParamSpec("P")
R = TypeVar("R")


class OldTask(Task):
    """A task as huey 0.4 has it."""

    #: Its function is given how often it will still be retried, as ``retries``.
    retries_as_argument: ClassVar[bool] = False


class OldWrapper(TaskWrapper[P, R]):
    """A function decorated by huey 0.4's ``task`` or ``periodic_task``.

    Naive moments in ``revoke``, ``is_revoked`` and, with ``convert_utc=False``, in ``schedule``
    are in the consumer's time: UTC, unless its Huey has ``utc=False``.
    """

    def create_task(self, base: type[Task]) -> type[Task]:
        """Return the task class; it is shown as huey did, and stands in messages as ever."""
        made = super().create_task(base)
        made.__qualname__ = f"queuecmd_{made.__name__}"
        if self.settings.get("retries_as_argument"):
            func, context = self.func, self.context

            def execute(self: Task) -> Any:
                given = {**self.kwargs, "retries": self.retries}
                if context:
                    given["task"] = self
                return cast(Any, func)(*self.args, **given)

            made.execute = execute  # type: ignore[method-assign]
        return made

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncData[R]:
        """Enqueue a call; run a periodic task here and now.

        None instead of an ``AsyncData`` when the Huey keeps no results.
        """
        if self.task_class.is_periodic:
            return cast("AsyncData[R]", self.call_local(*args, **kwargs))
        return cast("AsyncData[R]", super().__call__(*args, **kwargs))

    def schedule(  # type: ignore[override]
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        eta: datetime | None = None,
        delay: float | timedelta | None = None,
        convert_utc: bool = True,
        **options: Any,
    ) -> Any:
        """Enqueue a call for the moment ``eta``, or ``delay`` seconds from now, or for now.

        A naive ``eta`` is local time, with ``convert_utc=False`` the consumer's.
        """
        if not convert_utc:
            deprecated("convert_utc=False", "a datetime that has a time zone: eta=...", 2)
            eta = self._of_consumer(eta)
        if eta is None and delay is None:
            delay = 0
        return super().schedule(args, kwargs, eta, delay, **options)

    def revoke(
        self,
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
        **which: Any,
    ) -> None:
        super().revoke(self._of_consumer(revoke_until), revoke_once, **which)

    def is_revoked(self, dt: datetime | None = None, peek: bool = True) -> bool:
        """Say whether calls are kept from running, now or at ``dt``."""
        return super().is_revoked(self._of_consumer(dt), peek)

    def _of_consumer(self, moment: datetime | None) -> datetime | None:
        if moment is None or moment.tzinfo is not None or not self.huey.utc:
            return moment
        return moment.replace(tzinfo=timezone.utc)


class CommandWrapper(OldWrapper[P, R]):
    """A function decorated by huey 0.3's ``queue_command`` or ``periodic_command``."""

    def schedule(  # type: ignore[override]
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        eta: datetime | None = None,
        convert_utc: bool = True,
        **options: Any,
    ) -> Any:
        """Enqueue a call for the moment ``eta``; see ``OldWrapper.schedule``."""
        if not convert_utc:
            deprecated("convert_utc=False", "a datetime that has a time zone: eta=...", 2)
            eta = self._of_consumer(eta)
        return super().schedule(args, kwargs, eta, **options)
