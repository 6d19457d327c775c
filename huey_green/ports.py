# SPDX-License-Identifier: MIT
"""The Protocols by which tasks and results reach the Huey they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from huey_green.progress import Progress
from huey_green.storage.base import BaseStorage

if TYPE_CHECKING:
    from huey_green.registry import Registry
    from huey_green.result import ResultGroup
    from huey_green.task import Expires, Task


class ResultSource(Protocol):
    """What a ``Result`` needs: the store, ways to stop a task, and one to enqueue it again."""

    @property
    def storage(self) -> BaseStorage:
        """Where results are kept."""

    def decode_result(self, data: bytes) -> Any:
        """Return a stored value as the object it was."""

    def revoke(
        self,
        task: Any,
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep ``task`` from running."""

    def restore(
        self,
        task: Any,
        *,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take ``revoke`` back."""

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether ``task``, or all of its kind, may not run."""

    def cancel(self, id: str) -> bool:  # noqa: A002 - huey's name
        """Stop the task with this id wherever it is."""

    def cancel_many(self, ids: Iterable[str]) -> set[str]:
        """Stop the tasks with these ids; return those that had not ended."""

    def get_progress(self, id: str) -> Progress | None:  # noqa: A002 - huey's name
        """Return how far the task with this id has come."""

    def reschedule(
        self,
        task: Task,
        eta: datetime | None,
        delay: float | timedelta | None,
        expires: Expires | None,
        priority: float | None,
        preserve_pipeline: bool,
    ) -> Any:
        """Enqueue a copy of ``task`` and revoke the original."""


class TaskHost(ResultSource, Protocol):
    """What a ``TaskWrapper`` and a running task need: a registry, a queue, a place for news."""

    name: str
    utc: bool

    @property
    def registry(self) -> Registry:
        """Where task classes are found by name."""

    def enqueue(self, task: Any) -> Any:
        """Enqueue a task or a pipeline."""

    def enqueue_many(self, tasks: Iterable[Any]) -> ResultGroup:
        """Enqueue independent tasks in as few round trips as the storage can."""

    def revoke_all(
        self,
        task_class: type[Task],
        revoke_until: datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep all tasks of a kind from running."""

    def restore_all(self, task_class: type[Task]) -> bool:
        """Take ``revoke_all`` back."""

    def put_progress(self, id: str, progress: Progress) -> None:  # noqa: A002 - huey's name
        """Keep how far the task with this id has come, and wake who waits for news of it."""
