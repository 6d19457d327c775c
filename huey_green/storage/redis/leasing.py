# SPDX-License-Identifier: MIT
"""How one consumer leases: its receipts, what a lost answer may have leased, its idle wait."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from typing import Any

from huey_green import clock
from huey_green.message import Delivery
from huey_green.storage.redis.clusters import Redirected
from huey_green.storage.redis.connect import Command, Link, ScriptMissing
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.scripts import Scripts
from huey_green.storage.redis.waiting import Waiting

#: The lease of a consumer that pops for good, in seconds: only what has landed hangs on it.
LANDING_LEASE = 30.0

#: Seconds after a connection broke at which to look for strays. Not once: a network repeats what
#: was lost for minutes after its sender has given it up.
LOOKS = (0.0, 2.0, 10.0, 60.0, 300.0)


class Leasing:
    """The fetches of one consumer over one handle. Not for two threads at once."""

    def __init__(self, link: Link, scripts: Scripts, keys: Keys, consumer: str) -> None:
        self._scripts = scripts
        self._keys = keys
        self._consumer = consumer
        self.waiting = Waiting(link)
        # Unique to this object, so that two with one consumer's name do not clash.
        self._prefix = secrets.token_hex(4)
        self._issued = 0
        #: Receipts under which the server may hold what we have not seen.
        self._unconfirmed: range | None = None
        #: Receipts of what was handed out here and is not settled, as far as we know.
        self.held: set[str] = set()
        self._breaks = self.waiting.breaks
        self._looks: list[float] = []
        #: The last fetch took all there was.
        self.is_drained = False
        self.has_revocations = False

    def fetch(self, limit: int, lease: float | None) -> list[Delivery]:
        """Take what is ready, without waiting."""
        verb, keys, args = self._request(limit, lease)
        return self._deliveries(self._scripts.call(verb, keys, args), limit)

    def fetch_after(self, blocking: Command, limit: int, lease: float | None) -> list[Delivery]:
        """Wait as ``blocking`` says, then take what is ready."""
        # The lease is pushed back in the same breath: what lands belongs to a consumer that the
        # reaper knows, whatever happens to us meanwhile.
        # The script itself, not its digest: a server that has forgotten it would go on to the wait.
        extend = self._scripts.whole(
            "extend", (self._keys.consumers,), (self._consumer, lease or LANDING_LEASE)
        )
        request = self._request(limit, lease)
        # Until we know better: a message may land, and something fail after that. It is to be
        # taken before another one is waited for.
        self.is_drained = False
        try:
            answer = self.waiting.wait(extend, blocking, self._scripts.command(*request))
        except ScriptMissing:
            return self.fetch(limit, lease)
        except Redirected:
            return []  # The slot has moved: it is followed when the next fetch asks.
        if answer is None:
            self._unconfirmed = None
            return []
        return self._deliveries(answer, limit)

    def until_look(self) -> float:
        """Return the seconds until the next look for strays; infinity when none is planned."""
        return self._looks[0] - clock.monotonic() if self._looks else math.inf

    def strays(self, limit: int) -> list[Delivery]:
        """Return what the server holds for us and nobody here has, now and then after a break.

        A fetch may be carried out after we have given it up. And a server that has lost its last
        moments (a failover) holds again what was settled in them.
        """
        now = clock.monotonic()
        if self._breaks != self.waiting.breaks:
            self._breaks = self.waiting.breaks
            self._looks = [now + delay for delay in LOOKS]
        if not self._looks or self._looks[0] > now:
            return []
        # What is settled meanwhile was known before.
        known = set(self.held)
        receipts = self._scripts.link.execute("HKEYS", self._keys.inflight(self._consumer))
        own = {one.decode() for one in receipts if one.startswith(self._prefix.encode())}
        self.held -= known - own
        strays = sorted(own - known)
        if len(strays) <= limit:
            del self._looks[0]
        return self._read(strays[:limit]) if strays else []

    def recover(self) -> list[Delivery]:
        """Return what an earlier fetch leased whose answer was lost."""
        if self._unconfirmed is None:
            return []
        found = self._read(self._receipt(number) for number in self._unconfirmed)
        self._unconfirmed = None
        return found

    def _read(self, receipts: Iterable[str]) -> list[Delivery]:
        keys = self._keys
        names = (*keys.order(self._consumer), keys.inflight(self._consumer), keys.attempts)
        found = self._scripts.call("recover", names, list(receipts))
        return [_delivery(body, receipt.decode(), lines) for receipt, body, lines in found]

    def _receipt(self, number: int) -> str:
        return f"{self._prefix}{number:x}"

    def _request(
        self, limit: int, lease: float | None
    ) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
        """Return the verb, keys and arguments that lease, or pop, up to ``limit`` messages."""
        keys = self._keys
        order = keys.order(self._consumer)
        if lease is None:
            return "pop", (*order, keys.revocations, keys.attempts), (limit,)
        first = self._issued + 1
        self._issued += limit
        self._unconfirmed = range(first, first + limit)
        names = (
            *order,
            keys.inflight(self._consumer),
            keys.attempts,
            keys.consumers,
            keys.revocations,
        )
        return "fetch", names, (self._consumer, lease, limit, self._prefix, first)

    def _deliveries(self, answer: list[Any], limit: int) -> list[Delivery]:
        numbers, self._unconfirmed = self._unconfirmed, None
        self.has_revocations = bool(answer[0])
        bodies = answer[1]
        self.is_drained = len(bodies) < limit
        if numbers is None:
            return [Delivery(body) for body in bodies]
        histories = answer[2]
        first = numbers.start
        if histories:
            return [
                _delivery(body, self._receipt(first + i), histories[i])
                for i, body in enumerate(bodies)
            ]
        prefix = self._prefix
        return [Delivery(body, f"{prefix}{first + i:x}") for i, body in enumerate(bodies)]


def _delivery(body: bytes, receipt: str, lines: bytes) -> Delivery:
    if not lines:
        return Delivery(body, receipt)
    history = tuple(lines.decode().split("\n"))
    return Delivery(body, receipt, len(history) + 1, history)
