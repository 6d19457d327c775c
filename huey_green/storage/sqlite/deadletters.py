# SPDX-License-Identifier: MIT
"""Dead letters, each transition a function to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from huey_green.message import Claim, DeadLetter, Outgoing
from huey_green.storage.base import decode_dead, encode_dead, signed
from huey_green.storage.sqlite import chords, claiming, waiting
from huey_green.storage.sqlite.statements import rows


def bury(db: sqlite3.Connection, queue: str, consumer: str, letters: Iterable[DeadLetter]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO green_dead (queue, id, died_at, letter) VALUES (?, ?, ?, ?)",
        [(queue, one.id, one.died_at, encode_dead(signed(one, consumer))) for one in letters],
    )


def newest(db: sqlite3.Connection, queue: str, limit: int) -> list[DeadLetter]:
    sql = "SELECT letter FROM green_dead WHERE queue = ? ORDER BY died_at DESC, rowid DESC LIMIT ?"
    return [decode_dead(letter) for (letter,) in rows(db, sql, queue, limit)]


def requeue(db: sqlite3.Connection, queue: str, ids: Sequence[str] | None, now: float) -> int:
    """Enqueue dead letters again that get their claim, or have none; return how many."""
    moved = []
    for letter in _found(db, queue, ids):
        claim = None if letter.claim is None else Claim(letter.claim, letter.id)
        if claim is None or claiming.take(db, queue, claim, None, now) is None:
            moved.append(letter)
    _delete(db, queue, moved)
    # The result is that of its death.
    sql = "DELETE FROM green_value WHERE queue = ? AND key = ?"
    db.executemany(sql, [(queue, one.id) for one in moved])
    waiting.enqueue(db, queue, [Outgoing(one.body, one.priority) for one in moved])
    return len(moved)


def delete(db: sqlite3.Connection, queue: str, ids: Sequence[str] | None) -> int:
    """Delete dead letters, and the values of the chords that they were to join."""
    found = _found(db, queue, ids)
    _delete(db, queue, found)
    chords.forget(db, queue, [one.joins for one in found if one.joins is not None])
    return len(found)


def _found(db: sqlite3.Connection, queue: str, ids: Sequence[str] | None) -> list[DeadLetter]:
    """Return dead letters: in the order of ``ids``; when None all, by their deaths."""
    if ids is None:
        return newest(db, queue, -1)[::-1]
    sql = "SELECT letter FROM green_dead WHERE queue = ? AND id = ?"
    return [
        decode_dead(letter) for one in dict.fromkeys(ids) for (letter,) in rows(db, sql, queue, one)
    ]


def _delete(db: sqlite3.Connection, queue: str, letters: Iterable[DeadLetter]) -> None:
    sql = "DELETE FROM green_dead WHERE queue = ? AND id = ?"
    db.executemany(sql, [(queue, one.id) for one in letters])
