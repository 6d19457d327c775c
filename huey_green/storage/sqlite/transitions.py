# SPDX-License-Identifier: MIT
"""What happens to leases, each transition a function to be run inside one transaction.

A leased message keeps its row, and so its place in the order when it is given back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

from huey_green import clock
from huey_green.message import NO_EXTRA, NOTHING, Delivery, Extra, InFlight, Outgoing, Settlement
from huey_green.storage.sqlite import chords, claiming, deadletters, limits, notes, values, waiting
from huey_green.storage.sqlite.statements import change, rows, with_ids


def lease(
    db: sqlite3.Connection, queue: str, consumer: str, limit: int, ends_at: float
) -> list[Delivery]:
    extend(db, queue, consumer, ends_at)
    taken = waiting.ready(db, queue, limit)
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
        if receipt is not None:
            if receipt not in held:
                refused.append(settlement)
                continue
            ended.append(held.pop(receipt))
        if settlement.effects is not NOTHING:
            accepted.append(settlement.effects)
    with_ids(db, "DELETE FROM green_message WHERE id", ended)
    values.put(
        db,
        queue,
        (
            pair
            for effects in accepted
            if effects.extra.result_ttl is None
            for pair in effects.results
        ),
    )
    waiting.enqueue(db, queue, (message for effects in accepted for message in effects.enqueue))
    waiting.plan(db, queue, (planned for effects in accepted for planned in effects.schedule))
    letters = (effects.dead for effects in accepted if effects.dead is not None)
    deadletters.bury(db, queue, consumer, letters)
    for effects in accepted:
        if effects.extra is not NO_EXTRA:
            _apply(db, queue, effects.extra)
            if effects.extra.result_ttl is not None:
                ends_at = clock.wall() + effects.extra.result_ttl
                values.put_ending(db, queue, effects.results, ends_at)
    return refused


def _apply(db: sqlite3.Connection, queue: str, extra: Extra) -> None:
    chords.note(db, queue, extra.members)
    chords.forget(db, queue, extra.joined)
    claiming.drop(db, queue, extra.drops)
    if extra.limited is not None:
        limits.unpark(db, queue, [extra.limited])
    notes.forget_progress(db, queue, extra.progress)


def admit(
    db: sqlite3.Connection, queue: str, consumer: str, delivery: Delivery, key: str, limit: int
) -> bool:
    """Give a lease a permit, or park its message; False also if the lease is no longer held."""
    held = _held(db, queue, consumer, [delivery]).values()
    return any(limits.take_permit(db, queue, leased, key, limit) for leased in held)


def release(
    db: sqlite3.Connection, queue: str, consumer: str, deliveries: Sequence[Delivery]
) -> int:
    held = _held(db, queue, consumer, deliveries)
    limits.give_back(db, queue, list(held.values()))
    unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
    waiting.enqueue(db, queue, unleased)
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
    sql = "SELECT id FROM green_message WHERE queue = ? AND consumer = ?"
    limits.give_back(db, queue, [key for (key,) in rows(db, sql, queue, consumer)])
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


def is_anything_to_reclaim(
    db: sqlite3.Connection, queue: str, known_dead: Collection[str], now: float
) -> bool:
    return bool(ended_consumers(db, queue, known_dead, now) or limits.unattended(db, queue))


def reclaim(
    db: sqlite3.Connection, queue: str, limit: int, known_dead: Collection[str], now: float
) -> int:
    # Before permits end here: each of those brings a message back by itself.
    limits.unpark(db, queue, limits.unattended(db, queue))
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
            "UPDATE green_message SET history = ? WHERE id = ?",
            [
                (json.dumps([*json.loads(history), line]), key)
                for key, history, begun in given_back
                if begun or history == "[]"
            ],
        )
        limits.give_back(db, queue, [key for key, _, _ in given_back])
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
