# SPDX-License-Identifier: MIT
"""What happens to messages, each transition a function to be run inside one transaction.

A leased message keeps its row, and so its place in the order when it is given back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from huey_green.message import Delivery, InFlight, Outgoing, Planned, Settlement
from huey_green.storage.sqlite import deadletters, values
from huey_green.storage.sqlite.statements import change, rows, with_ids


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
        " WHERE queue = ? AND consumer IS NULL ORDER BY priority DESC, id LIMIT ?",
        queue,
        limit,
    )


def pop(db: sqlite3.Connection, queue: str, limit: int) -> list[Delivery]:
    taken = ready(db, queue, limit)
    with_ids(db, "DELETE FROM green_message WHERE id", [row[0] for row in taken])
    return [Delivery(row[3]) for row in taken]


def lease(
    db: sqlite3.Connection, queue: str, consumer: str, limit: int, ends_at: float
) -> list[Delivery]:
    extend(db, queue, consumer, ends_at)
    taken = ready(db, queue, limit)
    sql = "UPDATE green_message SET consumer = ?, lease = lease + 1, begun = 0 WHERE id"
    with_ids(db, sql, [row[0] for row in taken], consumer)
    return [_delivery(*row) for row in taken]


def _delivery(key: int, leased_before: int, history: str, body: bytes) -> Delivery:
    receipt = f"{key}:{leased_before + 1}"
    if history == "[]":
        return Delivery(body, receipt)
    ended = tuple(json.loads(history))
    return Delivery(body, receipt, len(ended) + 1, ended)


def extend(db: sqlite3.Connection, queue: str, consumer: str, ends_at: float) -> None:
    sql = "INSERT OR REPLACE INTO green_consumer (queue, consumer, lease_ends_at) VALUES (?, ?, ?)"
    change(db, sql, queue, consumer, ends_at)


def begin(
    db: sqlite3.Connection, queue: str, consumer: str, deliveries: Sequence[Delivery]
) -> None:
    held = _held(db, queue, consumer, deliveries)
    with_ids(db, "UPDATE green_message SET begun = 1 WHERE id", list(held.values()))


def settle(
    db: sqlite3.Connection, queue: str, consumer: str, settlements: Sequence[Settlement]
) -> list[Settlement]:
    held = _held(db, queue, consumer, [one.delivery for one in settlements])
    ended, accepted, refused = [], [], []
    for settlement in settlements:
        receipt = settlement.delivery.receipt
        if receipt is None:
            accepted.append(settlement.effects)
        elif receipt in held:
            accepted.append(settlement.effects)
            ended.append(held.pop(receipt))
        else:
            refused.append(settlement)
    with_ids(db, "DELETE FROM green_message WHERE id", ended)
    values.put(db, queue, (pair for effects in accepted for pair in effects.results))
    enqueue(db, queue, (message for effects in accepted for message in effects.enqueue))
    plan(db, queue, (planned for effects in accepted for planned in effects.schedule))
    deadletters.bury(db, queue, (effects.dead for effects in accepted if effects.dead is not None))
    return refused


def release(
    db: sqlite3.Connection, queue: str, consumer: str, deliveries: Sequence[Delivery]
) -> int:
    held = _held(db, queue, consumer, deliveries)
    with_ids(db, "UPDATE green_message SET consumer = NULL WHERE id", list(held.values()))
    unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
    enqueue(db, queue, unleased)
    return len(held) + len(unleased)


def _held(
    db: sqlite3.Connection, queue: str, consumer: str, deliveries: Iterable[Delivery]
) -> dict[str, int]:
    """Return the ids of those deliveries whose lease ``consumer`` still holds, by receipt."""
    receipts = {one.receipt for one in deliveries if one.receipt is not None}
    heads = (receipt.partition(":")[0] for receipt in receipts)
    found = with_ids(
        db,
        "SELECT id, lease FROM green_message WHERE queue = ? AND consumer = ? AND id",
        [int(head) for head in heads if head.isdecimal()],
        queue,
        consumer,
    )
    held = {f"{key}:{lease_number}": key for key, lease_number in found}
    return {receipt: held[receipt] for receipt in receipts if receipt in held}


def leave(db: sqlite3.Connection, queue: str, consumer: str) -> None:
    sql = "UPDATE green_message SET consumer = NULL WHERE queue = ? AND consumer = ?"
    change(db, sql, queue, consumer)
    _forget(db, queue, consumer)


def _forget(db: sqlite3.Connection, queue: str, consumer: str) -> None:
    change(db, "DELETE FROM green_consumer WHERE queue = ? AND consumer = ?", queue, consumer)


def consumers(db: sqlite3.Connection, queue: str) -> dict[str, float]:
    return dict(
        rows(db, "SELECT consumer, lease_ends_at FROM green_consumer WHERE queue = ?", queue)
    )


def ended_consumers(
    db: sqlite3.Connection, queue: str, known_dead: Collection[str], now: float
) -> list[str]:
    known = consumers(db, queue).items()
    return [consumer for consumer, ends in known if ends <= now or consumer in known_dead]


def reclaim(
    db: sqlite3.Connection, queue: str, limit: int, known_dead: Collection[str], now: float
) -> int:
    moved = 0
    for consumer in ended_consumers(db, queue, known_dead, now):
        found = rows(
            db,
            "SELECT id, history, begun FROM green_message WHERE queue = ? AND consumer = ?"
            " ORDER BY id LIMIT ?",
            queue,
            consumer,
            limit - moved + 1,  # One more tells whether anything is left.
        )
        given_back = found[: limit - moved]
        line = f"{now:.3f} {consumer}"
        db.executemany(
            "UPDATE green_message SET consumer = NULL, history = ? WHERE id = ?",
            [
                (json.dumps([*json.loads(history), line]), key)
                if begun or history == "[]"
                else (history, key)
                for key, history, begun in given_back
            ],
        )
        moved += len(given_back)
        if len(given_back) == len(found):
            _forget(db, queue, consumer)
    return moved


def in_flight(db: sqlite3.Connection, queue: str) -> list[InFlight]:
    found = rows(
        db,
        "SELECT consumer, id, lease, body, COALESCE(lease_ends_at, 0)"
        " FROM green_message LEFT JOIN green_consumer USING (queue, consumer)"
        " WHERE queue = ? AND consumer IS NOT NULL ORDER BY id",
        queue,
    )
    return [
        InFlight(consumer, f"{key}:{lease_number}", body, ends_at)
        for consumer, key, lease_number, body, ends_at in found
    ]


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


def take_due(db: sqlite3.Connection, queue: str, now: float) -> list[bytes]:
    found = due(db, queue, now, -1)
    with_ids(db, "DELETE FROM green_schedule WHERE id", [key for key, _ in found])
    return [body for _, body in found]


def promote(db: sqlite3.Connection, queue: str, messages: dict[int, Outgoing]) -> int:
    """Enqueue these messages, by their ids on the schedule, as far as they are still there."""
    ids = list(messages)
    left = {key for (key,) in with_ids(db, "SELECT id FROM green_schedule WHERE id", ids)}
    enqueue(db, queue, [message for key, message in messages.items() if key in left])
    with_ids(db, "DELETE FROM green_schedule WHERE id", ids)
    return len(left)
