# SPDX-License-Identifier: MIT
"""Decorators of djhuey that a Huey does not have, and the names of huey 0.3."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from django.db import transaction

from huey_green.contrib.djhuey.configuration import the_huey
from huey_green.contrib.djhuey.connections import close_db
from huey_green.cron import crontab
from huey_green.huey import Huey
from huey_green.ports import ResultSource, TaskHost
from huey_green.result import Result, ResultGroup
from huey_green.task import Task
from huey_green.wrapper import TaskWrapper

__all__ = [
    "crontab",
    "db_periodic_task",
    "db_task",
    "on_commit_task",
    "on_shutdown",
    "on_startup",
    "periodic_command",
    "queue_command",
    "signal",
]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


def db_task(*args: Any, **options: Any) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
    """Decorate a function that queries the database: a task that leaves no connection open.

    The arguments are those of ``Huey.task``. (huey's documents, "Tasks that execute queries".)
    """
    return _closing(the_huey().task(*args, **options))


def db_periodic_task(*args: Any, **options: Any) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
    """The same for a periodic task; the arguments are those of ``Huey.periodic_task``."""
    return _closing(the_huey().periodic_task(*args, **options))


def _closing(
    declare: Callable[[Callable[..., Any]], TaskWrapper[..., Any]],
) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
    def decorate(function: Callable[P, R]) -> TaskWrapper[P, R]:
        wrapper = declare(close_db(function) if callable(function) else function)
        return cast("TaskWrapper[P, R]", wrapper)

    return decorate


def on_commit_task(
    *args: Any, using: str | None = None, **options: Any
) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
    """Decorate a function as ``db_task`` does. Calls are enqueued when the transaction that they
    are made in has been committed, at once outside of one, and never if it is rolled back.

    ``using`` is the alias of the database, the default one if it is None. A call returns its
    ``Result`` at once; of a ``unique`` or a debounced task that is of use only if this call is
    the one that runs.
    """
    declare: Callable[[Callable[P, R]], TaskWrapper[P, R]] = db_task(*args, **options)

    def decorate(function: Callable[P, R]) -> TaskWrapper[P, R]:
        wrapper = declare(function)
        wrapper.huey = cast(TaskHost, _OnCommit(the_huey(), using))
        return wrapper

    return decorate


class _OnCommit:
    """A Huey as a wrapper sees it, that enqueues with the end of a transaction."""

    def __init__(self, huey: Huey, using: str | None) -> None:
        self._huey = huey
        self._using = using

    def __getattr__(self, name: str) -> Any:
        return getattr(self._huey, name)

    def enqueue(self, task: Task) -> Result[Any] | None:
        """Enqueue a task after the commit. Raises at once what could be raised then: nobody is
        left to see it, and what was committed stays."""
        self._huey.serialize_task(task)
        transaction.on_commit(partial(self._huey.enqueue, task), using=self._using)
        return self._handle(task) if self._huey.results else None

    def enqueue_many(self, tasks: Iterable[Task]) -> ResultGroup:
        """Enqueue tasks after the commit."""
        all_of_them = list(tasks)
        for task in all_of_them:
            self._huey.serialize_task(task)
        transaction.on_commit(partial(self._huey.enqueue_many, all_of_them), using=self._using)
        return ResultGroup([self._handle(task) for task in all_of_them])

    def _handle(self, task: Task) -> Result[Any]:
        return Result(cast(ResultSource, self._huey), task)


def signal(*signals: str) -> Callable[[F], F]:
    """Decorate a receiver of signals, which may query: it closes the connections that it opens.

    What is returned is what ``disconnect_signal`` takes. See ``Huey.signal``.
    """
    return _closing_hook(the_huey().signal(*signals))


def _closing_hook(register: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        return register(cast(F, close_db(function)) if callable(function) else function)

    return decorate


def on_startup(name: str | None = None) -> Callable[[F], F]:
    """The same for a function that is called when a consumer starts; see ``Huey.on_startup``."""
    return _closing_hook(the_huey().on_startup(name))


def on_shutdown(name: str | None = None) -> Callable[[F], F]:
    """The same for a function that is called when a consumer stops; see ``Huey.on_shutdown``."""
    return _closing_hook(the_huey().on_shutdown(name))


def queue_command(function: Callable[P, R]) -> TaskWrapper[P, R]:
    """huey 0.3's name of ``@task()``, without brackets."""
    warnings.warn("write @task() in place of @queue_command", DeprecationWarning, stacklevel=2)
    return the_huey().task()(function)


def periodic_command(
    validate_datetime: Callable[[datetime], bool],
) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
    """huey 0.3's name of ``@periodic_task(...)``."""
    warnings.warn(
        "write @periodic_task(...) in place of @periodic_command(...)",
        DeprecationWarning,
        stacklevel=2,
    )
    return the_huey().periodic_task(validate_datetime)
