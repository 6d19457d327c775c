# SPDX-License-Identifier: MIT
"""Task: one call of a function, as it is enqueued, delivered and executed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from huey_green import clock
from huey_green.cron import Validator
from huey_green.exceptions import ConfigurationError, InvalidArgument, TaskTimeout
from huey_green.message import Claim, Joined, Place
from huey_green.progress import Progress

if TYPE_CHECKING:
    from huey_green.ports import TaskHost

#: How long after it was enqueued a task may begin, or until when.
Expires = datetime | timedelta | float


class Task:
    """One call of a task's function: what is serialized, enqueued and executed.

    A wrapper makes a subclass of it for each decorated function; ``default_*`` are what the
    decorator was given. ``eta`` and ``expires_resolved`` are naive, in UTC or local time as its
    Huey has it. Equal are tasks of one kind with the same id, eta, arguments and what follows.
    """

    default_retries: ClassVar[int] = 0
    default_retry_delay: ClassVar[float] = 0
    default_retry_backoff: ClassVar[float] = 0
    default_priority: ClassVar[float | None] = None
    default_expires: ClassVar[Expires | None] = None
    default_timeout: ClassVar[float | None] = None
    is_periodic: ClassVar[bool] = False
    #: Lost rather than executed twice when its consumer dies; None leaves it to the Huey.
    at_most_once: ClassVar[bool | None] = None
    #: Seconds that a growing retry_delay does not exceed.
    retry_max_delay: ClassVar[float | None] = None
    #: By which share of itself a delay before a retry may be longer or shorter, at random.
    retry_jitter: ClassVar[float] = 0.0
    #: Errors that are retried, and those of them that are not.
    retry_on: ClassVar[tuple[type[BaseException], ...]] = (BaseException,)
    no_retry_on: ClassVar[tuple[type[BaseException], ...]] = ()
    #: How many run at once over all consumers.
    max_concurrency: ClassVar[int | None] = None
    #: Runs in a native thread: for code that blocks and does not yield.
    native_thread: ClassVar[bool] = False
    #: One at a time with the same arguments, or the same key: see ``Huey.task``.
    unique: ClassVar[bool | Callable[..., Any]] = False
    unique_until: ClassVar[str] = "start"
    unique_ttl: ClassVar[float | None] = None
    #: Seconds without another call after which the last of several calls runs.
    debounce: ClassVar[float | None] = None
    #: Seconds for which its result is kept if nobody reads it; None leaves it to the Huey.
    result_ttl: ClassVar[float | None] = None
    #: The name that the decorator gave, or the function's.
    name: ClassVar[str] = "Task"
    #: The Huey that declared it.
    host: ClassVar[TaskHost | None] = None

    #: One of ``default_expires``, ``default_timeout`` and ``default_retry_backoff`` is set.
    has_defaults: ClassVar[bool] = False

    #: Its id, as long as nobody can know it: it may still be made anew.
    made_id: str | None = None

    # What few tasks have.
    expires: Expires | None = None
    timeout: float | None = None
    retry_backoff: float = 0
    expires_resolved: datetime | None = None
    chord: Place | None = None
    joins: Joined | None = None
    claim: str | None = None
    deadline: float | None = None
    #: It has told how far it has come, in this try or in one before.
    has_progress: bool = False
    #: huey has enqueued it.
    by_huey: bool = False
    #: It has run, to its end or as far as anybody waited for it.
    is_over: bool = False
    #: Its own code is under way, or that of a hook: a signal of the process may end it there.
    may_interrupt: bool = True
    #: The values of the chord that it joins are among its arguments, the last of them.
    is_joined: bool = False

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
        expires: Expires | None = None,
        timeout: float | None = None,
        retry_backoff: float | None = None,
    ) -> None:
        self.args: tuple[Any, ...] = () if args is None else tuple(args)
        self.kwargs: dict[str, Any] = {} if kwargs is None else dict(kwargs)
        if id is None:
            self.id = self.made_id = self.create_id()
        else:
            self.id = id
        self.eta = eta
        self.retries = self.default_retries if retries is None else retries
        self.retry_delay = self.default_retry_delay if retry_delay is None else retry_delay
        self.priority = self.default_priority if priority is None else priority
        self.on_complete = on_complete
        self.on_error = on_error
        if self.has_defaults:
            self.expires = self.default_expires
            self.timeout = self.default_timeout
            self.retry_backoff = self.default_retry_backoff
        if expires is not None:
            self.expires = expires
        if timeout is not None:
            self.timeout = timeout
        if retry_backoff is not None:
            self.retry_backoff = retry_backoff

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.has_defaults = bool(
            cls.default_expires is not None
            or cls.default_timeout is not None
            or cls.default_retry_backoff
        )

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
        """Run ``task`` after this one (and what already follows it), with its value after args."""
        self.pipeline()[-1].on_complete = signature(task, args, kwargs)
        return self

    def error(self, task: Any, *args: Any, **kwargs: Any) -> Task:
        """Run ``task`` when this one raises, with the exception as its last argument."""
        last = self
        while last.on_error is not None:
            last = last.on_error
        last.on_error = signature(task, args, kwargs)
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

    def resolve_expires(self, utc: bool = True) -> None:
        """Turn ``expires`` into a moment, counted from now; done when the task is enqueued."""
        if self.expires is None:
            return
        if isinstance(self.expires, datetime):
            self.expires_resolved = clock.as_naive(self.expires, utc)
        else:
            self.expires_resolved = clock.as_eta(None, clock.time_to_live(self.expires), utc)

    def has_options(self) -> bool:
        """Say whether its message has to say more than what every message says."""
        return not (
            self.expires is None
            and self.expires_resolved is None
            and self.timeout is None
            and not self.retry_backoff
            and self.chord is None
            and self.joins is None
            and self.claim is None
            and not self.has_progress
            and not self.by_huey
        )

    def concerns_others(self) -> bool:
        """Say whether its end may mean something for other tasks, or for who watches it."""
        return (
            self.claim is not None
            or self.chord is not None
            or self.joins is not None
            or self.has_progress
            or self.max_concurrency is not None
        )

    def held_claim(self) -> Claim | None:
        """Return the claim that this task holds while it is the only one of its key."""
        return None if self.claim is None else Claim(self.claim, self.id)

    # What a running task may ask and say.

    @property
    def time_remaining(self) -> float | None:
        """Seconds until the timeout, from 0; None without one, or when it does not run."""
        return None if self.deadline is None else max(0.0, self.deadline - clock.monotonic())

    @property
    def is_timed_out(self) -> bool:
        """Whether the timeout has passed: where nothing can interrupt a task, it may look."""
        return self.time_remaining == 0.0

    def check_timeout(self) -> None:
        """Raise ``TaskTimeout`` if the timeout has passed."""
        if self.is_timed_out:
            raise TaskTimeout(f"timeout {self.timeout:g}s")

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell how far this task has come, to whoever asks ``Result.progress()``.

        It wakes those who wait for news, and is forgotten when the task has ended. What a native
        thread says that goes on after its task's timeout is not heard.
        """
        if self.host is None:
            raise ConfigurationError(f"{self!r} belongs to no Huey")
        if self.is_over:
            return
        self.has_progress = True
        self.host.put_progress(self.id, Progress(done, total, message))

    def __repr__(self) -> str:
        text = f"{type(self).__module__}.{type(self).__name__}: {self.id}"
        if self.eta is not None:
            text += f" @{self.eta}"
        if self.expires is not None:
            text += f" exp={self.expires}"
        if self.retries:
            text += f" {self.retries} retries"
        if self.priority:
            text += f" p={self.priority}"
        if self.chord is not None:
            text += f" chord {self.chord.chord}"
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
    #: What ``periodic_task`` was given; it may know moments that are no whole minutes.
    validator: ClassVar[Validator | None] = None

    def validate_datetime(self, timestamp: datetime) -> bool:
        """Say whether to run in the minute of ``timestamp``."""
        return self.validator is not None and bool(type(self).validator(timestamp))  # type: ignore[misc]


def signature(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Task:
    """Return a task from a Task, or from a decorated function and arguments."""
    if isinstance(task, Task):
        task.args += tuple(args)
        task.kwargs.update(kwargs)
        return task
    if callable(getattr(task, "s", None)):
        made: Task = task.s(*args, **kwargs)
        return made
    raise InvalidArgument(
        f"a pipeline, a group or a chord takes tasks (of .s()) and @huey.task() functions, "
        f"not {task!r}"
    )


def arguments_of(task: Task) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return the function that a task calls, and what with."""
    return getattr(type(task), "function", task.execute), task.args, task.kwargs


def periodic_base(
    validate_datetime: Validator, base: type[Task] | None = None
) -> type[PeriodicTask]:
    """Return the base class of the periodic task that runs when ``validate_datetime`` says so."""
    bases = (PeriodicTask,) if base is None else (PeriodicTask, base)
    return type("PeriodicTask", bases, {"validator": staticmethod(validate_datetime)})
