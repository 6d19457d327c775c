# SPDX-License-Identifier: MIT
"""What a Huey does to take over a queue of huey's, or to work on one beside it.

(docs/decisions/0023-huey-wire.md)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from huey_green import clock
from huey_green.exceptions import ConfigurationError, StorageUnavailable, UnreadableMessage
from huey_green.execution.hooks import Hooks
from huey_green.foreign.speaking import WIRES, HueySpeaking, refuse_declared
from huey_green.limits import MOST_MEMBERS
from huey_green.registry import Registry
from huey_green.revocation import all_of
from huey_green.serializer import Serializer
from huey_green.storage.base import BaseStorage
from huey_green.task import Task
from huey_green.wire import SKIPPED, VERSION, decode_message, decode_value, encode_message

if TYPE_CHECKING:
    from huey_green.huey import Huey


def check_wire(wire: Any, result_ttl: Any) -> None:
    """Raise ``ConfigurationError`` unless ``wire`` is None or one that is known."""
    if wire is not None and wire not in WIRES:
        raise ConfigurationError(
            "wire is 'huey', to write what huey 3 reads, 'huey2', what huey 2 reads, or None, "
            f"not {wire!r}"
        )
    if wire is not None and result_ttl is not None:
        raise ConfigurationError(
            f"result_ttl with wire={wire!r}: huey would not find such results; leave it out, or "
            "take RedisExpireHuey on both sides"
        )


class Declared(Registry):
    """A registry that takes no task with options that huey could not keep."""

    def __init__(self, wire: str) -> None:
        super().__init__()
        self._is_huey3 = WIRES[wire]

    def register(self, task_class: type[Task]) -> str:
        """Add a class; raises ``ConfigurationError`` as ``Registry``, and for such an option."""
        refuse_declared(self.task_to_string(task_class), task_class, self._is_huey3)
        return super().register(task_class)


def beside_huey(huey: Huey, wire: str) -> BaseStorage:
    """Return a storage like the one that this Huey would have, that shares its keys with huey."""
    options = huey.storage_kwargs
    known = {name: value for name, value in options.items() if name not in _OF_HUEYS}
    usual = huey.get_storage(**known)
    if "redis" not in type(usual).__module__:
        raise ConfigurationError(f"wire is for storages in Redis, not for {type(usual).__name__}")
    from huey_green.storage.redis import hueyside

    huey.storage_class = hueyside.beside_huey(type(usual))
    storage = huey.get_storage(**options)
    assert isinstance(storage, hueyside._HueySide)
    storage.utc = huey.utc
    if not isinstance(huey.serializer, HueySpeaking):
        huey.serializer = HueySpeaking(huey.serializer, WIRES[wire], huey.utc, storage.priority)
    storage.join = _Joining(huey.serializer)
    return storage


log = logging.getLogger("huey_green")

#: Positions in a chord that are looked for at once.
PAGE = 1000

#: Options of a storage that only those beside huey take.
_OF_HUEYS = ("notify_result", "notify_result_ttl")


class _Joining:
    """Makes the message of a chord's callback with the values of all members."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def __call__(self, body: bytes, values: Sequence[bytes | None]) -> bytes:
        message = decode_message(self._serializer, body)
        joined = [
            SKIPPED if data is None else decode_value(self._serializer, data) for data in values
        ]
        return encode_message(self._serializer, message._replace(args=(*message.args, joined)))


class StartupHooks(Hooks):
    """Hooks before whose first run a queue of huey's is taken over."""

    def __init__(self, huey: Huey) -> None:
        super().__init__("on_startup")
        self._huey = huey

    def run(self, *args: Any) -> None:
        """Take over what huey has left, then call the hooks."""
        if self._huey.wire is None and hasattr(self._huey.storage, "link"):
            try:
                take_over(self._huey)
            except StorageUnavailable:
                raise
            except Exception:
                # Anybody may have put anything there: that stops no consumer.
                log.exception("not all that huey left could be taken over")
        super().run(*args)


def take_over(huey: Huey) -> None:
    """Have the revocations of whole tasks seen that huey made, its schedule come in time, and its
    chords be completed.

    Safe to repeat. Single tasks that huey revoked are looked up when they come, by their ids.
    """
    storage: Any = huey.storage
    names = [all_of(name) for name in huey.registry.tasks]
    for key, data in storage.peek_many(names).items() if names else ():
        mark = huey.serializer.deserialize(data)
        if mark[0] is None or isinstance(mark[0], datetime):
            storage.put_revocation(key, data, None)
    if storage.store == "hash":
        _take_chords(storage)
    if huey.utc and _utc_as_local(clock.wall()) != clock.wall():
        _schedule_anew(huey, storage)


def _take_chords(storage: Any) -> None:
    """Count what members of huey's chords have left as ours, before any other is counted."""
    link, keys = storage.link, storage.keys
    flat = link.execute("HGETALL", keys.counters)
    for name, count in zip(flat[::2], flat[1::2], strict=True):
        counter = name.decode(errors="replace")
        chord = counter.removeprefix("chord:")
        if chord == counter or chord.endswith(":last"):
            continue
        left = _values_left(storage, counter, int(count))
        noted = [("HSETNX", keys.chord(chord), str(at), value) for at, value in left.items()]
        link.together(*noted, ("ZADD", keys.chords, repr(storage.time()), chord))
        values = [f"{counter}:{at}" for at in left]
        link.together(
            *((("HDEL", keys.results, *values),) if values else ()),
            ("HDEL", keys.counters, counter, f"{counter}:last"),
        )


def _values_left(storage: Any, counter: str, count: int) -> dict[int, bytes]:
    """Return the values of the ``count`` members of a chord that have run, by their positions."""
    left: dict[int, bytes] = {}
    for start in range(0, MOST_MEMBERS, PAGE):
        names = [f"{counter}:{at}" for at in range(start, start + PAGE)]
        found = storage.peek_many(names)
        left |= {int(name.rpartition(":")[2]): value for name, value in found.items()}
        if len(left) >= count:
            break
    return left


def _schedule_anew(huey: Huey, storage: Any) -> None:
    """Give huey's messages on the schedule their moments: it takes UTC for local time."""
    link, schedule = storage.link, storage.keys.schedule
    found: list[tuple[float, bytes]] = []
    page, start = [b""], 0
    while page:
        page = link.execute("ZRANGE", schedule, start, start + PAGE - 1)
        moments = ((_moment_in(huey.serializer, body), body) for body in page)
        found += [(at, body) for at, body in moments if at is not None]
        start += PAGE
    for at, body in found:
        link.execute("ZADD", schedule, "XX", repr(at), body)


def _moment_in(serializer: Serializer, body: bytes) -> float | None:
    """Return when a message of huey's is due, in epoch seconds; None for any other."""
    if VERSION.encode() in body[:100]:
        return None  # Ours, as most are: not worth reading, of a million.
    try:
        message = decode_message(serializer, body)
    except UnreadableMessage:
        return None
    is_huey = message.options is not None and message.options.by_huey
    return float(message.eta) if is_huey and message.eta is not None else None


def _utc_as_local(at: float) -> float:
    return datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None).timestamp()
