# SPDX-License-Identifier: MIT
"""How many at once, and how many in a time: permits of leases, parked messages, hits.

Column ``limited`` names the permit of a leased row, or that for which a parked one waits. A parked
message keeps its row, and so its place in the order.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

from huey_green import clock
from huey_green.storage.sqlite.statements import change, rows, with_ids


def take_permit(db: sqlite3.Connection, queue: str, leased: int, key: str, limit: int) -> bool:
    """Give the permit to a leased message, by its id, or park it; say whether it got one."""
    [(held,)] = rows(db, "SELECT limited FROM green_message WHERE id = ?", leased)
    if held == key:
        return True
    here = "green_message WHERE queue = ? AND limited = ?"
    [(taken,)] = rows(db, f"SELECT COUNT(*) FROM {here} AND parked_at IS NULL", queue, key)
    if taken < limit:
        change(db, "UPDATE green_message SET limited = ? WHERE id = ?", key, leased)
        return True
    [(last,)] = rows(db, f"SELECT MAX(parked_at) FROM {here}", queue, key)
    # Behind the last one, also when the clock was put back.
    parked_at = clock.wall() if last is None else max(clock.wall(), last + 1e-6)
    sql = "UPDATE green_message SET consumer = NULL, limited = ?, parked_at = ? WHERE id = ?"
    change(db, sql, key, parked_at, leased)
    return False


def give_back(db: sqlite3.Connection, queue: str, leased: Sequence[int]) -> None:
    """Make leased messages ready, and for each permit that ends by it one that was parked."""
    sql = "SELECT limited FROM green_message WHERE limited IS NOT NULL AND id"
    freed = [key for (key,) in with_ids(db, sql, leased)]
    with_ids(db, "UPDATE green_message SET consumer = NULL, limited = NULL WHERE id", leased)
    unpark(db, queue, freed)


def unpark(db: sqlite3.Connection, queue: str, keys: Iterable[str]) -> None:
    """Make one parked message ready for each of ``keys``, the first that was parked first."""
    for key, number in Counter(keys).items():
        change(
            db,
            "UPDATE green_message SET limited = NULL, parked_at = NULL WHERE id IN"
            " (SELECT id FROM green_message WHERE queue = ? AND limited = ?"
            " AND parked_at IS NOT NULL ORDER BY parked_at LIMIT ?)",
            queue,
            key,
            number,
        )


def unattended(db: sqlite3.Connection, queue: str) -> list[str]:
    """Return the keys under which messages are parked and nobody holds a permit."""
    # From key to key by the index: thousands may be parked under one of them.
    found = db.execute(
        "WITH RECURSIVE used (key) AS ("
        " SELECT MIN(limited) FROM green_message WHERE queue = :queue AND limited IS NOT NULL"
        " UNION ALL SELECT (SELECT MIN(limited) FROM green_message"
        " WHERE queue = :queue AND limited > used.key) FROM used WHERE key IS NOT NULL)"
        " SELECT key FROM used WHERE key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM green_message"
        " WHERE queue = :queue AND limited = used.key AND parked_at IS NULL)",
        {"queue": queue},
    )
    return [key for (key,) in found]


def parked(db: sqlite3.Connection, queue: str, limit: int) -> list[bytes]:
    sql = (
        "SELECT body FROM green_message WHERE queue = ? AND limited IS NOT NULL"
        " AND parked_at IS NOT NULL ORDER BY parked_at, id LIMIT ?"
    )
    return [body for (body,) in rows(db, sql, queue, limit)]


def hit(db: sqlite3.Connection, queue: str, key: str, limit: int, per: float, now: float) -> float:
    change(db, "DELETE FROM green_hit WHERE queue = ? AND ends_at <= ?", queue, now)
    # Of the newest ``limit`` hits the oldest: when it has left there is room.
    sql = "SELECT at FROM green_hit WHERE queue = ? AND key = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    for (at,) in rows(db, sql, queue, key, limit - 1):
        if (wait := at + per - now) > 0:
            return float(wait)
    sql = "INSERT INTO green_hit (queue, key, at, ends_at) VALUES (?, ?, ?, ?)"
    change(db, sql, queue, key, now, now + per)
    return 0.0


def hits(db: sqlite3.Connection, queue: str, key: str, per: float, now: float) -> int:
    sql = "SELECT COUNT(*) FROM green_hit WHERE queue = ? AND key = ? AND at + ? > ?"
    [(number,)] = rows(db, sql, queue, key, per, now)
    return int(number)
