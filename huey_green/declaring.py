# SPDX-License-Identifier: MIT
"""The part of Huey that users decorate functions with: tasks, hooks, signal receivers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, cast

from huey_green.cron import Validator, crontab, every
from huey_green.exceptions import ConfigurationError
from huey_green.execution.hooks import Hook, Hooks
from huey_green.ports import TaskHost
from huey_green.signals import Receiver, Signals
from huey_green.task import Expires, Task, periodic_base
from huey_green.task_options import check_unique_once, task_settings
from huey_green.wrapper import TaskWrapper

Errors = type[BaseException] | tuple[type[BaseException], ...]
P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Declaring:
    """Mixed into Huey, which has the registry and makes the attributes."""

    at_most_once: bool
    signals: Signals
    hooks_before: Hooks
    hooks_after: Hooks
    hooks_startup: Hooks
    hooks_shutdown: Hooks

    #: What a decorated function becomes.
    _wrapper_class: type[TaskWrapper[..., Any]] = TaskWrapper

    # Declaring tasks.

    def task(
        self,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        *,
        retry_backoff: float = 0,
        retry_max_delay: float | None = None,
        retry_jitter: float = 0,
        retry_on: Errors = BaseException,
        no_retry_on: Errors = (),
        expires: Expires | None = None,
        timeout: float | None = None,
        at_most_once: bool | None = None,
        unique: bool | Callable[..., Any] = False,
        unique_until: Literal["start", "end"] = "start",
        ttl: float | None = None,
        max_concurrency: int | None = None,
        native_thread: bool = False,
        debounce: float | None = None,
        result_ttl: float | None = None,
        task_base: type[Task] | None = None,
        **settings: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function: calling it enqueues it and returns a ``Result``.

        ``retries``: how often it is tried again when it raises, ``retry_delay`` seconds later;
        each further delay is ``retry_backoff`` times the one before, at most
        ``retry_max_delay`` seconds, longer or shorter by a random share of up to
        ``retry_jitter`` (0.1 is a tenth). Only errors of ``retry_on`` are retried, and none of
        ``no_retry_on``. Of tasks that wait, a higher ``priority`` runs first. ``context`` passes
        the ``Task`` as keyword ``task``. Not begun when ``expires`` (seconds after it was
        enqueued, a timedelta, or a datetime) has passed; interrupted when it runs longer than
        ``timeout`` seconds. ``at_most_once`` overrides the Huey's.

        ``unique``: while one with the same arguments (or for which this function of the
        arguments returns the same) waits, further calls return the ``Result`` of that one;
        with ``unique_until="end"`` also while it runs; for ``ttl`` seconds at most.
        ``max_concurrency``: how many run at once over all consumers. ``native_thread``: run in a
        native thread, for code that blocks without yielding. ``debounce``: calls with the same
        arguments run once, so many seconds after the last of them. ``result_ttl`` overrides the
        Huey's: the seconds after which its result is forgotten that nobody reads.

        ``settings`` are attributes of ``task_base``, the class of its tasks. Raises
        ``ConfigurationError`` for what cannot be. (API reference, "task".)
        """
        if callable(retries):
            raise ConfigurationError(f"write @huey.task(), with brackets, above {retries!r}")
        options = {
            "retries": retries,
            "retry_delay": retry_delay,
            "retry_backoff": retry_backoff,
            "retry_max_delay": retry_max_delay,
            "retry_jitter": retry_jitter,
            "retry_on": retry_on,
            "no_retry_on": no_retry_on,
            "priority": priority,
            "expires": expires,
            "timeout": timeout,
            "at_most_once": at_most_once,
            "unique": unique,
            "unique_until": unique_until,
            "ttl": ttl,
            "max_concurrency": max_concurrency,
            "native_thread": native_thread,
            "debounce": debounce,
            "result_ttl": result_ttl,
        }

        if max_concurrency is not None and at_most_once is None and self.at_most_once:
            raise ConfigurationError(
                "max_concurrency counts leases, and this Huey has at_most_once=True, without any: "
                "declare the task with at_most_once=False"
            )

        def decorate(func: Callable[P, R]) -> TaskWrapper[P, R]:
            others = {"context": context, "name": name}
            declared = task_settings(func, options, settings, others, task_base)
            check_unique_once(func, options, self.at_most_once)
            wrapper_class = cast(type[TaskWrapper[P, R]], self._wrapper_class)
            return wrapper_class(
                cast(TaskHost, self),
                func,
                context=context,
                name=name,
                task_base=task_base,
                **declared,
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
        **options: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Decorate a function that runs in every minute that ``validate_datetime`` accepts.

        However many consumers there are, it runs once. Its value is not stored. The options
        are those of ``task``. (API reference, "periodic_task".)
        """
        without_brackets: tuple[Any, ...] = (crontab, every)
        if not callable(validate_datetime) or validate_datetime in without_brackets:
            raise ConfigurationError(
                f"periodic_task takes crontab(...), every(...) or a function of a datetime, "
                f"not {validate_datetime!r}"
            )
        for option in ("unique", "debounce"):
            if options.get(option):
                raise ConfigurationError(f"{option} is for calls; nobody calls a periodic task")
        base = periodic_base(validate_datetime, options.pop("task_base", None))
        return self.task(retries, retry_delay, priority, context, name, task_base=base, **options)

    def context_task(
        self, obj: Any, as_argument: bool = False, **options: Any
    ) -> Callable[[Callable[..., R]], TaskWrapper[..., R]]:
        """Decorate a function that is run inside of ``with obj``.

        With ``as_argument`` it gets ``obj`` as its first argument. The options are those of
        ``task``. (API reference, "context_task".)
        """
        if not hasattr(type(obj), "__enter__") or not hasattr(type(obj), "__exit__"):
            raise ConfigurationError(f"context_task takes a context manager, not {obj!r}")

        def decorate(func: Callable[..., R]) -> TaskWrapper[..., R]:
            @wraps(func)
            def inside(*args: Any, **kwargs: Any) -> R:
                with obj:
                    return func(obj, *args, **kwargs) if as_argument else func(*args, **kwargs)

            return self.task(**options)(inside)

        return decorate

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

        for name in signals:
            if not isinstance(name, str):
                raise ConfigurationError(
                    f"write @huey.signal(), with brackets and names of signals in it, not {name!r}"
                )

        def connect(receiver: F) -> F:
            _check_function("signal", receiver)
            self.signals.connect(receiver, *signals)
            return receiver

        return connect

    def disconnect_signal(self, receiver: Receiver, *signals: str) -> None:
        """Stop calling ``receiver`` on ``signals``, or on all it was connected to."""
        self.signals.disconnect(receiver, *signals)


def _registering(hooks: Hooks, name: str | None) -> Callable[[F], F]:
    if name is not None and not isinstance(name, str):
        raise ConfigurationError(f"write @huey.{hooks.kind}(), with brackets, above {name!r}")

    def register(hook: F) -> F:
        _check_function(hooks.kind, hook)
        hooks.register(hook, name)
        return hook

    return register


def _check_function(decorator: str, function: Any) -> None:
    if not callable(function):
        raise ConfigurationError(f"@huey.{decorator}() decorates a function, not {function!r}")
