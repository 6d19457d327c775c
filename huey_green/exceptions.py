# SPDX-License-Identifier: MIT
"""Every error that huey_green raises, each saying who should do what about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class HueyException(Exception):
    """The base of all errors of this package: catch it to catch them all."""


class ConfigurationError(HueyException):
    """Something was set up wrongly; the message names the option and what it accepts."""


class InvalidArgument(HueyException, ValueError, TypeError):
    """A call was given what it cannot take; the message names the argument and what it takes.

    It is a ``ValueError`` and a ``TypeError`` too, whichever a caller expects.
    """


class StorageUnavailable(HueyException):
    """The storage did not answer, or answered that it cannot serve now.

    The call may or may not have been carried out. The consumer waits and tries again, as does
    whoever waits for a result; a producer decides for itself, knowing that a second enqueue may
    make a second task.
    """


class StorageRefused(StorageUnavailable):
    """The storage will not serve us until somebody has changed something.

    The password, what this user may do, a certificate, or a key that holds something else. The
    consumer tries again all the same; whoever waits for a result is told at once.
    """


class SerializationError(HueyException):
    """A value cannot be turned into bytes; the message names it."""


class MessageRefused(SerializationError, InvalidArgument):
    """A task or a value is not written: too large, too deep, or no consumer would read it."""


class UnreadableMessage(HueyException):
    """Bytes in the queue are not a message that this application can read.

    The consumer puts them among the dead letters, with this error as the reason.
    """


class UnreadableValue(UnreadableMessage):
    """Bytes in the store are no value that this application can read: a result, say."""


class UnknownTask(UnreadableMessage):
    """A message names a task that this application has not declared or not imported."""


class TaskLockedException(HueyException):
    """A lock was held by somebody else; the consumer sends ``SIGNAL_LOCKED``."""


class TaskTimeout(HueyException):
    """A task ran longer than its timeout; the consumer sends ``SIGNAL_TIMEOUT``."""


class RateLimitExceeded(HueyException):
    """There is no room left under a rate limit; the consumer sends ``SIGNAL_RATE_LIMITED``.

    ``delay`` is the seconds until there is. With ``retry`` a task in which it is raised runs
    again after that, whatever retries it was declared with.
    """

    def __init__(self, key: str, delay: float | None = None, retry: bool = True) -> None:
        super().__init__(key, delay, retry)
        self.key = key
        self.delay = delay
        self.retry = retry

    def __str__(self) -> str:
        text = f"the rate limit {self.key!r} is exceeded"
        return text if self.delay is None else f"{text}; there is room in {self.delay:.1f} s"


class CancelExecution(HueyException):
    """Raised by a ``pre_execute`` hook, or by a task, to end this task without a failure.

    ``retry`` is None to let the task's remaining retries decide when raised inside a task,
    True to retry in any case, False never to retry.
    """

    def __init__(self, *args: Any, retry: bool | None = None) -> None:
        super().__init__(*args)
        self.retry = retry


class RetryTask(HueyException):
    """Raised inside a task to run it again, whatever retries it was declared with.

    ``eta`` is the moment, ``delay`` the number of seconds to wait; without either the task's
    own ``retry_delay`` is. The task's remaining retries are not touched.
    """

    def __init__(
        self,
        msg: str | None = None,
        *args: Any,
        eta: datetime | None = None,
        delay: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*(() if msg is None else (msg,)), *args, **kwargs)
        self.eta = eta
        self.delay = delay


class TaskException(HueyException):
    """Raised by a ``Result`` whose task failed.

    ``metadata`` holds ``error`` (the exception's repr), ``traceback``, ``retries`` (how many
    were left) and ``task_id``.
    """

    def __init__(self, metadata: dict[str, Any] | None = None, *args: Any) -> None:
        super().__init__(*args)
        self.metadata = metadata or {}

    def __str__(self) -> str:
        return str(self.metadata.get("error") or "unknown error")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.metadata, *self.args)


class ResultTimeout(HueyException):
    """A result was waited for and did not come within the given timeout."""


class TaskInterrupted(BaseException):
    """Raised inside a running task when its consumer has to stop.

    Not an ``Exception``, so that ``except Exception`` in a task does not swallow it. The task
    is given back to the queue and will run again; ``finally`` blocks run as usual.
    """


class TaskCanceled(TaskInterrupted):
    """Raised inside a running task when somebody has canceled it: ``Result.cancel()``.

    It is not run again; ``finally`` blocks run as usual.
    """


__all__ = [
    "CancelExecution",
    "ConfigurationError",
    "HueyException",
    "InvalidArgument",
    "MessageRefused",
    "RateLimitExceeded",
    "ResultTimeout",
    "RetryTask",
    "SerializationError",
    "StorageRefused",
    "StorageUnavailable",
    "TaskCanceled",
    "TaskException",
    "TaskInterrupted",
    "TaskLockedException",
    "TaskTimeout",
    "UnknownTask",
    "UnreadableMessage",
    "UnreadableValue",
]
