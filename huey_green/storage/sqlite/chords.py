# SPDX-License-Identifier: MIT
"""What the members of chords left, each transition to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from huey_green import clock
from huey_green.message import Member
from huey_green.storage.sqlite import waiting
from huey_green.storage.sqlite.statements import change, rows


def note(db: sqlite3.Connection, queue: str, members: Iterable[Member]) -> None:
    """Note members, each once; the one that completes its chord enqueues the callback."""
    for chord, index, size, value, callback in members:
        sql = "INSERT OR IGNORE INTO green_member (queue, chord, position, value)"
        if not change(db, f"{sql} VALUES (?, ?, ?, ?)", queue, chord, index, value):
            continue
        change(
            db,
            "INSERT INTO green_chord (queue, chord, noted, noted_at) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (queue, chord) DO UPDATE SET noted = noted + 1,"
            " noted_at = excluded.noted_at",
            queue,
            chord,
            clock.wall(),
        )
        sql = "SELECT noted FROM green_chord WHERE queue = ? AND chord = ?"
        [(noted,)] = rows(db, sql, queue, chord)
        if noted == size:
            waiting.enqueue(db, queue, [callback])


def forget(db: sqlite3.Connection, queue: str, chords: Sequence[str]) -> None:
    for table in ("green_member", "green_chord"):
        sql = f"DELETE FROM {table} WHERE queue = ? AND chord = ?"
        db.executemany(sql, [(queue, chord) for chord in chords])


def noted_values(db: sqlite3.Connection, queue: str, chord: str, size: int) -> list[bytes | None]:
    """Return the values of a chord by position, None where none was noted."""
    sql = "SELECT position, value FROM green_member WHERE queue = ? AND chord = ?"
    found = dict(rows(db, sql, queue, chord))
    return [found.get(index) for index in range(size)]
