# SPDX-License-Identifier: MIT
"""Dead letters, each transition a function to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from huey_green.message import DeadLetter
from huey_green.storage.base import decode_dead, encode_dead
from huey_green.storage.sqlite.statements import change, rows


def bury(db: sqlite3.Connection, queue: str, letters: Iterable[DeadLetter]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO green_dead (queue, id, died_at, letter) VALUES (?, ?, ?, ?)",
        [(queue, one.id, one.died_at, encode_dead(one)) for one in letters],
    )


def newest(db: sqlite3.Connection, queue: str, limit: int) -> list[DeadLetter]:
    sql = "SELECT letter FROM green_dead WHERE queue = ? ORDER BY died_at DESC, rowid DESC LIMIT ?"
    return [decode_dead(letter) for (letter,) in rows(db, sql, queue, limit)]


def exhume(db: sqlite3.Connection, queue: str, ids: Sequence[str] | None) -> list[DeadLetter]:
    """Remove and return dead letters: in the order of ``ids``; when None all, by their deaths."""
    if ids is None:
        letters = newest(db, queue, -1)[::-1]
        change(db, "DELETE FROM green_dead WHERE queue = ?", queue)
        return letters
    letters = []
    for one in ids:
        row = "FROM green_dead WHERE queue = ? AND id = ?"
        letters += [
            decode_dead(letter) for (letter,) in rows(db, f"SELECT letter {row}", queue, one)
        ]
        change(db, f"DELETE {row}", queue, one)
    return letters
