# SPDX-License-Identifier: MIT
"""The part of Huey that users decorate functions with: tasks, hooks, signal receivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from huey_green.cron import Validator
from huey_green.exceptions import ConfigurationError
from huey_green.execution.hooks import Hook, Hooks
from huey_green.ports import TaskHost
from huey_green.signals import Receiver, Signals
from huey_green.task import TaskWrapper, check_options, periodic_base

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Declaring:
    """Mixed into Huey, which has the registry and makes the attributes."""

    signals: Signals
    hooks_before: Hooks
    hooks_after: Hooks
    hooks_startup: Hooks
    hooks_shutdown: Hooks

    # Declaring tasks.

    def task(
        self,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        **settings: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function: calling it enqueues it and returns a ``Result``.

        ``retries`` and ``retry_delay`` (seconds) are for when it raises; of several that wait,
        a higher ``priority`` runs first; ``context`` passes the ``Task`` as keyword ``task``;
        ``at_most_once`` overrides the Huey's. (API reference, "task".)
        """

        if callable(retries):
            raise ConfigurationError(f"write @huey.task(), with brackets, above {retries!r}")

        def decorate(func: Callable[P, R]) -> TaskWrapper[P, R]:
            check_options(func, retries, retry_delay, priority)
            return TaskWrapper(
                cast(TaskHost, self),
                func,
                context=context,
                name=name,
                default_retries=retries,
                default_retry_delay=retry_delay,
                default_priority=priority,
                **settings,
            )

        return decorate

    def periodic_task(
        self,
        validate_datetime: Validator,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        **settings: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function that runs in every minute that ``validate_datetime`` accepts.

        However many consumers there are, it runs once. Its value is not stored.
        (API reference, "periodic_task".)
        """
        if not callable(validate_datetime):
            raise ConfigurationError(
                f"periodic_task takes crontab(...) or a function of a datetime, "
                f"not {validate_datetime!r}"
            )
        return self.task(
            retries,
            retry_delay,
            priority,
            context,
            name,
            task_base=periodic_base(validate_datetime),
            **settings,
        )

    # Hooks and signals.

    def pre_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function of a task that is called before each task runs.

        It may raise ``CancelExecution``; any other error is logged and stops nothing.
        """
        return _registering(self.hooks_before, name)

    def unregister_pre_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_before.unregister(name_or_fn)

    def post_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function of (task, value, exception) that is called after each task."""
        return _registering(self.hooks_after, name)

    def unregister_post_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_after.unregister(name_or_fn)

    def on_startup(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that is called when a consumer starts, before its first task."""
        return _registering(self.hooks_startup, name)

    def unregister_on_startup(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_startup.unregister(name_or_fn)

    def on_shutdown(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that is called when a consumer stops, after its last task."""
        return _registering(self.hooks_shutdown, name)

    def unregister_on_shutdown(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by name or function; say whether there was one."""
        return self.hooks_shutdown.unregister(name_or_fn)

    def signal(self, *signals: str) -> Callable[[F], F]:
        """Decorate a function of (signal, task, exc=None) that is called on ``signals``, or all."""

        def connect(receiver: F) -> F:
            self.signals.connect(receiver, *signals)
            return receiver

        return connect

    def disconnect_signal(self, receiver: Receiver, *signals: str) -> None:
        """Stop calling ``receiver`` on ``signals``, or on all it was connected to."""
        self.signals.disconnect(receiver, *signals)


def _registering(hooks: Hooks, name: str | None) -> Callable[[F], F]:
    def register(hook: F) -> F:
        hooks.register(hook, name)
        return hook

    return register
