# SPDX-License-Identifier: MIT
"""Values, counters, progress and revocations, and whoever waits for one of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence

from huey_green import clock
from huey_green.storage.base import LOOK_AGAIN, BaseStorage
from huey_green.storage.sqlite import notes, values, waiting
from huey_green.storage.sqlite.database import Database
from huey_green.storage.sqlite.statements import change, rows
from huey_green.storage.watch import Watch

#: What one can wait for: a ready message, or news under a key.
READY = "ready"
NEWS = "news:"

#: What a key begins with under which the progress of a task is news.
PROGRESS = "p:"


class SqliteResults(BaseStorage):
    """What tasks leave behind, in the file; a call may be carried out by another native thread."""

    _database: Database

    def _start_waiting(self) -> None:
        self._watch = Watch(self._look)
        # What the last fetch saw, and how many marks we had set by then.
        self._revoked = (True, 0)
        self._marks = 0
        self._newest_progress = 0

    def _delete(self, condition: str, *args: str | bytes) -> int:
        return self._database.write(change, f"DELETE FROM {condition}", self.name, *args)

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self._database.write(values.put, self.name, [(key, value)])
        self._watch.tell([NEWS + key])

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._database.read(values.peek, self.name, keys, self.time())

    def pop_data(self, key: str) -> bytes | None:
        return self._database.write(values.pop, self.name, key, self.time())

    def delete_if(self, key: str, value: bytes) -> bool:
        return self._database.write(values.delete_if, self.name, key, value, self.time())

    def has_data_for_key(self, key: str) -> bool:
        return bool(self._database.read(values.present, self.name, [key], self.time()))

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        now = self.time()
        stored = self._database.write(values.put_if_empty, self.name, key, value, ttl, now)
        if stored:
            self._watch.tell([NEWS + key])
        return stored

    def result_store_size(self) -> int:
        return self._database.read(values.size, self.name, self.time())

    def result_items(self) -> dict[str, bytes]:
        return self._database.read(values.items, self.name, self.time())

    def flush_results(self) -> None:
        self._delete("green_value WHERE queue = ?")

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        return self._database.write(values.incr, self.name, key, amount)

    def delete_counter(self, key: str) -> None:
        self._delete("green_counter WHERE queue = ? AND key = ?", key)

    def flush_counters(self) -> None:
        self._delete("green_counter WHERE queue = ?")

    # Progress.

    def put_progress(self, task_id: str, data: bytes) -> None:
        self._database.write(notes.put_progress, self.name, task_id, data)
        self._watch.tell([NEWS + PROGRESS + task_id])

    def peek_progress(self, task_id: str) -> bytes | None:
        return self._database.read(notes.peek_progress, self.name, task_id)

    # Revocation marks.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        self._database.write(values.put_revocation, self.name, key, value, ttl, self.time())
        self._marks += 1

    def has_revocations(self) -> bool:
        seen, marks = self._revoked
        return seen or marks != self._marks

    # Waiting.

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        ends_at = float("inf") if timeout is None else clock.monotonic() + timeout
        with self._watch.waiting_for(*(NEWS + key for key in keys)) as waiter:
            while not is_ready():
                now = clock.monotonic()
                if now >= ends_at:
                    return False
                self._watch.wait(waiter, min(ends_at, now + LOOK_AGAIN))
        return True

    def _look(self, awaited: Callable[[], Collection[str]]) -> list[str]:
        return self._database.read(self._look_here, awaited)

    def _look_here(
        self, db: sqlite3.Connection, awaited: Callable[[], Collection[str]]
    ) -> list[str]:
        """Return the topics that may have come true, if others wrote since the last look."""
        if not self._database.has_changed(db):
            return []
        before, self._newest_progress = self._newest_progress, notes.newest_progress(db)
        topics = awaited()
        keys = [topic.removeprefix(NEWS) for topic in topics if topic.startswith(NEWS)]
        ids = [key.removeprefix(PROGRESS) for key in keys if key.startswith(PROGRESS)]
        told = values.present(db, self.name, keys, self.time())
        told += [PROGRESS + task for task in notes.progress_after(db, self.name, ids, before)]
        is_ready = READY in topics and self._is_ready(db)
        return [*(NEWS + key for key in told), *([READY] if is_ready else [])]

    def _is_ready(self, db: sqlite3.Connection) -> bool:
        """Say whether a message is ready; note whether there are revocations."""
        marks = self._marks  # One that is set while we look is not overlooked.
        sql = (
            f"SELECT EXISTS (SELECT 1 FROM green_message WHERE {waiting.READY}),"
            " EXISTS (SELECT 1 FROM green_value WHERE queue = ? AND revocation = 1"
            " AND (expires_at IS NULL OR expires_at > ?))"
        )
        [(is_ready, is_revoked)] = rows(db, sql, self.name, self.name, self.time())
        self._revoked = (bool(is_revoked), marks)
        return bool(is_ready)
