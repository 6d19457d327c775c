# SPDX-License-Identifier: MIT
"""The part of Huey that keeps tasks from running, and stops those that run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green.exceptions import InvalidArgument, TaskCanceled, UnreadableMessage
from huey_green.execution.executor import Executor
from huey_green.fingerprint import check_call, fingerprint
from huey_green.keeping import checked_id, checked_ids
from huey_green.message import Claim, Delivery, Message
from huey_green.reporting import Reporting
from huey_green.revocation import TASK_KEPT, Revocations, all_of, one_call
from huey_green.serializer import Serializer
from huey_green.storage.base import BaseStorage
from huey_green.task import Task, arguments_of
from huey_green.task_options import check_arguments
from huey_green.wire import decode_message

#: Most messages in one place that are looked through for a canceled task. In a longer queue the
#: mark alone stops it, when its turn comes.
LOOK_THROUGH = 100_000


class Stopping(Reporting):
    """Mixed into Huey, which makes the attributes."""

    executor: Executor
    at_most_once: bool
    _immediate: bool
    _storage: BaseStorage

    @property
    def _revocations(self) -> Revocations:
        return Revocations(self.storage, self.serializer, self.utc)

    # Revoking.

    def revoke(
        self,
        task: Any,
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep ``task`` from running; see ``Result.revoke``.

        A task's function, class or name stands for all its calls, or with ``args`` and
        ``kwargs`` for those with these arguments.
        """
        if revoke_until is not None and not isinstance(revoke_until, datetime):
            raise InvalidArgument(
                f"revoke_until is a datetime, not {revoke_until!r} (arguments go into args=)"
            )
        key = self._revocation_key(task, args, kwargs)
        kept = TASK_KEPT if isinstance(task, Task) else None
        self._revocations.revoke(key, revoke_until, revoke_once, kept)

    def revoke_by_id(
        self,
        id: str,  # noqa: A002 - huey's name
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep the task with this id from running: for good, until a moment, or once."""
        self.revoke(Task(id=checked_id(id)), revoke_until, revoke_once)

    def revoke_all(
        self,
        task_class: type[Task],
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep all tasks of a class from running; see ``TaskWrapper.revoke``."""
        self.revoke(self.class_of(task_class), revoke_until, revoke_once)

    def restore(
        self,
        task: Any,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take ``revoke`` back; say whether there was anything to take back."""
        return self._revocations.restore(self._revocation_key(task, args, kwargs))

    def restore_by_id(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Take ``revoke_by_id`` back; say whether there was anything to take back."""
        return self.restore(Task(id=checked_id(id)))

    def restore_all(self, task_class: type[Task]) -> bool:
        """Take ``revoke_all`` back; say whether there was anything to take back."""
        return self.restore(self.class_of(task_class))

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether a task, a task class or a task function may not run, now or then.

        A naive ``timestamp`` is local time, as in ``revoke_until``.
        """
        if timestamp is not None and not isinstance(timestamp, datetime):
            raise InvalidArgument(f"timestamp is a datetime, not {timestamp!r}")
        now = clock.wall() if timestamp is None else clock.to_epoch(timestamp, utc=False)
        if isinstance(task, Task):
            return self._reason(task, now, peek) is not None
        name = self.registry.task_to_string(self.class_of(task))
        return self._revocations.reason([all_of(name)], now, peek) is not None

    def may_be_revoked(self) -> bool:
        """Say whether the store may hold a revocation of anything."""
        # In immediate mode nothing is fetched, by which the storage would have learned of them.
        return self._immediate or self._storage.has_revocations()

    def reason_not_to_run(self, task: Task, now: float) -> str | None:
        """Return the signal that tells why a task that was fetched may not run; None if it may.

        ``now`` is in epoch seconds. The store is asked only when it may hold a revocation.
        """
        return self.reason_revoked(task, now) if self.may_be_revoked() else None

    def reason_revoked(self, task: Task, now: float) -> str | None:
        """Ask the store for ``reason_not_to_run``; a mark for one time is used up by it."""
        return self._reason(task, now, peek=False)

    def is_canceled(self, task: Task) -> bool:
        """Say whether a task that was fetched is canceled; the mark is used up by it."""
        return self.may_be_revoked() and self._revocations.take_canceled(task.revoke_id)

    def _reason(self, task: Task, now: float, peek: bool) -> str | None:
        name = self.registry.task_to_string(type(task))
        keys = [task.revoke_id, all_of(name)]
        if name in self.registry:  # Else it is a bare Task with an id and nothing more.
            keys.append(one_call(name, self._fingerprint(task)))
        return self._revocations.reason(keys, now, peek)

    def _fingerprint(self, task: Task) -> str:
        return fingerprint(*arguments_of(task), self.serializer.serialize)

    def _revocation_key(
        self, task: Any, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> str:
        has_arguments = args is not None or kwargs is not None
        if isinstance(task, Task):
            if has_arguments:
                raise InvalidArgument("args and kwargs go with a task's function or name")
            return task.revoke_id
        task_class = self.class_of(task)
        name = self.registry.task_to_string(task_class)
        if not has_arguments:
            return all_of(name)
        check_arguments(args, kwargs)
        call = task_class(args, kwargs)
        check_call(*arguments_of(call))
        return one_call(name, self._fingerprint(call))

    # Canceling.

    def cancel(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Stop the task with this id wherever it is; see ``Result.cancel``."""
        return id in self.cancel_many([checked_id(id)])

    def cancel_many(self, ids: Iterable[str]) -> set[str]:
        """Stop the tasks with these ids; return those that had not ended.

        All are looked for at once, where ``cancel`` would go through the queue for each.
        """
        wanted = set(checked_ids(ids))
        for one in wanted:
            # First the mark, then the note: whoever begins it after the one sees it, and
            # whoever runs it already sees the other.
            self._revocations.cancel(Task(id=one).revoke_id)
            self.storage.cancel(one)
        found = self.stop_marked(wanted)
        if self._may_run_without_lease():
            found.update(one for one in wanted - found if not self.storage.has_data_for_key(one))
        return found

    def stop_marked(self, ids: set[str]) -> set[str]:
        """Look for tasks that were just marked as canceled; return those that had not ended.

        What waits on the schedule ends at once. What is nowhere loses its mark.
        """
        found: set[str] = set()
        # Twice: what goes back while we look, from a consumer to the queue, escapes one look.
        for _ in range(2):
            found |= self._stop_waiting(ids - found)
        for one in ids - found:
            if not self._revocations.restore(Task(id=one).revoke_id):
                found.add(one)  # A consumer was quick, and has used the mark up.
        return found

    def _stop_waiting(self, ids: set[str]) -> set[str]:
        """Look for these tasks on the way that they go; return those that were found.

        On the schedule they end at once. Elsewhere the mark ends them when their turn comes, or
        the note where they run.
        """
        found: set[str] = set()
        storage = self.storage
        for items in (
            storage.scheduled_items,
            storage.parked_items,
            storage.enqueued_items,
            self._running_items,
        ):
            if found >= ids:
                break
            if items == storage.enqueued_items and storage.queue_size() > LOOK_THROUGH:
                return found | {one for one in ids if not storage.has_data_for_key(one)}
            for data, message in self._containing(ids, items()):
                if items == storage.scheduled_items and message.id in ids:
                    if self._end_scheduled(data, message):
                        found.add(message.id)
                else:
                    found |= ids.intersection(_ids_in(message))
                    if items != self._running_items and message.id in ids:
                        self._make_room(message)
        return found

    def _make_room(self, message: Message) -> None:
        """Let another task be unique in the place of one that waits to be found canceled."""
        if message.options is not None and message.options.claim is not None:
            self.storage.drop_claims([Claim(message.options.claim, message.id)])

    def _running_items(self) -> list[bytes]:
        return [one.body for one in self.storage.in_flight()]

    def _containing(self, ids: set[str], items: Iterable[bytes]) -> Iterator[tuple[bytes, Message]]:
        """Yield those of ``items`` that are one of these tasks, or bring one."""
        looked_for = [one.encode() for one in ids]
        # To look for a few strings in bytes is far quicker than to unpickle those.
        is_quick = (
            len(ids) < 10 and type(self.serializer) is Serializer and not self.serializer.comp
        )
        for data in items:
            if is_quick and not any(one in data for one in looked_for):
                continue
            try:
                message = decode_message(self.serializer, data)
            except UnreadableMessage:
                continue
            if not ids.isdisjoint(_ids_in(message)):
                yield data, message

    def _end_scheduled(self, data: bytes, message: Message) -> bool:
        """End a task on the schedule as canceled; False when it is there no more."""
        try:
            task = self.registry.create_task(message, self.utc)
        except UnreadableMessage:
            return True  # A consumer that knows it will find the mark.
        if not self.storage.remove_scheduled(data):
            return False
        self._revocations.restore(task.revoke_id)
        error = TaskCanceled("canceled before it ran")
        self._apply(Delivery(b""), self.executor.endings.canceled(task, error))
        return True

    def _may_run_without_lease(self) -> bool:
        """Say whether a task may run and be nowhere in the storage."""
        return (
            self.at_most_once
            or not self.storage.leases
            or any(task.at_most_once for task in self.registry.tasks.values())
        )


def _ids_in(message: Message | None) -> Iterator[str]:
    """Yield the id of a message and of all that may follow it."""
    if message is not None:
        yield message.id
        yield from _ids_in(message.on_complete)
        yield from _ids_in(message.on_error)
        if message.options is not None and message.options.chord is not None:
            yield from _ids_in(message.options.chord.callback)
