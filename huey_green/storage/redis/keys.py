# SPDX-License-Identifier: MIT
"""Every key name of one queue; huey's names are kept, so that its queue can be taken over."""

from __future__ import annotations

import re


class Keys:
    """The keys of the queue ``name``; characters outside of A-Z, a-z, 0-9 are dropped from it,
    as huey does."""

    def __init__(self, name: str, clean: bool = True, values: str = "huey.value") -> None:
        """``values`` is what the names of values in strings of their own begin with."""
        tag = re.sub("[^A-Za-z0-9]", "", name) if clean else name
        self.queue = f"huey.redis.{tag}"
        self.schedule = f"huey.schedule.{tag}"
        self.results = f"huey.results.{tag}"
        self.counters = f"huey.counters.{tag}"
        self.bell = f"huey.bell.{tag}"
        self.sequence = f"huey.sequence.{tag}"
        self.attempts = f"huey.attempts.{tag}"
        self.consumers = f"huey.consumers.{tag}"
        self.revocations = f"huey.revoked.{tag}"
        self.dead = f"huey.dead.{tag}"
        self.dead_index = f"huey.deadindex.{tag}"
        self.expiring = f"huey.expiring.{tag}"
        self.once = f"huey.once.{tag}"
        self.wake = f"huey.wake.{tag}"
        self.chords = f"huey.chords.{tag}"
        self.claims = f"huey.claims.{tag}"
        self.claim_ends = f"huey.claimends.{tag}"
        self.permits = f"huey.permits.{tag}"
        self.permit_counts = f"huey.permitcounts.{tag}"
        self.parked = f"huey.parked.{tag}"
        self.windows = f"huey.windows.{tag}"
        self.cancels = f"huey.cancels.{tag}"
        self.progress = f"huey.progress.{tag}"
        self.progress_news = f"huey.progressnews.{tag}"
        self.counter_ends = f"huey.counterends.{tag}"
        #: A channel, as is ``wake``.
        self.events = f"huey.events.{tag}"
        self._tag = tag
        self._values = values

    def inflight(self, consumer: str) -> str:
        """The HASH of what ``consumer`` holds: receipt to message."""
        return f"huey.inflight.{self._tag}.{consumer}"

    def begun(self, consumer: str) -> str:
        """The SET of the receipts that ``consumer`` has begun, of those that count only then."""
        return f"huey.begun.{self._tag}.{consumer}"

    def report(self, consumer: str) -> str:
        """The string that ``consumer`` says of itself; it ends by itself."""
        return f"huey.report.{self._tag}.{consumer}"

    def landing(self, consumer: str) -> str:
        """The LIST into which ``consumer`` waits: BLMOVE puts the first message there."""
        return f"huey.landing.{self._tag}.{consumer}"

    def value(self, key: str) -> str:
        """The string of a value: of one with a time to live, or of any where there is no HASH."""
        return f"{self._values}.{self._tag}.{key}"

    def values(self, key: str) -> tuple[str, str, str]:
        """The three keys that every script of one value takes first."""
        return self.results, self.value(key), self.expiring

    def counter(self, key: str) -> str:
        """The string of a counter that expires."""
        return f"huey.c.{self._tag}.{key}"

    def chord(self, chord: str) -> str:
        """The HASH of what the members of ``chord`` left: index to value."""
        return f"huey.chord.{self._tag}.{chord}"

    def hits(self, key: str) -> str:
        """The ZSET of the hits that were counted under ``key``: hit to moment."""
        return f"huey.hits.{self._tag}.{key}"

    def order(self, consumer: str | None = None) -> tuple[str, str, str, str]:
        """The four keys that every script of the ready queue takes first."""
        landing = self.landing(consumer or "none")
        return self.queue, self.bell, self.sequence, landing
