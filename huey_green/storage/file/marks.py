# SPDX-License-Identifier: MIT
"""Claims, limits, counters, dead letters and other notes: transitions like those of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from huey_green import clock
from huey_green.message import Claim, DeadLetter, Outgoing, Planned, Retention
from huey_green.storage.base import CANCEL_KEPT, CHORD_KEPT, PROGRESS_KEPT, decode_dead
from huey_green.storage.file import transitions
from huey_green.storage.file.change import Change
from huey_green.storage.file.values import NEVER


def enqueue_claimed(
    change: Change,
    message: Outgoing,
    claim: Claim,
    ttl: float | None,
    at: float | None,
    now: float,
) -> str | None:
    holder = _claim(change, claim, ttl, now)
    if holder is not None:
        return holder
    if at is None:
        transitions.enqueue(change, [message])
    else:
        transitions.plan(change, [Planned(message.body, at)])
    return None


def _claim(change: Change, claim: Claim, ttl: float | None, now: float) -> str | None:
    """Take a claim, or return who holds it."""
    holder = change.state.notes.claims.get(claim.key)
    if holder is not None and not holder.has_ended(now):
        return holder.owner
    change.say("claim", claim.key, claim.owner, None if ttl is None else now + ttl)
    return None


def postpone(change: Change, body: bytes, claim: Claim, at: float, replace: bool) -> str | None:
    schedule = change.state.schedule
    holder = change.state.notes.claims.get(claim.key)
    if holder is not None and holder.planned in schedule.every:
        if holder.owner != claim.owner:
            return holder.owner
        change.say("unplan", [holder.planned])
    elif replace:
        return ""
    number = schedule.next_number
    transitions.plan(change, [Planned(body, at)])
    change.say("claim", claim.key, claim.owner, None, number)
    return None


def chord_values(change: Change, chord: str, size: int) -> list[bytes | None]:
    noted = change.state.notes.chords.get(chord, {})
    return [change.read(noted[index]) if index in noted else None for index in range(size)]


def hit(change: Change, key: str, limit: int, per: float, now: float) -> float:
    found = change.state.notes.hits.get(key)
    window = [] if found is None else [at for at in found.at if at > now - per]
    if len(window) >= limit:
        return window[-limit] + per - now if limit > 0 else per
    change.say("hit", key, per, now)
    return 0.0


def hits(change: Change, key: str, per: float, now: float) -> int:
    found = change.state.notes.hits.get(key)
    return 0 if found is None else sum(at > now - per for at in found.at)


def cancel(change: Change, task_id: str, time: Callable[[], float]) -> None:
    change.say("cancel", task_id, time())


def canceled(change: Change, since: float, time: Callable[[], float]) -> tuple[list[str], float]:
    """Return what was noted since, and the present: read under the lock, where notes are made.

    So nothing that is noted later is earlier than that.
    """
    return [key for key, at in change.state.notes.cancels.items() if at >= since], time()


def put_progress(change: Change, task_id: str, data: bytes) -> None:
    change.say("told", task_id, clock.wall(), change.data(data))


def progress(change: Change, task_id: str) -> bytes | None:
    found = change.state.notes.progress.get(task_id)
    return None if found is None else change.read(found)


def incr(change: Change, key: str, amount: int) -> int:
    change.say("count", key, amount)
    return change.state.notes.counters[key]


# Values.


def put(change: Change, key: str, value: bytes) -> None:
    change.note_change()
    change.values.put(key, value)


def put_if_empty(change: Change, key: str, value: bytes, ttl: float | None, now: float) -> bool:
    if change.values.has(key, now):
        return False
    change.note_change()
    change.values.put(key, value, NEVER if ttl is None else now + ttl)
    return True


def peek(change: Change, keys: Sequence[str], now: float) -> dict[str, bytes]:
    found = ((key, change.values.get(key, now)) for key in keys)
    return {key: value for key, value in found if value is not None}


def present(change: Change, keys: Iterable[str], now: float) -> list[str]:
    """Return those of ``keys`` that have a value."""
    return [key for key in keys if change.values.has(key, now)]


def pop(change: Change, key: str, now: float) -> bytes | None:
    value = change.values.get(key, now)
    if value is not None:
        change.values.drop(key)
    return value


def delete_if(change: Change, key: str, value: bytes, now: float) -> bool:
    if change.values.get(key, now) != value:
        return False
    change.values.drop(key)
    return True


def items(change: Change, now: float) -> dict[str, bytes]:
    return change.values.items(now)


def size(change: Change, now: float) -> int:
    return change.values.size(now)


def flush_results(change: Change) -> None:
    change.say("clear")
    change.say("unmark_all")


def put_revocation(change: Change, key: str, value: bytes, ttl: float | None, now: float) -> float:
    """Return when it ends."""
    ends_at = None if ttl is None else now + ttl
    _unmark_ended(change, now)
    end = NEVER if ends_at is None else ends_at
    change.say_value(key, value, end)
    change.say("mark", key, ends_at)
    return end


def _unmark_ended(change: Change, now: float) -> None:
    marks = change.state.notes.marks
    ended = [key for key, ends_at in marks.items() if ends_at is not None and ends_at <= now]
    if ended:
        change.say("unmark", *ended)


def pop_revocation(change: Change, key: str, now: float) -> bytes | None:
    value = change.values.get(key, now)
    if value is not None or key in change.state.notes.marks:
        change.say("drop", key)
        change.say("unmark", key)
    return value


# Dead letters.


def newest_dead(change: Change, limit: int | None) -> list[DeadLetter]:
    # Of those of one moment the one that was buried last comes first.
    letters = sorted(change.state.notes.letters.values(), key=lambda one: one.died_at)[::-1]
    return [decode_dead(change.read(one.record)) for one in letters[:limit]]


def requeue_dead(change: Change, ids: Sequence[str] | None, now: float) -> int:
    moved = []
    for letter in _letters(change, ids):
        claim = None if letter.claim is None else Claim(letter.claim, letter.id)
        if claim is None or _claim(change, claim, None, now) is None:
            moved.append(letter)
    _exhume(change, moved)
    for letter in moved:
        if change.values.has(letter.id, now):
            change.say("drop", letter.id)  # The result is that of its death.
    transitions.enqueue(change, [Outgoing(one.body, one.priority) for one in moved])
    return len(moved)


def delete_dead(change: Change, ids: Sequence[str] | None) -> int:
    letters = _letters(change, ids)
    _exhume(change, letters)
    for letter in letters:
        if letter.joins in change.state.notes.chords:
            change.say("join", letter.joins)
    return len(letters)


def prune_dead(change: Change, retention: Retention, limit: int, now: float) -> int:
    known = change.state.notes.letters
    kept = len(known) if retention.dead_limit is None else retention.dead_limit
    oldest = float("-inf") if retention.dead_ttl is None else now - retention.dead_ttl
    order = sorted(known, key=lambda key: known[key].died_at)
    beyond = max(len(order) - kept, sum(one.died_at <= oldest for one in known.values()))
    return delete_dead(change, order[: min(beyond, limit)]) if beyond > 0 else 0


def _letters(change: Change, ids: Sequence[str] | None) -> list[DeadLetter]:
    """Return dead letters: in the order of ``ids``; when None all, by their deaths."""
    known = change.state.notes.letters
    if ids is None:
        wanted = sorted(known, key=lambda key: known[key].died_at)
    else:
        wanted = [key for key in dict.fromkeys(ids) if key in known]
    return [decode_dead(change.read(known[key].record)) for key in wanted]


def _exhume(change: Change, letters: Sequence[DeadLetter]) -> None:
    if letters:
        change.say("exhume", *(one.id for one in letters))


# What has ended and nobody came for.


def forget_ended(change: Change, now: float) -> None:
    notes = change.state.notes
    _unmark_ended(change, now)
    since = min(notes.cancels.values(), default=now)
    if since <= now - CANCEL_KEPT or min(notes.once.values(), default=now + 1) <= now:
        change.say("ended", now)
    claims = [key for key, claimed in notes.claims.items() if claimed.has_ended(now)]
    if claims:
        change.say("unclaim", *claims)
    for key, (per, at) in list(notes.hits.items()):
        if not at or at[-1] + per <= now:
            change.say("unhit", key)
    silent = [key for key, at in notes.progress_news.items() if at <= now - PROGRESS_KEPT]
    if silent:
        change.say("untell", *silent)
    for chord in [key for key, at in notes.chord_news.items() if at <= now - CHORD_KEPT]:
        change.say("join", chord)


def forget_values(change: Change, names: Sequence[str], now: float) -> None:
    change.values.forget_ended(names, now)
