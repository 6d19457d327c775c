# SPDX-License-Identifier: MIT
"""The part of Huey that tells what happens to its tasks, if it was asked to, and listens."""

from __future__ import annotations

import json
import logging
from typing import Any

from huey_green import clock
from huey_green import signals as s
from huey_green.events import BaseEventEmitter, EventStream
from huey_green.exceptions import ConfigurationError, InvalidArgument
from huey_green.execution.telling import Told
from huey_green.keeping import Keeping
from huey_green.task import Task

log = logging.getLogger("huey_green.events")

#: What the documents of huey call a signal; the others are called as their signals.
STATUSES = {s.SIGNAL_EXECUTING: "started", s.SIGNAL_COMPLETE: "finished"}

#: Signals that tell of an error.
ERRORS = {s.SIGNAL_ERROR, s.SIGNAL_TIMEOUT, s.SIGNAL_DEAD}


class Emitting(Keeping):
    """Mixed into Huey."""

    _immediate: bool
    immediate_use_memory: bool
    #: What sends the events, None for none; True stands for the storage's own, until it is asked.
    _emitter: BaseEventEmitter | bool | None = None

    def start_events(self, events: Any) -> None:
        """Send events by an emitter, by the storage's own one (True), or none (None, False)."""
        if events is None or events is False:
            return
        is_emitter = callable(getattr(events, "emit", None)) and not isinstance(events, type)
        if events is not True and not is_emitter:
            raise ConfigurationError(
                "events is True, for those of this storage, or an emitter as "
                f"RedisEventEmitter(channel, host=...), not {events!r}"
            )
        self._emitter = events
        if not self._is_apart:
            self._find_emitter()
        self.signals.connect(self._emit)

    @property
    def emitter(self) -> BaseEventEmitter | None:
        """What sends the events of this Huey; None when it sends none."""
        if self._emitter is None or self._is_apart:
            return None
        return self._find_emitter()

    @property
    def _is_apart(self) -> bool:
        """Whether tasks run where they are called, and nobody elsewhere is to hear of it."""
        return self._immediate and self.immediate_use_memory

    def _find_emitter(self) -> BaseEventEmitter:
        if self._emitter is None or isinstance(self._emitter, bool):
            self._emitter = self.storage.event_emitter()
        return self._emitter

    def flush_events(self) -> None:
        """Wait until what has happened is told, for a second at most."""
        emitter = self.emitter
        if isinstance(emitter, BaseEventEmitter):  # It may be anything that emits.
            emitter.flush()

    def events(self, timeout: float | None = None) -> EventStream:
        """Return the events of this queue from now on, to be iterated: ``for event in events:``.

        It ends when nothing has come for ``timeout`` seconds, or by its ``close()``. Raises
        ``StorageUnavailable`` if it cannot listen now; later it comes back by itself. Raises
        ``ConfigurationError`` for a Huey that sends none (``events=``).
        """
        if timeout is not None and (isinstance(timeout, bool) or not timeout > 0):
            raise InvalidArgument(f"timeout is seconds above 0, not {timeout!r}")
        emitter = self.emitter
        if emitter is None:
            why = "is immediate" if self._is_apart else "has no events=True"
            raise ConfigurationError(f"the Huey {self.name!r} sends no events: it {why}")
        return EventStream(emitter.listen(), timeout)

    def _emit(self, signal: str, task: Task, error: BaseException | None = None) -> None:
        emitter = self.emitter
        if emitter is not None:
            emitter.emit(json.dumps(self._event(signal, task, error)))

    def _event(self, signal: str, task: Task, error: BaseException | None) -> dict[str, Any]:
        return {
            "status": STATUSES.get(signal, signal),
            "id": task.id,
            "task": self._told_name(task),
            "retries": task.retries,
            "retry_delay": task.retry_delay,
            "execute_time": None if task.eta is None else clock.to_epoch(task.eta, self.utc),
            "error": signal in ERRORS,
            "traceback": None if error is None else Told(error).traceback,
            "queue": self.name,
            "at": round(clock.wall(), 6),
        }

    def _told_name(self, task: Task) -> str | None:
        name = self.registry.task_to_string(type(task))
        if name in self.registry:
            return name
        return None if type(task) is Task else task.name  # It could not be read, or is not known.
