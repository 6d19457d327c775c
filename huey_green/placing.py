# SPDX-License-Identifier: MIT
"""The part of a Huey by which tasks that belong together lie together, where it has shards.

The id of a task tells its shard. A task and all that follows it, and a chord with all its members,
are ended by transitions that concern each other, and each of those is one step on one server; so
their ids are made to tell the same shard. This is done once, before the first of them is enqueued.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from huey_green.exceptions import ConfigurationError, InvalidArgument
from huey_green.execution.outcome import Outcome
from huey_green.message import Delivery
from huey_green.stopping import Stopping
from huey_green.storage.placing import Placed, fitting_id, shard_of
from huey_green.task import Task
from huey_green.workflow import Member, chord, new_chord_id

if TYPE_CHECKING:
    from collections.abc import Callable

#: The shard of all tasks that have ``max_concurrency``. All on one, for those of two limits may
#: follow each other in a pipeline, and have to lie together then.
OF_LIMITED = 0

#: How often an id of an application's own making is made until it fits, for each shard.
TRIES = 40


class Placing(Stopping):
    """Mixed into Huey, which makes the attributes. Of a Huey without shards nothing is placed."""

    @property
    def _shard_count(self) -> int:
        """How many shards the present storage has; 0 where nothing has to be placed."""
        count: int = getattr(self._storage, "shard_count", 0)
        return count

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored; raises ``SerializationError``.

        Where there are shards it knows which one it goes to.
        """
        if not getattr(self._storage, "shard_count", 0):
            return super().serialize_task(task)
        shard = self._place(task)
        return Placed(super().serialize_task(task), shard)

    def _place(self, *tasks: Task) -> int:
        """Give these tasks, and all that follow them, ids that lie on one shard; return which.

        Ids that are known to somebody stay: one that was given, or that was placed before. Raises
        ``InvalidArgument`` when two of those do not lie together.
        """
        count = self._shard_count
        if not count:
            return 0
        found = list(_belonging(tasks))
        shard = self._shard_for(found, tasks[0], count)
        for task in found:
            if shard_of(task.id, count) != shard:
                task.id = _own_id(task, shard, count)
            task.made_id = None  # From here on others may know it.
        return shard

    def _shard_for(self, found: Sequence[Task], first: Task, count: int) -> int:
        reasons: dict[int, str] = {}
        for task in found:
            if task.max_concurrency is not None:
                reasons[OF_LIMITED] = f"max_concurrency of {self._name_of(task)}"
            elif task.claim is not None:
                reasons[shard_of(task.claim, count)] = (
                    f"the key of the unique {self._name_of(task)}"
                )
            if task.id != task.made_id:
                reasons.setdefault(shard_of(task.id, count), f"the id {task.id}")
        if len(reasons) > 1:
            told = "; ".join(f"{why} on shard {shard}" for shard, why in sorted(reasons.items()))
            raise InvalidArgument(
                f"tasks that belong together have to lie on one of the {count} shards, and these "
                f"cannot: {told}. Leave the choice of their ids to huey_green, or enqueue them one "
                "by one"
            )
        if reasons:
            return next(iter(reasons))
        return self._shard_of_kind(type(first)) if first.is_periodic else shard_of(first.id, count)

    def _shard_of_kind(self, kind: type[Task]) -> int:
        """Return the shard of a periodic task, whose scheduler enqueues it."""
        if kind.max_concurrency is not None:
            return OF_LIMITED
        return shard_of(self.registry.task_to_string(kind), self._shard_count)

    def _name_of(self, task: Task) -> str:
        return self.registry.task_to_string(type(task))

    def _place_chord(self, whole: chord) -> Callable[[], str]:
        """Place all tasks of a chord; return what makes ids of chords that lie with them."""
        count = self._shard_count
        if not count:
            return new_chord_id
        return partial(fitting_id, self._place(*_tasks_of(whole)), count)

    def _stop_waiting(self, ids: set[str]) -> set[str]:
        count = self._shard_count
        if not count:
            return super()._stop_waiting(ids)
        # Each on its own shard alone, with whatever brings it: others may be away.
        found: set[str] = set()
        for shard in {shard_of(one, count) for one in ids}:
            there = {one for one in ids if shard_of(one, count) == shard}
            found |= _OnOneShard(self, shard)._stop_waiting(there)
        return found

    def _apply(self, delivery: Delivery, outcome: Outcome) -> None:
        # Of a task that is run by hand: what it leaves goes where it lies.
        if self._shard_count and outcome.events and not isinstance(delivery.body, Placed):
            shard = shard_of(outcome.events[0][1].id, self._shard_count)
            delivery = delivery._replace(body=Placed(delivery.body, shard))
        super()._apply(delivery, outcome)


class _OnOneShard(Stopping):
    """A Huey that knows one of its shards alone."""

    def __init__(self, huey: Placing, shard: int) -> None:
        vars(self).update(vars(huey))
        self.storage = self._storage = vars(huey)["_storage"].shards[shard]


def _tasks_of(member: Member) -> Iterator[Task]:
    """Yield the tasks that a chord consists of, but for those that follow them."""
    waiting = [member]
    while waiting:
        one = waiting.pop()
        if isinstance(one, chord):
            waiting += [one.callback, *reversed(one.tasks)]
        else:
            yield one


def _belonging(tasks: Sequence[Task]) -> Iterator[Task]:
    """Yield tasks and all that follow them, each once."""
    seen: set[int] = set()
    waiting: list[Task | None] = list(reversed(tasks))
    while waiting:
        task = waiting.pop()
        if task is None or id(task) in seen:
            continue
        seen.add(id(task))
        yield task
        callback = None if task.chord is None else task.chord.callback
        waiting += (callback, task.on_error, task.on_complete)


def _own_id(task: Task, shard: int, count: int) -> str:
    """Return a new id for a task that lies on a shard, as its class makes ids."""
    if type(task).create_id is Task.create_id:
        return fitting_id(shard, count)
    for _ in range(TRIES * count):
        made = task.create_id()
        if shard_of(made, count) == shard:
            return made
    raise ConfigurationError(
        f"create_id() of {type(task).__name__} made no id that lies on shard {shard} of {count}, "
        "with what the task belongs to: let the ids differ more"
    )
