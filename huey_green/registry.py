# SPDX-License-Identifier: MIT
"""Task classes by name; the way from a message to a task and back."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from huey_green import clock
from huey_green.exceptions import ConfigurationError, UnknownTask, UnreadableMessage
from huey_green.message import Message, Options

if TYPE_CHECKING:
    from huey_green.task import PeriodicTask, Task


class Registry:
    """The tasks that one Huey knows. The name of a task is its module and its own name."""

    def __init__(self) -> None:
        self._classes: dict[str, type[Task]] = {}
        self._periodic: dict[str, type[PeriodicTask]] = {}

    def task_to_string(self, task_class: type[Task]) -> str:
        """Return the name under which a class is registered, as it stands in messages."""
        return f"{task_class.__module__}.{task_class.__name__}"

    def register(self, task_class: type[Task]) -> str:
        """Add a class; raises ``ConfigurationError`` when another one has its name."""
        name = self.task_to_string(task_class)
        if name in self._classes:
            raise ConfigurationError(
                f"two tasks are named {name}: give one of them another name, @huey.task(name='...')"
            )
        self._classes[name] = task_class
        if task_class.is_periodic:
            self._periodic[name] = task_class  # type: ignore[assignment]
        return name

    def unregister(self, task_class: type[Task]) -> bool:
        """Forget a class; say whether it was known."""
        name = self.task_to_string(task_class)
        self._periodic.pop(name, None)
        return self._classes.pop(name, None) is not None

    def __contains__(self, name: str) -> bool:
        return name in self._classes

    def string_to_task(self, name: str) -> type[Task]:
        """Return the class of ``name``; raises ``UnknownTask`` with the nearest names."""
        try:
            return self._classes[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._classes, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "is its module imported?"
            raise UnknownTask(
                f"task {name} is not registered in this process: {hint} "
                f"({len(self._classes)} known here)"
            ) from None

    def create_message(self, task: Task, utc: bool) -> Message:
        """Return the message of ``task``, whose naive datetimes are UTC or local time."""
        eta = None if task.eta is None else clock.to_epoch(task.eta, utc)
        return Message(
            task.id,
            self.task_to_string(type(task)),
            task.args,
            task.kwargs,
            eta,
            task.retries,
            task.retry_delay,
            task.priority,
            None if task.on_complete is None else self.create_message(task.on_complete, utc),
            None if task.on_error is None else self.create_message(task.on_error, utc),
            self._options_of(task, utc) if task.has_options() else None,
        )

    def _options_of(self, task: Task, utc: bool) -> Options:
        resolved, place = task.expires_resolved, task.chord
        return Options(
            None if resolved is None else clock.to_epoch(resolved, utc),
            clock.time_to_live(task.expires),
            task.timeout,
            task.retry_backoff,
            None
            if place is None
            else place._replace(callback=self.create_message(place.callback, utc)),
            task.joins,
            task.claim,
            task.has_progress,
            task.by_huey,
        )

    def create_task(self, message: Message, utc: bool) -> Task:
        """Return the task of ``message``; raises ``UnknownTask``.

        Raises ``UnreadableMessage`` for a moment that no datetime can hold.
        """
        try:
            return self._create_task(message, utc)
        except (OverflowError, ValueError, OSError) as error:
            raise UnreadableMessage(f"has a moment that no datetime can hold: {error}") from error

    def _create_task(self, message: Message, utc: bool) -> Task:
        (id_, name, args, kwargs, eta, retries, retry_delay, priority, complete, error, options) = (
            message
        )
        task_class = self._classes.get(name) or self.string_to_task(name)
        task = task_class(
            args,
            kwargs,
            id_,
            None if eta is None else clock.from_epoch(eta, utc),
            retries,
            retry_delay,
            priority,
            None if complete is None else self.create_task(complete, utc),
            None if error is None else self.create_task(error, utc),
        )
        if options is not None:
            self._set_options(task, options, utc)
        elif task_class.has_defaults:
            # It has been declared anew since this was enqueued.
            task.expires = task.timeout = None
            task.retry_backoff = 0
        return task

    def _set_options(self, task: Task, options: Options, utc: bool) -> None:
        expires_at, expires, task.timeout, task.retry_backoff, place = options[:5]
        task.joins, task.claim, task.has_progress, task.by_huey = options[5:]
        if expires_at is not None:
            task.expires_resolved = clock.from_epoch(expires_at, utc)
        task.expires = task.expires_resolved if expires is None else expires
        if place is not None:
            task.chord = place._replace(callback=self.create_task(place.callback, utc))

    @property
    def tasks(self) -> dict[str, type[Task]]:
        """All classes by name."""
        return dict(self._classes)

    @property
    def periodic_tasks(self) -> list[Any]:
        """An instance of each periodic task, as huey has it."""
        return [task_class() for task_class in self._periodic.values()]


__all__ = ["Message", "Registry"]
