# SPDX-License-Identifier: MIT
"""One batch of settlements as settle.lua reads it, or settle_extra.lua."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from huey_green.message import NO_EXTRA, NOTHING, Delivery, Effects, Extra, Settlement
from huey_green.storage.base import encode_dead, signed
from huey_green.storage.redis.keys import Keys


class Settling:
    """Turns settlements into a verb, its keys and its arguments.

    ``result_ttl`` is the milliseconds for which a result is kept in a string of its own; None
    where results are in a HASH.
    """

    def __init__(
        self,
        keys: Keys,
        result_ttl: int | None,
        consumer: str,
        settlements: Sequence[Settlement],
    ) -> None:
        self._keys = keys
        self._consumer = consumer
        self._result_ttl = result_ttl
        self._named: list[str] = []
        self._has_extra = False
        self._args: list[bytes | str | int] = [keys.wake, 0]
        args = self._args
        for settlement in settlements:
            delivery, effects = settlement
            if effects is NOTHING and delivery.attempt == 1:
                args += (delivery.receipt or "", "")
            else:
                self._add(delivery, effects)

    def call(self) -> tuple[str, list[str], list[bytes | str | int]]:
        """Return the verb, its keys and its arguments."""
        keys = self._keys
        names = [
            *keys.order(self._consumer),
            keys.inflight(self._consumer),
            keys.attempts,
            keys.schedule,
            keys.results if self._result_ttl is None else keys.expiring,
            keys.dead,
            keys.dead_index,
            keys.begun(self._consumer),
            keys.permits,
            keys.permit_counts,
        ]
        if self._has_extra:
            names += (keys.parked, keys.claims, keys.claim_ends, keys.chords)
            names += (keys.progress, keys.progress_news, keys.expiring)
        self._args[1] = len(names)
        return "settle_extra" if self._has_extra else "settle", names + self._named, self._args

    def _add(self, delivery: Delivery, effects: Effects) -> None:
        results, enqueue, schedule, dead, extra = effects
        receipt = delivery.receipt or ""
        ttl = self._result_ttl
        result = "r"
        if extra is not NO_EXTRA and extra.result_ttl is not None:
            ttl, result = milliseconds(extra.result_ttl), "R"
        names = result * len(results) + "q" * len(enqueue) + "s" * len(schedule)
        rest: list[bytes | str | int] = []
        for key, value in results:
            rest += (key, value) if ttl is None else (key, value, ttl, self._name_value(key))
        for body, priority in enqueue:
            rest += (score(priority), body)
        for body, at in schedule:
            rest += (repr(at), body)
        if dead is not None:
            names += "d"
            record = encode_dead(signed(dead, self._consumer))
            rest += (dead.id, record, repr(dead.died_at))
        if delivery.attempt > 1:
            names += "a"
            rest += (hashlib.sha1(delivery.body, usedforsecurity=False).hexdigest(), receipt)
        if extra is not NO_EXTRA:
            self._has_extra = True
            names += self._add_extra(rest, extra)
        self._args += (receipt, names, *rest)

    def _add_extra(self, rest: list[bytes | str | int], extra: Extra) -> str:
        for chord, index, size, value, (body, priority) in extra.members:
            name = self._name(self._keys.chord(chord))
            rest += (name, chord, index, size, value, score(priority), body)
        for chord in extra.joined:
            rest += (self._name(self._keys.chord(chord)), chord)
        for key, owner in extra.drops:
            rest += (key, owner)
        names = "m" * len(extra.members) + "j" * len(extra.joined) + "c" * len(extra.drops)
        if extra.limited is not None:
            names += "l"
            rest.append(extra.limited)
        rest += extra.progress
        return names + "p" * len(extra.progress)

    def _name_value(self, key: str) -> int:
        return self._name(self._keys.value(key))

    def _name(self, key: str) -> int:
        """Add a key to those that the script is given; return its position among the named ones."""
        self._named.append(key)
        return len(self._named)


def milliseconds(ttl: float) -> int:
    """Return a time to live as scripts take it: at least one millisecond."""
    return max(1, round(ttl * 1000))


def score(priority: float | None) -> str:
    """Return the ZSET score of a priority: the highest has to come first."""
    return repr(-float(priority)) if priority else "0"
