# SPDX-License-Identifier: MIT
"""The few shapes that all statements here have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

#: Keys in one statement; every SQLite takes 999 parameters or more.
KEYS_AT_ONCE = 500


def rows(db: sqlite3.Connection, sql: str, *args: Any) -> list[Any]:
    """Carry out a statement; return its rows."""
    return db.execute(sql, args).fetchall()


def change(db: sqlite3.Connection, sql: str, *args: Any) -> int:
    """Carry out a statement; return how many rows it changed."""
    return db.execute(sql, args).rowcount


def with_ids(db: sqlite3.Connection, sql: str, ids: Sequence[int], *args: Any) -> list[Any]:
    """Carry out one statement, which ends in the name of a column, for all of ``ids``."""
    if not ids:
        return []
    return rows(db, f"{sql} IN (SELECT value FROM json_each(?))", *args, json.dumps(ids))


def with_keys(db: sqlite3.Connection, sql: str, keys: Sequence[str], *args: Any) -> Iterator[Any]:
    """Carry out a statement that ends in the name of a column for all of ``keys``.

    Not by ``json_each``, in which some versions of SQLite end a text at a NUL.
    """
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        yield from rows(db, f"{sql} IN ({', '.join('?' * len(some))})", *args, *some)


def or_all(limit: int | None) -> int:
    """Return ``limit`` as SQL has it, where -1 is none."""
    return -1 if limit is None else limit
