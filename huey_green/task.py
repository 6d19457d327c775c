# SPDX-License-Identifier: MIT
"""Task, one call of a function; TaskWrapper, the function as its users see it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import update_wrapper
from inspect import unwrap
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar

from huey_green import clock
from huey_green.cron import Validator
from huey_green.exceptions import ConfigurationError

if TYPE_CHECKING:
    from huey_green.ports import TaskHost
    from huey_green.result import Result, ResultGroup

P = ParamSpec("P")
R = TypeVar("R")


class Task:
    """One call of a task's function: what is serialized, enqueued and executed.

    A wrapper makes a subclass of it for each decorated function; ``default_*`` are what the
    decorator was given. ``eta`` is naive, in UTC or local time as its Huey has it. Equal are
    tasks of one kind with the same id, eta, arguments and what follows them.
    """

    default_retries: ClassVar[int] = 0
    default_retry_delay: ClassVar[float] = 0
    default_priority: ClassVar[float | None] = None
    is_periodic: ClassVar[bool] = False
    #: Lost rather than executed twice when its consumer dies; None leaves it to the Huey.
    at_most_once: ClassVar[bool | None] = None
    #: The name that the decorator gave, or the function's.
    name: ClassVar[str] = "Task"

    def __init__(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - huey's name
        eta: datetime | None = None,
        retries: int | None = None,
        retry_delay: float | None = None,
        priority: float | None = None,
        on_complete: Task | None = None,
        on_error: Task | None = None,
    ) -> None:
        self.args: tuple[Any, ...] = () if args is None else tuple(args)
        self.kwargs: dict[str, Any] = {} if kwargs is None else dict(kwargs)
        self.id = self.create_id() if id is None else id
        self.eta = eta
        self.retries = self.default_retries if retries is None else retries
        self.retry_delay = self.default_retry_delay if retry_delay is None else retry_delay
        self.priority = self.default_priority if priority is None else priority
        self.on_complete = on_complete
        self.on_error = on_error

    @property
    def data(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, as (args, kwargs)."""
        return self.args, self.kwargs

    @property
    def revoke_id(self) -> str:
        """The key under which this one task is revoked."""
        return f"r:{self.id}"

    def create_id(self) -> str:
        """Return a new unique id."""
        return str(uuid.uuid4())

    def extend_data(self, value: Any) -> None:
        """Add the parent's value to the arguments: a tuple to args, a dict to kwargs, else one arg.

        None adds nothing. (Guide, "Task pipelines".)
        """
        if value is None:
            return
        if isinstance(value, tuple):
            self.args += value
        elif isinstance(value, dict):
            self.kwargs.update(value)
        else:
            self.args += (value,)

    def then(self, task: Any, *args: Any, **kwargs: Any) -> Task:
        """Run ``task`` after this one (and what already follows it), with its value first."""
        if self.on_complete is None:
            self.on_complete = signature(task, args, kwargs)
        else:
            self.on_complete.then(task, *args, **kwargs)
        return self

    def error(self, task: Any, *args: Any, **kwargs: Any) -> Task:
        """Run ``task`` when this one raises, with the exception as its last argument."""
        if self.on_error is None:
            self.on_error = signature(task, args, kwargs)
        else:
            self.on_error.error(task, *args, **kwargs)
        return self

    def pipeline(self) -> list[Task]:
        """Return this task and those that follow it."""
        tasks = [self]
        while (following := tasks[-1].on_complete) is not None:
            tasks.append(following)
        return tasks

    def execute(self) -> Any:
        """Run the function and return its value. Subclasses made by a wrapper know which."""
        raise NotImplementedError(f"{type(self).__name__} has no function: use @huey.task()")

    def __repr__(self) -> str:
        text = f"{type(self).__module__}.{type(self).__name__}: {self.id}"
        if self.eta is not None:
            text += f" @{self.eta}"
        if self.retries:
            text += f" {self.retries} retries"
        if self.priority:
            text += f" p={self.priority}"
        if self.on_complete is not None:
            text += f" -> {self.on_complete!r}"
        return text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return (
            type(self) is type(other)
            and self.id == other.id
            and self.eta == other.eta
            and self.data == other.data
            and self.on_complete == other.on_complete
            and self.on_error == other.on_error
        )

    def __hash__(self) -> int:
        return hash(self.id)


class PeriodicTask(Task):
    """A task that the scheduler enqueues in each minute that ``validate_datetime`` accepts."""

    is_periodic = True

    def validate_datetime(self, timestamp: datetime) -> bool:
        """Say whether to run in the minute of ``timestamp``."""
        return False


