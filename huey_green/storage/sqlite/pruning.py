# SPDX-License-Identifier: MIT
"""What has ended and nobody came for, found and deleted, each to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from huey_green.message import Retention
from huey_green.storage.base import CANCEL_KEPT, CHORD_KEPT, PROGRESS_KEPT
from huey_green.storage.sqlite import chords
from huey_green.storage.sqlite.statements import change, rows

#: Rows of one table that one transaction deletes: about ten milliseconds.
AT_ONCE = 1000


class _Ended(NamedTuple):
    """Rows of ``table``, which ``key`` names, whose ``column`` is ``kept`` seconds ago."""

    table: str
    key: str
    column: str
    kept: float = 0.0

    @property
    def rows(self) -> str:
        return f"FROM {self.table} WHERE queue = ? AND {self.column} <= ?"


_ENDED = (
    _Ended("green_value", "key", "expires_at"),
    _Ended("green_claim", "key", "expires_at"),
    _Ended("green_hit", "rowid", "ends_at"),
    _Ended("green_once", "key", "expires_at"),
    _Ended("green_cancel", "task", "at", CANCEL_KEPT),
    _Ended("green_progress", "task", "told_at", PROGRESS_KEPT),
)
_CHORDS = _Ended("green_chord", "chord", "noted_at", CHORD_KEPT)


def is_anything_ended(db: sqlite3.Connection, queue: str, now: float) -> bool:
    sql = " OR ".join(f"EXISTS (SELECT 1 {one.rows})" for one in (*_ENDED, _CHORDS))
    moments = [part for one in (*_ENDED, _CHORDS) for part in (queue, now - one.kept)]
    return bool(rows(db, f"SELECT {sql}", *moments)[0][0])


def forget_ended(db: sqlite3.Connection, queue: str, now: float) -> None:
    """Delete some of what has ended; there may be more."""
    for one in _ENDED:
        some = f"SELECT {one.key} {one.rows} LIMIT {AT_ONCE}"
        sql = f"DELETE FROM {one.table} WHERE queue = ? AND {one.key} IN ({some})"
        change(db, sql, queue, queue, now - one.kept)
    sql = f"SELECT chord {_CHORDS.rows} LIMIT {AT_ONCE}"
    chords.forget(db, queue, [chord for (chord,) in rows(db, sql, queue, now - CHORD_KEPT)])


def not_to_keep(
    db: sqlite3.Connection, queue: str, retention: Retention, limit: int, now: float
) -> list[str]:
    """Return the ids of up to ``limit`` dead letters beyond ``retention``, the oldest first."""
    oldest = "FROM green_dead WHERE queue = ? ORDER BY died_at, rowid LIMIT ?"
    number = 0
    if retention.dead_limit is not None:
        [(number,)] = rows(db, "SELECT COUNT(*) FROM green_dead WHERE queue = ?", queue)
        number -= retention.dead_limit
    if retention.dead_ttl is not None:
        sql = "SELECT COUNT(*) FROM green_dead WHERE queue = ? AND died_at <= ?"
        [(old,)] = rows(db, sql, queue, now - retention.dead_ttl)
        number = max(number, old)
    found = rows(db, f"SELECT id {oldest}", queue, max(0, min(number, limit)))
    return [key for (key,) in found]
