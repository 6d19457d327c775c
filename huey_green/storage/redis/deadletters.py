# SPDX-License-Identifier: MIT
"""Dead letters, and whatever else goes when its time is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from huey_green.message import DeadLetter
from huey_green.storage.base import CHORD_KEPT, HISTORY_KEPT, PROGRESS_KEPT, decode_dead
from huey_green.storage.redis.queue import BATCH, RedisQueue


class RedisDeadLetters(RedisQueue):
    """A HASH of records, and a ZSET of their ids by the moments of their deaths."""

    #: Where ``prune`` goes on among the histories of messages.
    _histories_at = "0"

    def dead_letters(self, limit: int | None = None) -> list[DeadLetter]:
        last = -1 if limit is None else limit - 1
        ids = self.link.execute("ZREVRANGE", self.keys.dead_index, 0, last) if limit != 0 else []
        return self._read(ids)

    def _read(self, ids: Sequence[str | bytes]) -> list[DeadLetter]:
        records = self.link.execute("HMGET", self.keys.dead, *ids) if ids else []
        return [
            decode_dead(record, one.decode() if isinstance(one, bytes) else one)
            for one, record in zip(ids, records, strict=True)
            if record is not None
        ]

    def requeue_dead(self, ids: Iterable[str] | None = None) -> int:
        keys = self.keys
        names = (
            *keys.order(),
            *(keys.dead, keys.dead_index, keys.attempts),
            *(keys.results, keys.expiring, keys.claims, keys.claim_ends),
        )
        return sum(
            self.scripts.call("requeue_dead", (*names, *map(keys.value, batch)), batch)
            for batch in self._batches(ids)
        )

    def delete_dead(self, ids: Iterable[str] | None = None) -> int:
        return sum(map(self._delete, self._batches(ids)))

    def _delete(self, ids: Sequence[str]) -> int:
        joined = [one.joins for one in self._read(ids) if one.joins is not None]
        deleted = self.link.transaction(
            ("HDEL", self.keys.dead, *ids), ("ZREM", self.keys.dead_index, *ids)
        )[0]
        self._forget_chords(joined)
        return int(deleted)

    def _forget_chords(self, chords: Sequence[str]) -> None:
        if chords:
            names = map(self.keys.chord, chords)
            self.link.transaction(("UNLINK", *names), ("ZREM", self.keys.chords, *chords))

    def _batches(self, ids: Iterable[str] | None) -> list[list[str]]:
        if ids is None:
            ids = [one.decode() for one in self.link.execute("ZRANGE", self.keys.dead_index, 0, -1)]
        wanted = list(ids)
        return [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]

    def prune(self, limit: int = 1000, now: float | None = None) -> int:
        deleted, more = 0, True
        while more:
            share = min(BATCH, limit - deleted)
            letters, chords, self._histories_at, more = self._prune_some(share, now)
            deleted += self.delete_dead([one.decode() for one in letters])
            self._forget_chords([one.decode() for one in chords])
            more = bool(more or chords or letters) and deleted < limit
        return deleted

    def _prune_some(self, limit: int, now: float | None) -> list[Any]:
        keys = self.keys
        most, longest = self.retention
        names = (
            *(keys.dead_index, keys.once, keys.windows, keys.expiring, keys.counter_ends),
            *(keys.revocations, keys.claims, keys.claim_ends, keys.progress, keys.progress_news),
            *(keys.chords, keys.attempts),
        )
        args = (
            *("" if now is None else repr(now), limit),
            *("" if most is None else most, "" if longest is None else repr(float(longest))),
            *(PROGRESS_KEPT, CHORD_KEPT, HISTORY_KEPT, self._histories_at),
        )
        answer: list[Any] = self.scripts.call("prune", names, args)
        return answer
