# SPDX-License-Identifier: MIT
"""The Protocols by which tasks and results reach the Huey they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from huey_green.storage.base import BaseStorage

if TYPE_CHECKING:
    from huey_green.registry import Registry
    from huey_green.result import ResultGroup
    from huey_green.task import Task


class ResultSource(Protocol):
    """What a ``Result`` needs: the store, revocation, and a way to enqueue again."""

    @property
    def storage(self) -> BaseStorage:
        """Where results are kept."""

    def decode_result(self, data: bytes) -> Any:
        """Return a stored value as the object it was."""

    def revoke(
        self, task: Task, revoke_until: datetime | None = None, revoke_once: bool = False
    ) -> None:
        """Keep ``task`` from running."""

    def restore(self, task: Task) -> bool:
        """Take ``revoke`` back."""

    def is_revoked(self, task: Any, timestamp: datetime | None = None, peek: bool = True) -> bool:
        """Say whether ``task``, or all of its kind, may not run."""

    def reschedule(self, task: Task, eta: datetime | None, delay: float | None) -> Any:
        """Enqueue a copy of ``task`` and revoke the original."""


class TaskHost(ResultSource, Protocol):
    """What a ``TaskWrapper`` needs: a registry, and a queue."""

    name: str
    utc: bool

    @property
    def registry(self) -> Registry:
        """Where task classes are found by name."""

    def enqueue(self, task: Task) -> Any:
        """Enqueue a task or a pipeline."""

    def enqueue_all(self, tasks: Iterable[Task]) -> ResultGroup:
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
