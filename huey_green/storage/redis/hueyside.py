# SPDX-License-Identifier: MIT
"""Redis storages that share their keys with huey's consumers and producers at work.

(docs/decisions/0023-huey-wire.md)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import redis

from huey_green.exceptions import ConfigurationError
from huey_green.message import NO_EXTRA, NOTHING, Effects, Member, Outgoing, Promoted, Settlement
from huey_green.storage.base import BaseStorage, Moment, epoch
from huey_green.storage.redis import (
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
    _Redis,
)
from huey_green.storage.redis.connect import Command
from huey_green.storage.redis.foreign import naming
from huey_green.storage.redis.queue import SortedSetQueue
from huey_green.storage.redis.scripts import Scripts, Variants
from huey_green.storage.redis.settling import milliseconds

#: What makes the message of a chord's callback with the values of all members.
Joining = Callable[[bytes, Sequence["bytes | None"]], bytes]

_BEFORE_MESSAGE = 8
_OURS = b"\0q"


class _HueySide(_Redis):
    """What huey does otherwise than we do, over a LIST as over a ZSET.

    Its revocations are seen, for each task is looked up; ours have no time to live. Moments on
    the schedule are told as huey tells them. The members of a chord are counted where huey counts
    them. With ``notify_result`` who waits for a result with huey's option of that name is woken;
    who waits here asks again and again, for huey tells nobody.
    """

    #: huey's moments on the schedule are UTC taken for local time; else they are local time.
    utc = True
    #: Given by the Huey, which knows how messages are written.
    join: Joining | None = None

    def __init__(
        self,
        *args: Any,
        notify_result: bool = False,
        notify_result_ttl: float = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._notify_ttl = milliseconds(notify_result_ttl) if notify_result else None

    # Revocations.

    def has_revocations(self) -> bool:
        return True

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        self.put_data(key, value)

    # Waiting.

    def wait_result(
        self,
        key: str,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return BaseStorage.wait_result(self, key, timeout, backoff, max_delay)

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        return BaseStorage.wait_until(self, keys, is_ready, timeout, backoff, max_delay)

    def when_stored(self, key: str, told: Callable[[], None]) -> Callable[[], None] | None:
        return None

    # The schedule.

    def _score(self, at: float) -> float:
        """Return the score that huey gives to a moment, in epoch seconds."""
        if not self.utc:
            return at
        # By the clock of UTC, as if that were the one on the wall here.
        return datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None).timestamp()

    def _moment(self, score: float) -> float:
        """Return the moment of huey's score."""
        if not self.utc:
            return score
        return datetime.fromtimestamp(score).replace(tzinfo=timezone.utc).timestamp()

    def add_to_schedule(self, data: bytes, timestamp: Moment) -> None:
        super().add_to_schedule(data, self._score(epoch(timestamp)))

    def read_schedule(self, timestamp: Moment) -> list[bytes]:
        return super().read_schedule(self._score(epoch(timestamp)))

    def promote(
        self,
        limit: int = 1000,
        now: float | None = None,
        priority_of: Callable[[bytes], float | None] | None = None,
    ) -> Promoted:
        at = self.time() if now is None else now
        if self._score(at) == at:
            return super().promote(limit, now, priority_of)
        moved, next_at = super().promote(limit, self._score(at), priority_of)
        return Promoted(moved, None if next_at is None else self._moment(next_at))

    # The end of a task.

    def settle(self, consumer: str, settlements: Sequence[Settlement]) -> list[Settlement]:
        told = [self._as_huey(one) for one in settlements]
        refused = {id(one) for one in super().settle(consumer, [one for one, _ in told])}
        commands: list[Command] = []
        for (settlement, commands_of_chord), _ in zip(told, settlements, strict=True):
            if id(settlement) not in refused:
                commands += commands_of_chord
                commands += self._notices(settlement.effects)
        if commands:
            self.link.together(*commands)
        return [
            one
            for one, (as_told, _) in zip(settlements, told, strict=True)
            if id(as_told) in refused
        ]

    def _as_huey(self, settlement: Settlement) -> tuple[Settlement, list[Command]]:
        """Return a settlement as huey would make it, and what is to be cleared after it."""
        effects = settlement.effects
        if effects is NOTHING:
            return settlement, []
        if effects.schedule:
            planned = tuple(one._replace(at=self._score(one.at)) for one in effects.schedule)
            effects = effects._replace(schedule=planned)
        clearing: list[Command] = []
        if effects.extra is not NO_EXTRA and effects.extra.members:
            for member in effects.extra.members:
                if self._count(member):
                    effects = effects._replace(enqueue=(*effects.enqueue, self._joined(member)))
                    clearing += self._forgetting(member)
            effects = effects._replace(extra=effects.extra._replace(members=()))
        return Settlement(settlement.delivery, effects), clearing

    def _notices(self, effects: Effects) -> list[Command]:
        if self._notify_ttl is None:
            return []
        commands: list[Command] = []
        for key, _ in effects.results:
            name = f"huey.notify.{self.keys._tag}.{key}"
            commands += [("LPUSH", name, "1"), ("PEXPIRE", name, self._notify_ttl)]
        return commands

    # Chords.

    def _count(self, member: Member) -> bool:
        """Note a member; say whether it was the last one."""
        value, counter = _value_key(member.chord, member.position), f"chord:{member.chord}"
        last = f"{counter}:last"
        ttl = "" if self._result_ttl is None else self._result_ttl
        names = (*self.keys.values(value), *self._counter_names(counter, last))
        args = (value, member.value, ttl, counter, last, member.position, member.size)
        return bool(self.scripts.call("count_member", names, args))

    def _counter_names(self, counter: str, last: str) -> tuple[str, str]:
        if self._result_ttl is None:
            return self.keys.counters, self.keys.counters
        return self.keys.counter(counter), self.keys.counter(last)

    def _joined(self, member: Member) -> Outgoing:
        assert self.join is not None
        keys = [_value_key(member.chord, position) for position in range(member.size)]
        found = self.peek_many(keys)
        body, priority = member.callback
        return Outgoing(self.join(body, [found.get(key) for key in keys]), priority)

    def _forgetting(self, member: Member) -> list[Command]:
        """Return the commands that clear away what a chord leaves."""
        values = [_value_key(member.chord, position) for position in range(member.size)]
        counter = f"chord:{member.chord}"
        fields = (counter, f"{counter}:last")
        if self._result_ttl is None:
            names = self.keys
            return [("HDEL", names.results, *values), ("HDEL", names.counters, *fields)]
        return [
            ("DEL", *map(self.keys.value, values), *map(self.keys.counter, fields)),
            ("ZREM", self.keys.expiring, *values),
        ]


