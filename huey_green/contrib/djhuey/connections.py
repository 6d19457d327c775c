# SPDX-License-Identifier: MIT
"""Database connections in a consumer: each greenlet has its own, and a task leaves none behind.

Django keeps a connection for each thread, which once gevent has patched is each greenlet. The
greenlets of a consumer live on after a task. What they kept open would be as many connections as
there are workers, most of them idle: so each is closed at the end of its task, which with a pool
in the settings gives it back to that. CONN_MAX_AGE, a promise for threads, is not looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.core.cache import close_caches
from django.db import Error, close_old_connections, connections, reset_queries

from huey_green.execution.executor import Executor
from huey_green.execution.outcome import Outcome
from huey_green.huey import Huey
from huey_green.task import Task

log = logging.getLogger("huey_green")

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def own_connections() -> Iterator[None]:
    """At the end close the connections that were opened inside, and leave those alone that the
    caller had open: a request's, or those of a test in its transaction."""
    before = [one.alias for one in _open()]
    try:
        yield
    finally:
        for one in _open():
            if one.alias not in before:
                _close(one)


def _open() -> list[Any]:
    return [one for one in connections.all(initialized_only=True) if one.connection is not None]


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Error as error:  # Its server has gone: the task is not to fail for that.
        log.debug("closing the connection %r: %s", connection.alias, error)
    if connection.in_atomic_block:
        # Somebody entered a transaction and never left it; what runs here next is not inside.
        del connections[connection.alias]


def close_db(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that may query: it closes the connections that it opens."""

    @wraps(function)
    def closing(*args: P.args, **kwargs: P.kwargs) -> R:
        with own_connections():
            return function(*args, **kwargs)

    return closing


class DjangoExecutor(Executor):
    """Runs each task as Django runs a request: with fresh connections, and language, time zone
    and other context variables as the process began with."""

    def __init__(self, huey: Huey) -> None:
        super().__init__(huey)
        self._huey = huey

    def execute(self, task: Task) -> Outcome:
        """Run a task; in immediate mode as a part of the request that calls it."""
        if self._huey.immediate:
            return super().execute(task)
        if task.native_thread:
            # It has connections of its own there, which can be closed from there alone.
            task.execute = close_db(task.execute)  # type: ignore[method-assign]
        return copy_context().run(self._execute_afresh, task)

    def _execute_afresh(self, task: Task) -> Outcome:
        reset_queries()
        close_old_connections()
        try:
            with own_connections():
                return super().execute(task)
        finally:
            close_caches()
