# SPDX-License-Identifier: MIT
"""What waits: the queue and the schedule, each transition to be run in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from huey_green.message import Delivery, Outgoing, Planned, Promoted
from huey_green.storage.sqlite.statements import change, rows, with_ids

#: A message that can be delivered: neither leased nor parked.
READY = "queue = ? AND consumer IS NULL AND limited IS NULL"


def enqueue(db: sqlite3.Connection, queue: str, messages: Iterable[Outgoing]) -> None:
    db.executemany(
        "INSERT INTO green_message (queue, priority, body) VALUES (?, ?, ?)",
        [(queue, priority or 0, body) for body, priority in messages],
    )


def enqueue_once(
    db: sqlite3.Connection, queue: str, message: Outgoing, key: str, ttl: float, now: float
) -> bool:
    change(db, "DELETE FROM green_once WHERE queue = ? AND expires_at <= ?", queue, now)
    sql = "INSERT OR IGNORE INTO green_once (queue, key, expires_at) VALUES (?, ?, ?)"
    is_new = change(db, sql, queue, key, now + ttl) > 0
    if is_new:
        enqueue(db, queue, [message])
    return is_new


def ready(db: sqlite3.Connection, queue: str, limit: int) -> list[Any]:
    """Return id, lease, history and body of the ready messages, the next one first."""
    return rows(
        db,
        "SELECT id, lease, history, body FROM green_message"
        f" WHERE {READY} ORDER BY priority DESC, id LIMIT ?",
        queue,
        limit,
    )


def pop(db: sqlite3.Connection, queue: str, limit: int) -> list[Delivery]:
    taken = ready(db, queue, limit)
    with_ids(db, "DELETE FROM green_message WHERE id", [row[0] for row in taken])
    return [Delivery(row[3]) for row in taken]


# The schedule.


def plan(db: sqlite3.Connection, queue: str, planned: Iterable[Planned]) -> None:
    db.executemany(
        "INSERT INTO green_schedule (queue, at, body) VALUES (?, ?, ?)",
        [(queue, at, body) for body, at in planned],
    )


def due(db: sqlite3.Connection, queue: str, now: float, limit: int) -> list[tuple[int, bytes]]:
    """Return id and body of what is due at ``now``, the earliest first."""
    return rows(
        db,
        "SELECT id, body FROM green_schedule WHERE queue = ? AND at <= ? ORDER BY at, id LIMIT ?",
        queue,
        now,
        limit,
    )


def next_at(db: sqlite3.Connection, queue: str) -> float | None:
    """Return the moment of the earliest message on the schedule, None when there is none."""
    found: float | None = rows(db, "SELECT min(at) FROM green_schedule WHERE queue = ?", queue)[0][
        0
    ]
    return found


def take_due(db: sqlite3.Connection, queue: str, now: float) -> list[bytes]:
    found = due(db, queue, now, -1)
    with_ids(db, "DELETE FROM green_schedule WHERE id", [key for key, _ in found])
    return [body for _, body in found]


def find_planned(db: sqlite3.Connection, queue: str, body: bytes) -> int | None:
    """Return the id of exactly this message on the schedule, None when it is not there."""
    # No index: it would double the cost of every message that is planned. The length first: it
    # is known without reading the body.
    sql = "SELECT id FROM green_schedule WHERE queue = ? AND length(body) = ? AND body = ? LIMIT 1"
    found = rows(db, sql, queue, len(body), body)
    return found[0][0] if found else None


def remove_planned(db: sqlite3.Connection, key: int) -> bool:
    return change(db, "DELETE FROM green_schedule WHERE id = ?", key) > 0


def promote(db: sqlite3.Connection, queue: str, messages: dict[int, Outgoing]) -> Promoted:
    """Enqueue these messages, by their ids on the schedule, as far as they are still there."""
    ids = list(messages)
    left = {key for (key,) in with_ids(db, "SELECT id FROM green_schedule WHERE id", ids)}
    enqueue(db, queue, [message for key, message in messages.items() if key in left])
    with_ids(db, "DELETE FROM green_schedule WHERE id", ids)
    return Promoted(len(left), next_at(db, queue))
