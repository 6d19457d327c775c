# SPDX-License-Identifier: MIT
"""Every key name of one queue; huey's names are kept, so that its queue can be taken over."""

from __future__ import annotations

import re


class Keys:
    """The keys of the queue ``name``; characters outside of A-Z, a-z, 0-9 are dropped from it,
    as huey does."""

    def __init__(self, name: str, clean: bool = True) -> None:
        tag = re.sub("[^A-Za-z0-9]", "", name) if clean else name
        self.queue = f"huey.redis.{tag}"
        self.schedule = f"huey.schedule.{tag}"
        self.results = f"huey.results.{tag}"
        self.counters = f"huey.counters.{tag}"
        self.bell = f"huey.bell.{tag}"
        self.sequence = f"huey.sequence.{tag}"
        self.attempts = f"huey.attempts.{tag}"
        self.consumers = f"huey.consumers.{tag}"
        self.revocations = f"huey.revocations.{tag}"
        self.dead = f"huey.dead.{tag}"
        self.dead_index = f"huey.deadindex.{tag}"
        self.expiring = f"huey.expiring.{tag}"
        self.once = f"huey.once.{tag}"
        self.wake = f"huey.wake.{tag}"
        self._tag = tag

    def inflight(self, consumer: str) -> str:
        """The HASH of what ``consumer`` holds: receipt to message."""
        return f"huey.inflight.{self._tag}.{consumer}"

    def begun(self, consumer: str) -> str:
        """The SET of the receipts that ``consumer`` has begun, of those that count only then."""
        return f"huey.begun.{self._tag}.{consumer}"

    def landing(self, consumer: str) -> str:
        """The LIST into which ``consumer`` waits: BLMOVE puts the first message there."""
        return f"huey.landing.{self._tag}.{consumer}"

    def value(self, key: str) -> str:
        """The string of a value that has a time to live."""
        return f"huey.value.{self._tag}.{key}"

    def order(self, consumer: str | None = None) -> tuple[str, str, str, str]:
        """The four keys that every script of the ready queue takes first."""
        landing = self.landing(consumer or "none")
        return self.queue, self.bell, self.sequence, landing