def signature(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Task:
    """Return a task from a Task, or from a wrapper and arguments."""
    if isinstance(task, Task):
        task.args += tuple(args)
        task.kwargs.update(kwargs)
        return task
    if isinstance(task, TaskWrapper):
        made: Task = task.s(*args, **kwargs)
        return made
    raise TypeError(f"a pipeline takes tasks and @huey.task() functions, not {task!r}")


#: Keywords of ``s()`` and of a call that set a task's option unless the function has them itself.
_PER_CALL = ("priority", "retries", "retry_delay", "eta")


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
            **self.settings,
            "execute": execute,
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

        ``priority``, ``retries``, ``retry_delay`` and ``eta`` set the task's options, unless
        the function has a parameter of that name.
        """
        options = {
            key: kwargs.pop(key)
            for key in _PER_CALL
            if key in kwargs and key not in self._own_keywords
        }
        if options.get("eta") is not None:
            options["eta"] = clock.as_eta(options["eta"], None, self.huey.utc)
        return self.task_class(args, kwargs, **options)

    def schedule(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        eta: datetime | None = None,
        delay: float | None = None,
        priority: float | None = None,
        retries: int | None = None,
        retry_delay: float | None = None,
        id: str | None = None,  # noqa: A002 - huey's name
    ) -> Result[R]:
        """Enqueue a call for the moment ``eta``, or ``delay`` seconds from now.

        A naive ``eta`` is local time. Raises ``ValueError`` for both or neither of the two.
        """
        if (eta is None) == (delay is None):
            raise ValueError("schedule() takes one of eta= (a datetime) and delay= (seconds)")
        if eta is not None and not isinstance(eta, datetime):
            raise TypeError(f"eta is a datetime, not {eta!r}")
        if args is not None and (isinstance(args, (str, bytes)) or not isinstance(args, Iterable)):
            raise TypeError(f"args is a tuple of arguments, not {args!r}: write ({args!r},)")
        task = self.task_class(
            args,
            kwargs,
            id,
            clock.as_eta(eta, delay, self.huey.utc),
            retries,
            retry_delay,
            priority,
        )
        result: Result[R] = self.huey.enqueue(task)
        return result

    def map(self, it: Iterable[Any]) -> ResultGroup:
        """Enqueue a call for each tuple of arguments; an item that is no tuple is the only one."""
        tasks = (self.s(*(item if isinstance(item, (tuple, list)) else (item,))) for item in it)
        return self.huey.enqueue_all(tasks)

    def revoke(self, revoke_until: datetime | None = None, revoke_once: bool = False) -> None:
        """Keep all calls from running: for good, until a moment, or the next one only."""
        self.huey.revoke_all(self.task_class, revoke_until, revoke_once)

    def restore(self) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self.huey.restore_all(self.task_class)

    def is_revoked(self, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether calls are kept from running, now or at ``timestamp``."""
        return self.huey.is_revoked(self.task_class, timestamp, peek)

    def unregister(self) -> bool:
        """Make the Huey forget this task; say whether it knew it."""
        return self.huey.registry.unregister(self.task_class)


def _parameters(func: Callable[..., Any]) -> frozenset[str]:
    # A decorator between takes any keywords; those that count are the innermost function's.
    code = getattr(unwrap(func), "__code__", None)
    if code is None:
        return frozenset()
    return frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def check_options(func: Callable[..., Any], retries: Any, retry_delay: Any, priority: Any) -> None:
    """Refuse, at the declaration, what could only fail in the consumer."""
    where = f"@task on {getattr(func, '__qualname__', func)!s}"
    if not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"{where}: retries is a whole number from 0, not {retries!r}")
    if not isinstance(retry_delay, (int, float)) or retry_delay < 0:
        raise ConfigurationError(f"{where}: retry_delay is seconds from 0, not {retry_delay!r}")
    if priority is not None and not isinstance(priority, (int, float)):
        raise ConfigurationError(f"{where}: priority is a number, not {priority!r}")


def periodic_base(validate_datetime: Validator) -> type[PeriodicTask]:
    """Return the base class of the periodic task that runs when ``validate_datetime`` says so."""

    def validate(self: PeriodicTask, timestamp: datetime) -> bool:
        return bool(validate_datetime(timestamp))

    return type("PeriodicTask", (PeriodicTask,), {"validate_datetime": validate})
