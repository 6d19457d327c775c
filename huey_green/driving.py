# SPDX-License-Identifier: MIT
"""The part of Huey by which a program, or its tests, runs tasks by hand and without a consumer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green import signals as s
from huey_green.enqueueing import Enqueueing
from huey_green.exceptions import InvalidArgument, UnreadableMessage
from huey_green.execution.outcome import Outcome
from huey_green.message import Delivery
from huey_green.task import PeriodicTask, Task


class Driving(Enqueueing):
    """Mixed into Huey, which makes the attributes. No lease is taken here: a task that was
    dequeued and not executed is gone."""

    def dequeue(self) -> Task | None:
        """Remove and return the next task, None when there is none.

        Raises ``UnreadableMessage`` for bytes that are no task of this application.
        """
        data = self.storage.dequeue()
        return None if data is None else self.deserialize_task(data)

    def execute(self, task: Task, timestamp: datetime | None = None) -> Any:
        """Do with a task what a consumer does, here and now; return its value.

        Its result, its retry and what follows it are stored. A task whose time has not come
        goes to the schedule; one that is revoked or has expired is not run. Returns None
        then, and when it failed. ``timestamp`` is a naive datetime, in UTC or local time as
        this Huey has it, in place of the present.
        """
        _check_task("execute", task)
        now = self._moment(timestamp)
        delivery = Delivery(b"")
        if not self.ready_to_run(task, timestamp):
            self.add_schedule(task)
            return None
        admitted = self.executor.admit(task, now, self.reason_revoked)
        outcome = admitted if isinstance(admitted, Outcome) else self._run(admitted)
        self._apply(delivery, outcome)
        for member in outcome.effects.extra.members:
            if None not in self.storage.chord_values(member.chord, member.size):
                callback = self.deserialize_task(member.callback.body)
                self.signals.send(s.SIGNAL_ENQUEUED, callback)
        return outcome.value

    def _run(self, task: Task) -> Outcome:
        claim = task.held_claim()
        if claim is not None and task.unique_until == "start":
            self.storage.drop_claims([claim])
        return self.executor.execute(task)

    def add_schedule(self, task: Task) -> None:
        """Put a task on the schedule until its ``eta``, or with none at once due."""
        _check_task("add_schedule", task)
        at = clock.wall() if task.eta is None else clock.to_epoch(task.eta, self.utc)
        self.storage.add_to_schedule(self.serialize_task(task), datetime.fromtimestamp(at))
        self.signals.send(s.SIGNAL_SCHEDULED, task)

    def read_schedule(self, timestamp: datetime | None = None) -> list[Task]:
        """Remove and return the scheduled tasks that are due now, or at ``timestamp``.

        What cannot be read goes to the dead letters.
        """
        tasks = []
        moment = datetime.fromtimestamp(self._moment(timestamp))
        for data in self.storage.read_schedule(moment):
            try:
                tasks.append(self.deserialize_task(data))
            except UnreadableMessage as error:
                delivery = Delivery(data)
                self._apply(delivery, self.executor.endings.unreadable(delivery, None, error))
        return tasks

    def read_periodic(self, timestamp: datetime | None = None) -> list[PeriodicTask]:
        """Return the periodic tasks that are to run in the minute of ``timestamp``, or now."""
        now = self._moment(timestamp)
        return [task for task in self.registry.periodic_tasks if self._is_due(task, now)]

    def _is_due(self, task: PeriodicTask, now: float) -> bool:
        occurrences = getattr(type(task).validator, "occurrences", None)
        if occurrences is None:
            return bool(task.validate_datetime(clock.from_epoch(now, self.utc)))
        minute = now // 60 * 60
        return bool(occurrences(minute - 0.001, minute + 59.999))

    def ready_to_run(self, task: Task, timestamp: datetime | None = None) -> bool:
        """Say whether a task's ``eta`` has come, now or at ``timestamp``."""
        _check_task("ready_to_run", task)
        return task.eta is None or clock.to_epoch(task.eta, self.utc) <= self._moment(timestamp)

    def _moment(self, timestamp: datetime | None) -> float:
        if timestamp is None:
            return clock.wall()
        if not isinstance(timestamp, (datetime, int, float)):
            raise InvalidArgument(f"timestamp is a datetime, not {timestamp!r}")
        return clock.to_epoch(timestamp, self.utc)


def _check_task(call: str, task: Any) -> None:
    if not isinstance(task, Task):
        raise InvalidArgument(f"{call} takes a task, not {task!r}")
