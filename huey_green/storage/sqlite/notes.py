# SPDX-License-Identifier: MIT
"""Short-lived notes on tasks: that they are to be stopped, and how far they have come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from huey_green import clock
from huey_green.storage.base import CANCEL_KEPT
from huey_green.storage.sqlite.statements import change, rows, with_keys


def cancel(db: sqlite3.Connection, queue: str, task_id: str, now: float) -> None:
    change(db, "DELETE FROM green_cancel WHERE queue = ? AND at <= ?", queue, now - CANCEL_KEPT)
    sql = "INSERT OR REPLACE INTO green_cancel (queue, task, at) VALUES (?, ?, ?)"
    change(db, sql, queue, task_id, now)


def canceled(db: sqlite3.Connection, queue: str, since: float) -> list[str]:
    sql = "SELECT task FROM green_cancel WHERE queue = ? AND at >= ?"
    return [task_id for (task_id,) in rows(db, sql, queue, since)]


def put_progress(db: sqlite3.Connection, queue: str, task_id: str, data: bytes) -> None:
    sql = "INSERT OR REPLACE INTO green_progress (queue, task, data, told_at) VALUES (?, ?, ?, ?)"
    change(db, sql, queue, task_id, data, clock.wall())


def peek_progress(db: sqlite3.Connection, queue: str, task_id: str) -> bytes | None:
    sql = "SELECT data FROM green_progress WHERE queue = ? AND task = ?"
    found = rows(db, sql, queue, task_id)
    return found[0][0] if found else None


def forget_progress(db: sqlite3.Connection, queue: str, task_ids: Iterable[str]) -> None:
    sql = "DELETE FROM green_progress WHERE queue = ? AND task = ?"
    db.executemany(sql, [(queue, task_id) for task_id in task_ids])


def newest_progress(db: sqlite3.Connection) -> int:
    """Return a number that all later progress is above of."""
    [(newest,)] = rows(db, "SELECT COALESCE(MAX(id), 0) FROM green_progress")
    return int(newest)


def progress_after(
    db: sqlite3.Connection, queue: str, task_ids: Sequence[str], newest: int
) -> list[str]:
    """Return those of ``task_ids`` that have told their progress since ``newest`` was."""
    sql = "SELECT task FROM green_progress WHERE queue = ? AND id > ? AND task"
    return [task_id for (task_id,) in with_keys(db, sql, task_ids, queue, newest)]
