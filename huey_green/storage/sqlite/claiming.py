# SPDX-License-Identifier: MIT
"""Keys that one owner holds, each transition a function to be run inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from huey_green.message import Claim, Outgoing, Planned
from huey_green.storage.sqlite import waiting
from huey_green.storage.sqlite.statements import change, rows


def enqueue_claimed(
    db: sqlite3.Connection,
    queue: str,
    message: Outgoing | Planned,
    claim: Claim,
    ttl: float | None,
    now: float,
) -> str | None:
    """Enqueue or plan a message if it gets the claim; else return who holds it."""
    holder = take(db, queue, claim, ttl, now)
    if holder is not None:
        return holder
    if isinstance(message, Planned):
        waiting.plan(db, queue, [message])
    else:
        waiting.enqueue(db, queue, [message])
    return None


def take(
    db: sqlite3.Connection, queue: str, claim: Claim, ttl: float | None, now: float
) -> str | None:
    """Take a claim, or return who holds it."""
    change(db, "DELETE FROM green_claim WHERE queue = ? AND expires_at <= ?", queue, now)
    sql = "SELECT owner FROM green_claim WHERE queue = ? AND key = ?"
    for (owner,) in rows(db, sql, queue, claim.key):
        return str(owner)
    _hold(db, queue, claim, None if ttl is None else now + ttl, None)
    return None


def drop(db: sqlite3.Connection, queue: str, claims: Iterable[Claim]) -> None:
    db.executemany(
        "DELETE FROM green_claim WHERE queue = ? AND key = ? AND owner = ?",
        [(queue, key, owner) for key, owner in claims],
    )


def postpone(
    db: sqlite3.Connection, queue: str, message: Planned, claim: Claim, replace: bool
) -> str | None:
    """Plan a message in place of the owner's one before; else return whose waits there."""
    sql = (
        "SELECT owner, green_schedule.id FROM green_claim"
        " JOIN green_schedule ON green_schedule.id = planned"
        " WHERE green_claim.queue = ? AND key = ?"
    )
    found = rows(db, sql, queue, claim.key)
    for owner, planned in found:
        if owner != claim.owner:
            return str(owner)
        waiting.remove_planned(db, planned)
    if replace and not found:
        return ""
    sql = "INSERT INTO green_schedule (queue, at, body) VALUES (?, ?, ?)"
    planned = db.execute(sql, (queue, message.at, message.body)).lastrowid
    _hold(db, queue, claim, None, planned)
    return None


def _hold(
    db: sqlite3.Connection,
    queue: str,
    claim: Claim,
    expires_at: float | None,
    planned: int | None,
) -> None:
    sql = (
        "INSERT OR REPLACE INTO green_claim (queue, key, owner, expires_at, planned)"
        " VALUES (?, ?, ?, ?, ?)"
    )
    change(db, sql, queue, claim.key, claim.owner, expires_at, planned)
