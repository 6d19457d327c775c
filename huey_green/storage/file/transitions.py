# SPDX-License-Identifier: MIT
"""What happens to messages: each transition a function that is given a change and speaks in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from huey_green import clock
from huey_green.message import (
    NO_EXTRA,
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    InFlight,
    Outgoing,
    Planned,
    Promoted,
    Settlement,
)
from huey_green.storage.base import encode_dead, signed
from huey_green.storage.file.change import Change
from huey_green.storage.file.messages import Message
from huey_green.storage.file.values import NEVER


def enqueue(change: Change, messages: Iterable[Outgoing]) -> None:
    told = [[priority or 0, change.data(body)] for body, priority in messages]
    if told:
        change.say("enqueue", *told)


def enqueue_once(change: Change, message: Outgoing, key: str, ttl: float, now: float) -> bool:
    ends_at = change.state.notes.once.get(key)
    if ends_at is not None and ends_at > now:
        return False
    change.say("once_until", key, now + ttl, now)
    enqueue(change, [message])
    return True


def ready(change: Change, limit: int | None) -> list[bytes]:
    return [change.read(one.body) for one in change.state.messages.ready(limit)]


def ready_count(change: Change) -> int:
    return change.state.messages.ready_count


def pop(change: Change, limit: int) -> list[Delivery]:
    taken = change.state.messages.next(limit)
    deliveries = [Delivery(change.read(one.body)) for one in taken]
    if taken:
        change.say("remove", [one.number for one in taken])
    return deliveries


def lease(change: Change, consumer: str, limit: int, ends_at: float) -> list[Delivery]:
    taken = change.state.messages.next(limit)
    if not taken:
        extend(change, consumer, ends_at)
        return []
    bodies = [change.read(one.body) for one in taken]
    change.say("lease", consumer, ends_at, [one.number for one in taken])
    return [_delivery(one, body) for one, body in zip(taken, bodies, strict=True)]


def consumers(change: Change) -> dict[str, float]:
    return dict(change.state.messages.consumers)


def _delivery(message: Message, body: bytes) -> Delivery:
    return Delivery(body, message.receipt, len(message.history) + 1, message.history)


def extend(change: Change, consumer: str, ends_at: float) -> None:
    change.say("extend", consumer, ends_at)


def begin(change: Change, consumer: str, deliveries: Sequence[Delivery]) -> None:
    numbers = [one.number for one in _held(change, consumer, deliveries)]
    if numbers:
        change.say("begin", numbers)


def settle(change: Change, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
    messages = change.state.messages
    ended: dict[int, None] = {}
    accepted: list[Effects] = []
    refused: list[Settlement] = []
    for settlement in settlements:
        receipt = settlement.delivery.receipt
        if receipt is not None:
            held = messages.holder(consumer, receipt)
            if held is None or held.number in ended:
                refused.append(settlement)
                continue
            ended[held.number] = None
        accepted.append(settlement.effects)
    if ended:
        change.say("remove", list(ended))
    for effects in accepted:
        ttl = effects.extra.result_ttl
        ends_at = NEVER if ttl is None else clock.wall() + ttl
        for key, value in effects.results:
            change.say_value(key, value, ends_at)
    enqueue(change, (message for effects in accepted for message in effects.enqueue))
    plan(change, (planned for effects in accepted for planned in effects.schedule))
    for effects in accepted:
        if effects.dead is not None:
            bury(change, signed(effects.dead, consumer))
        if effects.extra is not NO_EXTRA:
            _settle_extra(change, effects.extra)
    return refused


def bury(change: Change, letter: DeadLetter) -> None:
    change.say("bury", letter.id, letter.died_at, change.data(encode_dead(letter)))


def _settle_extra(change: Change, extra: Extra) -> None:
    notes = change.state.notes
    for chord, index, size, value, callback in extra.members:
        if index not in notes.chords.get(chord, ()):
            # With the moment: a chord of which nothing is heard for very long is forgotten.
            change.say("noted", chord, index, clock.wall(), change.data(value))
            if len(notes.chords[chord]) == size:
                enqueue(change, [callback])
    for chord in extra.joined:
        if chord in notes.chords:
            change.say("join", chord)
    drop_claims(change, extra.drops)
    if extra.limited is not None:
        _unpark(change, extra.limited)
    done = [one for one in extra.progress if one in notes.progress]
    if done:
        change.say("untell", *done)


def drop_claims(change: Change, claims: Iterable[Claim]) -> None:
    held = change.state.notes.claims
    for key, owner in claims:
        if key in held and held[key].owner == owner:
            change.say("unclaim", key)


def release(change: Change, consumer: str, deliveries: Sequence[Delivery]) -> int:
    held = _held(change, consumer, deliveries)
    _give_back(change, held)
    unleased = [Outgoing(one.body) for one in deliveries if one.receipt is None]
    enqueue(change, unleased)
    return len(held) + len(unleased)


def leave(change: Change, consumer: str) -> None:
    messages = change.state.messages
    _give_back(change, list(messages.held.get(consumer, {}).values()))
    if consumer in messages.consumers:
        change.say("forget", consumer)


def reclaim(change: Change, limit: int, known_dead: Collection[str], now: float) -> int:
    messages = change.state.messages
    moved = 0
    for consumer, ends_at in list(messages.consumers.items()):
        if ends_at > now and consumer not in known_dead:
            continue
        held = list(messages.held.get(consumer, {}).values())
        given_back = held[: limit - moved]
        _give_back(change, given_back, f"{now:.3f} {consumer}")
        moved += len(given_back)
        if len(given_back) == len(held):
            change.say("forget", consumer)
    for key in [key for key in messages.parked if key not in messages.permits]:
        _unpark(change, key)
    return moved


def _give_back(change: Change, given_back: list[Message], line: str | None = None) -> None:
    if given_back:
        permits = [one.permit for one in given_back if one.permit is not None]
        change.say("back", [one.number for one in given_back], line)
        for key in permits:
            _unpark(change, key)


def _held(change: Change, consumer: str, deliveries: Iterable[Delivery]) -> list[Message]:
    """Return the messages of those deliveries whose lease ``consumer`` still holds."""
    found = (change.state.messages.holder(consumer, one.receipt) for one in deliveries)
    return list({one.number: one for one in found if one is not None}.values())


def admit(change: Change, consumer: str, delivery: Delivery, key: str, limit: int) -> bool:
    messages = change.state.messages
    message = messages.holder(consumer, delivery.receipt)
    if message is None:
        return False
    if message.permit != key:
        if len(messages.permits.get(key, ())) >= limit:
            change.say("park", message.number, key)
            return False
        change.say("permit", message.number, key)
    return True


def _unpark(change: Change, key: str) -> None:
    if key in change.state.messages.parked:
        change.say("unpark", key)


def parked(change: Change, limit: int | None) -> list[bytes]:
    return [change.read(one.body) for one in change.state.messages.all_parked()[:limit]]


def in_flight(change: Change) -> list[InFlight]:
    messages = change.state.messages
    return [
        InFlight(
            consumer, one.receipt, change.read(one.body), messages.consumers.get(consumer, 0.0)
        )
        for consumer, held in messages.held.items()
        for one in held.values()
    ]


def flush_queue(change: Change) -> None:
    change.say("flush")
    change.say("unclaim_all")


def flush_all(change: Change) -> None:
    for word in ("flush", "flush_held", "flush_schedule", "clear", "forget_all"):
        change.say(word)


# The schedule.


def plan(change: Change, planned: Iterable[Planned]) -> None:
    told = [[at, change.data(body)] for body, at in planned]
    if told:
        change.say("plan", *told)


def planned_count(change: Change) -> int:
    return len(change.state.schedule.every)


def due(change: Change, now: float, limit: int | None) -> list[tuple[int, bytes]]:
    """Return number and body of what is due at ``now``, the earliest first."""
    schedule = change.state.schedule
    return [
        (number, change.read(schedule.every[number].body)) for number in schedule.due(now, limit)
    ]


def look(change: Change, now: float, limit: int) -> tuple[list[tuple[int, bytes]], float | None]:
    """Return what is ``due``, and the moment of the earliest message on the schedule."""
    return due(change, now, limit), change.state.schedule.next_at


def take_due(change: Change, now: float) -> list[bytes]:
    found = due(change, now, None)
    if found:
        change.say("unplan", [number for number, _ in found])
    return [body for _, body in found]


def promote(change: Change, priorities: dict[int, float | None]) -> Promoted:
    """Enqueue messages, by their numbers on the schedule, as far as they are still there."""
    left = [
        [number, priority or 0]
        for number, priority in priorities.items()
        if number in change.state.schedule.every
    ]
    if left:
        change.say("promote", *left)
    return Promoted(len(left), change.state.schedule.next_at)


def remove_scheduled(change: Change, body: bytes) -> bool:
    for number, planned in change.state.schedule.every.items():
        if change.read(planned.body) == body:
            change.say("unplan", [number])
            return True
    return False


def flush_schedule(change: Change) -> None:
    change.say("flush_schedule")
    change.say("unclaim_all")