def _value_key(chord: str, position: int) -> str:
    return f"chord:{chord}:{position}"


class _HueyScripts(Scripts):
    """Scripts over huey's own ZSET."""

    def __init__(self, storage: _HueySide) -> None:
        super().__init__(storage.link, Variants("huey", storage.store))
        self._keys = storage.keys

    def call(self, verb: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Carry out ``verb`` and return its answer; an error names the key of another kind."""
        try:
            return super().call(verb, keys, args)
        except redis.ResponseError:
            with naming(self.link, self._keys, "zset"):
                raise


class _HueySorted(_HueySide, SortedSetQueue):
    """A queue whose members have before them what huey puts there."""

    #: A producer of huey's does not ring; it is to be found soon all the same.
    LOOK_EVERY = 0.25

    def _start_queue(self, blocking: bool) -> None:
        super()._start_queue(blocking)
        self.scripts = _HueyScripts(self)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        last = -1 if limit is None else limit - 1
        members = self._ask("ZRANGE", self.keys.queue, 0, last) if limit != 0 else []
        return [_body_of(member) for member in members]

    def _body_of(self, kept: bytes) -> bytes:
        return _body_of(kept.partition(b" ")[2])


def _body_of(member: bytes) -> bytes:
    return member[_BEFORE_MESSAGE + (len(_OURS) if member.startswith(_OURS) else 0) :]


class HueyRedisStorage(_HueySide, RedisStorage):
    """``RedisStorage`` beside huey's."""


class HueyPriorityRedisStorage(_HueySorted, PriorityRedisStorage):
    """``PriorityRedisStorage`` beside huey's."""


class HueyRedisExpireStorage(_HueySide, RedisExpireStorage):
    """``RedisExpireStorage`` beside huey's."""


class HueyPriorityRedisExpireStorage(_HueySorted, PriorityRedisExpireStorage):
    """``PriorityRedisExpireStorage`` beside huey's."""


_SIDES: dict[type[BaseStorage], type[BaseStorage]] = {
    RedisStorage: HueyRedisStorage,
    PriorityRedisStorage: HueyPriorityRedisStorage,
    RedisExpireStorage: HueyRedisExpireStorage,
    PriorityRedisExpireStorage: HueyPriorityRedisExpireStorage,
}


def beside_huey(usual: type[BaseStorage]) -> type[BaseStorage]:
    """Return the class of storages like this one that share their keys with huey.

    Raises ``ConfigurationError`` when there is none.
    """
    if usual in _SIDES.values():
        return usual
    try:
        return _SIDES[usual]
    except KeyError:
        raise ConfigurationError(
            f"wire is for RedisHuey, PriorityRedisHuey, RedisExpireHuey and "
            f"PriorityRedisExpireHuey, without shards: not for {usual.__name__}"
        ) from None
