# SPDX-License-Identifier: MIT
"""TaskWrapper: a decorated function as its users see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import update_wrapper
from inspect import unwrap
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from huey_green import clock
from huey_green.exceptions import InvalidArgument
from huey_green.task import Expires, Task
from huey_green.task_options import check_arguments, check_call_options

if TYPE_CHECKING:
    from huey_green.ports import TaskHost
    from huey_green.result import Result, ResultGroup

P = ParamSpec("P")
R = TypeVar("R")

#: Keywords of ``s()`` and of a call that set a task's option unless the function has them itself.
_PER_CALL = frozenset(
    ["delay", "eta", "expires", "priority", "retries", "retry_backoff", "retry_delay", "timeout"]
)


class TaskWrapper(Generic[P, R]):
    """A decorated function: calling it enqueues a task and returns its ``Result``.

    ``settings`` become attributes of the task class; ``default_*`` among them are defaults of
    its tasks. (API reference, "TaskWrapper".)
    """

    def __init__(
        self,
        huey: TaskHost,
        func: Callable[P, R],
        retries: int | None = None,
        retry_delay: float | None = None,
        context: bool = False,
        name: str | None = None,
        task_base: type[Task] | None = None,
        **settings: Any,
    ) -> None:
        # A function may be made a task twice, say once more with a crontab.
        self.func: Callable[P, R] = func.func if isinstance(func, TaskWrapper) else func
        update_wrapper(self, self.func)
        self.huey = huey
        self.context = context
        self.name = name
        if retries is not None:
            settings["default_retries"] = retries
        if retry_delay is not None:
            settings["default_retry_delay"] = retry_delay
        self.settings = settings
        self._own_keywords = _parameters(self.func)
        self.task_class = self.create_task(task_base or Task)
        huey.registry.register(self.task_class)

    def create_task(self, base: type[Task]) -> type[Task]:
        """Return the task class of this function."""
        func, context = self.func, self.context

        def execute(task: Task) -> Any:
            if context:
                return func(*task.args, **{**task.kwargs, "task": task})
            return func(*task.args, **task.kwargs)

        name = self.name or func.__name__
        attributes = {
            **{key: _as_attribute(value) for key, value in self.settings.items()},
            "execute": execute,
            "function": staticmethod(func),
            "host": self.huey,
            "name": name,
            "__module__": func.__module__,
            "__doc__": func.__doc__,
        }
        return type(name, (base,), attributes)

    @property
    def retries(self) -> int:
        """How often a call is tried again when it raises."""
        return self.task_class.default_retries

    @property
    def retry_delay(self) -> float:
        """Seconds between tries."""
        return self.task_class.default_retry_delay

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Enqueue a call. None instead of a Result when the Huey keeps no results."""
        result: Result[R] = self.huey.enqueue(self.s(*args, **kwargs))
        return result

    def call_local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, here and now."""
        return self.func(*args, **kwargs)

    def s(self, *args: Any, **kwargs: Any) -> Task:
        """Return a task for this call without enqueueing it.

        ``priority``, ``retries``, ``retry_delay``, ``retry_backoff``, ``expires``, ``timeout``,
        ``eta`` and ``delay`` set the task's options, unless the function has a parameter of
        that name.
        """
        if not kwargs or _PER_CALL.isdisjoint(kwargs):
            return self._dated(self.task_class(args, kwargs))
        options = {key: kwargs.pop(key) for key in _PER_CALL & kwargs.keys() - self._own_keywords}
        return self._task(args, kwargs, options)

    def _task(self, args: Any, kwargs: Any, options: dict[str, Any]) -> Task:
        check_call_options(options)
        eta, delay = options.pop("eta", None), options.pop("delay", None)
        eta = clock.as_eta(eta, delay, self.huey.utc)
        return self._dated(self.task_class(args, kwargs, eta=eta, **options))

    def _dated(self, task: Task) -> Task:
        # A time to live is counted from when the task is enqueued, which may be much later.
        if isinstance(task.expires, datetime):
            task.resolve_expires(self.huey.utc)
        return task

    def schedule(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        eta: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: float | None = None,
        retries: int | None = None,
        retry_delay: float | None = None,
        retry_backoff: float | None = None,
        expires: Expires | None = None,
        timeout: float | None = None,
        id: str | None = None,  # noqa: A002 - huey's name
    ) -> Result[R]:
        """Enqueue a call for the moment ``eta``, or ``delay`` seconds from now.

        A naive ``eta`` is local time. The other options are those of ``Huey.task``, for this
        call. Raises ``ValueError`` for both or neither of the two, and for what is no moment
        or no number.
        """
        if (eta is None) == (delay is None):
            raise InvalidArgument(
                "schedule() takes one of eta= (a datetime) and delay= (seconds from now)"
            )
        check_arguments(args, kwargs)
        options = {
            "eta": eta,
            "delay": delay,
            "priority": priority,
            "retries": retries,
            "retry_delay": retry_delay,
            "retry_backoff": retry_backoff,
            "expires": expires,
            "timeout": timeout,
        }
        task = self._task(args, kwargs, options)
        if id is not None:
            if not isinstance(id, str) or not id:
                raise InvalidArgument(f"id is a string that is not empty, not {id!r}")
            task.id = id
        result: Result[R] = self.huey.enqueue(task)
        return result

    def map(self, it: Iterable[Any]) -> ResultGroup:
        """Enqueue a call for each tuple of arguments, hundreds of them in one round trip.

        An item that is no tuple or list is the only argument.
        """
        if not isinstance(it, Iterable):
            raise InvalidArgument(f"map takes a list with the arguments of each call, not {it!r}")
        tasks = (self.s(*(item if isinstance(item, (tuple, list)) else (item,))) for item in it)
        return self.huey.enqueue_many(tasks)

    def revoke(
        self,
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep all calls from running: for good, until a moment, or the next one only.

        With ``args`` or ``kwargs``, only calls with these arguments.
        """
        if args is None and kwargs is None:
            self.huey.revoke_all(self.task_class, revoke_until, revoke_once)
        else:
            self.huey.revoke(self.task_class, revoke_until, revoke_once, args=args, kwargs=kwargs)

    def restore(
        self, *, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None
    ) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        if args is None and kwargs is None:
            return self.huey.restore_all(self.task_class)
        return self.huey.restore(self.task_class, args=args, kwargs=kwargs)

    def is_revoked(self, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether calls are kept from running, now or at ``timestamp``."""
        return self.huey.is_revoked(self.task_class, timestamp, peek)

    def unregister(self) -> bool:
        """Make the Huey forget this task; say whether it knew it."""
        return self.huey.registry.unregister(self.task_class)

    def __repr__(self) -> str:
        return f"<task {self.huey.registry.task_to_string(self.task_class)}>"


def _as_attribute(value: Any) -> Any:
    # A function in a class would become a method.
    return staticmethod(value) if callable(value) and not isinstance(value, type) else value


def _parameters(func: Callable[..., Any]) -> frozenset[str]:
    # A decorator between takes any keywords; those that count are the innermost function's.
    code = getattr(unwrap(func), "__code__", None)
    if code is None:
        return frozenset()
    return frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
