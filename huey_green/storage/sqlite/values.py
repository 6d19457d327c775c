# SPDX-License-Identifier: MIT
"""Results, other values and counters, each transition to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from huey_green.storage.sqlite.statements import change, rows, with_keys

_LIVE = "FROM green_value WHERE queue = ? AND (expires_at IS NULL OR expires_at > ?)"


def put(db: sqlite3.Connection, queue: str, pairs: Iterable[tuple[str, bytes]]) -> None:
    db.executemany(
        "INSERT INTO green_value (queue, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (queue, key) DO UPDATE SET value = excluded.value, expires_at = NULL",
        [(queue, key, value) for key, value in pairs],
    )


def put_ending(
    db: sqlite3.Connection, queue: str, pairs: Iterable[tuple[str, bytes]], ends_at: float
) -> None:
    db.executemany(
        "INSERT INTO green_value (queue, key, value, expires_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (queue, key) DO UPDATE SET value = excluded.value,"
        " expires_at = excluded.expires_at",
        [(queue, key, value, ends_at) for key, value in pairs],
    )


def put_revocation(
    db: sqlite3.Connection, queue: str, key: str, value: bytes, ttl: float | None, now: float
) -> None:
    _forget_expired(db, queue, now)
    put(db, queue, [(key, value)])
    change(
        db,
        "UPDATE green_value SET revocation = 1, expires_at = ? WHERE queue = ? AND key = ?",
        None if ttl is None else now + ttl,
        queue,
        key,
    )


def _forget_expired(db: sqlite3.Connection, queue: str, now: float) -> None:
    change(db, "DELETE FROM green_value WHERE queue = ? AND expires_at <= ?", queue, now)


def put_if_empty(
    db: sqlite3.Connection, queue: str, key: str, value: bytes, ttl: float | None, now: float
) -> bool:
    _forget_expired(db, queue, now)
    sql = "INSERT OR IGNORE INTO green_value (queue, key, value, expires_at) VALUES (?, ?, ?, ?)"
    return change(db, sql, queue, key, value, None if ttl is None else now + ttl) > 0


def peek(db: sqlite3.Connection, queue: str, keys: Sequence[str], now: float) -> dict[str, bytes]:
    return dict(with_keys(db, f"SELECT key, value {_LIVE} AND key", keys, queue, now))


def present(db: sqlite3.Connection, queue: str, keys: Collection[str], now: float) -> list[str]:
    """Return those of ``keys`` that have a value."""
    return [key for (key,) in with_keys(db, f"SELECT key {_LIVE} AND key", list(keys), queue, now)]


def pop(db: sqlite3.Connection, queue: str, key: str, now: float) -> bytes | None:
    found = peek(db, queue, [key], now)
    change(db, "DELETE FROM green_value WHERE queue = ? AND key = ?", queue, key)
    return found.get(key)


def delete_if(db: sqlite3.Connection, queue: str, key: str, value: bytes, now: float) -> bool:
    sql = f"DELETE {_LIVE} AND key = ? AND value = ?"
    return change(db, sql, queue, now, key, value) > 0


def items(db: sqlite3.Connection, queue: str, now: float) -> dict[str, bytes]:
    return dict(rows(db, f"SELECT key, value {_LIVE}", queue, now))


def size(db: sqlite3.Connection, queue: str, now: float) -> int:
    [(number,)] = rows(db, f"SELECT COUNT(*) {_LIVE}", queue, now)
    return int(number)


def incr(db: sqlite3.Connection, queue: str, key: str, amount: int) -> int:
    change(
        db,
        "INSERT INTO green_counter (queue, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (queue, key) DO UPDATE SET value = value + excluded.value",
        queue,
        key,
        amount,
    )
    sql = "SELECT value FROM green_counter WHERE queue = ? AND key = ?"
    [(value,)] = rows(db, sql, queue, key)
    return int(value)
