# SPDX-License-Identifier: MIT
"""huey's old queue, data store and schedule in a SQLite file, over the present storage."""

from __future__ import annotations

from typing import Any

from huey_green.compat.kept_parts import KeptDataStore, KeptQueue, KeptSchedule
from huey_green.storage.sqlite import SqliteStorage
from huey_green.storage.sqlite.statements import change
from huey_green.storage.sqlite.waiting import READY


class _Storage(SqliteStorage):
    def remove(self, data: bytes) -> int:
        """Delete the ready messages that equal ``data``; return how many."""
        delete = f"DELETE FROM green_message WHERE {READY} AND body = ?"
        return self._database.write(change, delete, self.name, data)


class _InFile:
    def __init__(self, name: str, location: str, **connection: Any) -> None:
        """``location`` is a file, which is made if it is not there."""
        super().__init__(name, location=location, **connection)  # type: ignore[call-arg]
        self.storage = _Storage(name, filename=location, **connection)

    @property
    def place(self) -> str:
        """What is the same for all parts in one file."""
        return f"SQLite {self.storage.filename}"


class SqliteQueue(_InFile, KeptQueue):
    """A queue in a file."""

    def remove(self, data: bytes) -> int:
        return self.storage.remove(data)

    def storage_with(
        self, store: SqliteDataStore | None, schedule: SqliteDataStore | SqliteSchedule | None
    ) -> SqliteStorage:
        """Return the storage of this queue and of those parts, which are in the same file.

        They go by the queue's name from now on: in a file each name has a queue, a schedule and
        results of its own.
        """
        for part in (store, schedule):
            if part is not None:
                part.storage = self.storage
        return self.storage


class SqliteDataStore(_InFile, KeptDataStore):
    """Values in a file."""


class SqliteSchedule(_InFile, KeptSchedule):
    """Messages by moment in a file."""


__all__ = ["SqliteDataStore", "SqliteQueue", "SqliteSchedule"]
