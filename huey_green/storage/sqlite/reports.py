# SPDX-License-Identifier: MIT
"""What consumers say of themselves: a row for each, gone when its time is over.

Its table is made when the first report comes, in a file of any format: versions that do not
know it need not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from huey_green.report import Counts
from huey_green.storage.sqlite.results import SqliteResults
from huey_green.storage.sqlite.statements import change, rows, with_keys

_TABLE = """
    CREATE TABLE IF NOT EXISTS green_report (
        queue TEXT NOT NULL,
        consumer TEXT NOT NULL,
        ends_at REAL NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (queue, consumer)
    ) WITHOUT ROWID
    """


class SqliteReports(SqliteResults):
    """Mixed into the storage."""

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        self._database.write(put, self.name, consumer, data, self.time(), ttl)

    def forget_report(self, consumer: str) -> None:
        self._database.write(forget, self.name, consumer)

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        return self._database.read(reports, self.name, consumers, self.time())

    def held_counts(self, consumers: Sequence[str]) -> dict[str, int]:
        return self._database.read(held_counts, self.name, consumers)

    def counts(self) -> Counts:
        found = self._database.read(counts, self.name)
        return found._replace(results=self.result_store_size())


def counts(db: sqlite3.Connection, queue: str) -> Counts:
    """Return all but the results."""
    held, parked = "consumer IS NOT NULL", "limited IS NOT NULL AND parked_at IS NOT NULL"
    sql = (
        "SELECT (SELECT COUNT(*) FROM green_message WHERE queue = :queue),"
        " (SELECT COUNT(*) FROM green_schedule WHERE queue = :queue),"
        f" (SELECT COUNT(*) FROM green_message WHERE queue = :queue AND {parked}),"
        f" (SELECT COUNT(*) FROM green_message WHERE queue = :queue AND {held}),"
        " (SELECT COUNT(*) FROM green_dead WHERE queue = :queue)"
    )
    every, scheduled, parked_count, held_count, dead = db.execute(sql, {"queue": queue}).fetchone()
    return Counts(
        every - parked_count - held_count, scheduled, parked_count, held_count, dead, results=0
    )


def put(
    db: sqlite3.Connection, queue: str, consumer: str, data: bytes, now: float, ttl: float
) -> None:
    db.execute(_TABLE)
    change(db, "DELETE FROM green_report WHERE queue = ? AND ends_at <= ?", queue, now)
    sql = "INSERT OR REPLACE INTO green_report (queue, consumer, ends_at, data) VALUES (?, ?, ?, ?)"
    change(db, sql, queue, consumer, now + ttl, data)


def forget(db: sqlite3.Connection, queue: str, consumer: str) -> None:
    if _has_table(db):
        sql = "DELETE FROM green_report WHERE queue = ? AND consumer = ?"
        change(db, sql, queue, consumer)


def forget_all(db: sqlite3.Connection, queue: str) -> None:
    if _has_table(db):
        change(db, "DELETE FROM green_report WHERE queue = ?", queue)


def reports(
    db: sqlite3.Connection, queue: str, consumers: Sequence[str], now: float
) -> dict[str, bytes]:
    if not _has_table(db):
        return {}
    sql = "SELECT consumer, data FROM green_report WHERE queue = ? AND ends_at > ? AND consumer"
    return dict(with_keys(db, sql, consumers, queue, now))


def held_counts(db: sqlite3.Connection, queue: str, consumers: Sequence[str]) -> dict[str, int]:
    sql = (
        "SELECT consumer, COUNT(*) FROM green_message WHERE queue = ? AND consumer IS NOT NULL"
        " GROUP BY consumer"
    )
    held = dict(rows(db, sql, queue))
    return {name: held[name] for name in consumers if name in held}


def _has_table(db: sqlite3.Connection) -> bool:
    return bool(rows(db, "SELECT 1 FROM sqlite_master WHERE name = 'green_report'"))
