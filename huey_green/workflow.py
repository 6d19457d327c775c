# SPDX-License-Identifier: MIT
"""Groups and chords: tasks side by side, and what is called with all their values."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from copy import copy
from typing import TYPE_CHECKING, Any, Union

from huey_green.exceptions import InvalidArgument
from huey_green.message import Joined, Place
from huey_green.task import Task, signature

if TYPE_CHECKING:
    from huey_green.wrapper import TaskWrapper

Member = Union[Task, "chord"]
#: What a user may give as one: a function that needs no arguments as well.
Given = Union[Task, "chord", "TaskWrapper[[], Any]"]


class group:  # noqa: N801 - huey's name
    """Tasks that run side by side. ``huey.enqueue`` gives a ``ResultGroup`` for it."""

    def __init__(self, tasks: Iterable[Given]) -> None:
        self.tasks = _members(tasks, "group")

    def then(self, task: Any, *args: Any, **kwargs: Any) -> chord:
        """Return a chord: ``task`` is called with the list of all values, after ``args``."""
        return chord(self.tasks, signature(task, args, kwargs))

    def error(self, task: Any, *args: Any, **kwargs: Any) -> group:
        """Run ``task`` for each member that raises, with the exception as its last argument."""
        for member in self.tasks:
            one = _another(task) if isinstance(task, Task) else task
            member.error(one, *args, **kwargs)
        return self

    def __len__(self) -> int:
        return len(self.tasks)

    def __repr__(self) -> str:
        return f"<group of {len(self.tasks)} tasks>"


class chord:  # noqa: N801 - huey's name
    """Tasks that run side by side, and a callback that is called with the list of their values.

    In the list a member that failed is an ``Error``, one that was not run (revoked, expired,
    canceled) ``SKIPPED``. A member may be a pipeline, whose last value counts, or a chord,
    whose callback's does. A chord without members calls its callback with ``[]``.
    ``huey.enqueue`` gives a ``ChordResult`` for it.
    """

    def __init__(self, tasks: Iterable[Given], callback: Any) -> None:
        self.tasks = _members(tasks, "chord")
        self.callback = signature(callback, (), {})

    def then(self, task: Any, *args: Any, **kwargs: Any) -> chord:
        """Run ``task`` after the callback, with its value."""
        self.callback.then(task, *args, **kwargs)
        return self

    def error(self, task: Any, *args: Any, **kwargs: Any) -> chord:
        """Run ``task`` when the callback raises, with the exception as its last argument."""
        self.callback.error(task, *args, **kwargs)
        return self

    def __repr__(self) -> str:
        return f"<chord of {len(self.tasks)} tasks, then {self.callback!r}>"


def _members(tasks: Iterable[Any], kind: str) -> list[Member]:
    if isinstance(tasks, (Task, chord, group)) or not isinstance(tasks, Iterable):
        raise InvalidArgument(f"a {kind} takes a list of tasks, not {tasks!r}")
    members = []
    for one in tasks:
        if isinstance(one, group):
            raise InvalidArgument(
                f"a group cannot be a member of a {kind}: give it a callback with .then(), which "
                "makes it a chord"
            )
        members.append(one if isinstance(one, chord) else signature(one, (), {}))
    seen: set[int] = set()
    for member in members:
        if id(member) in seen:
            raise InvalidArgument(f"{member!r} is in the {kind} twice: make a task for each")
        seen.add(id(member))
    return members


def _another(task: Task) -> Task:
    """Return a task like this one, with an id of its own; so is what follows it."""
    made = copy(task)
    made.id = made.made_id = task.create_id()
    made.kwargs = dict(task.kwargs)
    if task.on_complete is not None:
        made.on_complete = _another(task.on_complete)
    if task.on_error is not None:
        made.on_error = _another(task.on_error)
    return made


def tail(member: Member) -> Task:
    """Return the task whose value stands for a member: the last of a pipeline, or of a chord's."""
    last = member.callback if isinstance(member, chord) else member
    return last.pipeline()[-1]


def new_chord_id() -> str:
    """Return a new unique id."""
    return str(uuid.uuid4())


def prepare(whole: chord, new_id: Callable[[], str] = new_chord_id) -> list[Task]:
    """Give all members their places; return the tasks to enqueue, those of inner chords too.

    ``new_id`` makes the ids of the chords.
    """
    chord_id = new_id()
    size = len(whole.tasks)
    whole.callback.joins = Joined(chord_id, size)
    if size == 0:
        return [whole.callback]
    first: list[Task] = []
    for index, member in enumerate(whole.tasks):
        tail(member).chord = Place(chord_id, index, size, whole.callback)
        first += prepare(member, new_id) if isinstance(member, chord) else [member]
    return first
