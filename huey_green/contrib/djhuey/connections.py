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
from threading import local
from typing import Any, ParamSpec, TypeVar

from django.core.cache import caches
from django.db import Error, connections
from django.db.backends.signals import connection_created

from huey_green.execution.executor import Executor
from huey_green.execution.outcome import Outcome
from huey_green.huey import Huey
from huey_green.task import Task

log = logging.getLogger("huey_green")

P = ParamSpec("P")
R = TypeVar("R")


class _Opened(local):
    """The connections that were opened in this thread or greenlet, by their aliases: those of the
    innermost ``own_connections``. None where nobody wants to know: Django looks after them."""

    connections: dict[str, Any] | None = None


_opened = _Opened()


def _note_opened(connection: Any, **_: Any) -> None:
    if _opened.connections is not None:
        _opened.connections[connection.alias] = connection


connection_created.connect(_note_opened, dispatch_uid=__name__)


@contextmanager
def own_connections() -> Iterator[None]:
    """At the end close the connections that were opened inside, and leave those alone that the
    caller had open: a request's, or those of a test in its transaction."""
    opened: dict[str, Any] = {}
    before, _opened.connections = _opened.connections, opened
    try:
        yield
    finally:
        _opened.connections = before
        for connection in opened.values():
            _close(connection)


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Error as error:  # Its server has gone: the task is not to fail for that.
        log.debug("closing the connection %r: %s", connection.alias, error)
    connection.queries_log.clear()  # Of DEBUG.
    if connection.in_atomic_block:
        # Somebody entered a transaction and never left it; what runs here next is not inside.
        del connections[connection.alias]


def _close_leftovers() -> None:
    """Close what was opened here after the last task, by a receiver of signals, say; and see to
    it that what will be is known."""
    for connection in (_opened.connections or {}).values():
        if not connection.in_atomic_block:
            _close(connection)
    _opened.connections = {}


def _close_caches() -> None:
    """Close the caches that a task has used, as Django does with the end of a request; a cache on
    Redis would otherwise leave its connections to the garbage collector, in no hurry here."""
    for cache in caches.all(initialized_only=True):
        cache.close()
        pools = getattr(vars(cache).get("_cache"), "_pools", None)
        for pool in pools.values() if isinstance(pools, dict) else ():
            pool.disconnect()


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
        _close_leftovers()
        return copy_context().run(self._execute_afresh, task)

    def _execute_afresh(self, task: Task) -> Outcome:
        try:
            with own_connections():
                return super().execute(task)
        finally:
            _close_caches()
