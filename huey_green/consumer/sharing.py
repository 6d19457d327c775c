# SPDX-License-Identifier: MIT
"""One pool of slots for the tasks of several queues: by weight, or one before the other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from greenlet import greenlet

from huey_green.consumer.fetcher import FETCH_LIMIT, FETCH_WAIT, Fetcher
from huey_green.consumer.slots import Slots
from huey_green.consumer.worker import Running, Worker
from huey_green.message import Delivery


class Share(NamedTuple):
    """What a queue gets of a pool: all its lanes together, of which it has one for each shard."""

    #: How much of it, beside the weights of the others, while all of them have work.
    weight: float = 1.0
    #: Most tasks of this queue that run at once; None for as many as the pool has room for.
    limit: int | None = None
    #: How many lanes it has. They have even parts of its weight, and take turns.
    parts: int = 1
    #: Where it stands among the queues of the pool.
    place: int = 0


class Pool:
    """Room for ``limit`` tasks at once, of all lanes together.

    While several lanes want more, each gets its share; what one does not want is for the others.
    With ``strict`` a lane gets only what those before it do not want.
    """

    def __init__(self, limit: int, strict: bool = False) -> None:
        self.limit = limit
        self.strict = strict
        self.busy = 0
        #: Lanes are held, for want of room.
        self._is_full = False
        #: How many tasks run of those queues that have several lanes and a limit for all of them.
        self.busy_of: dict[int, int] = {}
        #: Those that were granted something longest ago are the first to be looked at.
        self.lanes: list[Lane] = []

    def lane(self, share: Share, worker: Worker) -> Lane:
        """Add a lane after those that there are."""
        lane = Lane(self, share, worker)
        self.lanes.append(lane)
        return lane

    @property
    def running(self) -> dict[greenlet, Running]:
        """What runs now, in all lanes, by its greenlet; as a worker tells it of its own."""
        found: dict[greenlet, Running] = {}
        for lane in tuple(self.lanes):
            found |= lane.worker.running
        return found

    def grant(self, lane: Lane) -> int:
        """Return for how many more tasks ``lane`` may ask now."""
        free = self._free()
        own = lane.limit - lane.load
        if lane.share.limit is not None:
            own = lane.share.limit - sum(one.load for one in self.lanes_of(lane.share))
        if free <= 0 or own <= 0:
            return 0
        others = [one for one in self.lanes if one is not lane and one.wants]
        if self.strict:
            place = lane.share.place
            if any(one.share.place < place for one in others):
                return 0
            others = [one for one in others if one.share.place == place]
        if not others:
            return min(free, own)
        if any(one.load / one.weight < lane.load / lane.weight for one in others):
            return 0  # That one comes first.
        weights = lane.weight + sum(one.weight for one in others)
        fair = math.ceil(self.limit * lane.weight / weights) - lane.load
        return min(free, own, max(1, fair))

    def lanes_of(self, share: Share) -> list[Lane]:
        """Return the lanes of a queue."""
        return [one for one in self.lanes if one.share.place == share.place]

    def _free(self) -> int:
        return self.limit - sum(one.load for one in self.lanes)

    def note_granted(self, lane: Lane) -> None:
        """Let other lanes have their turn before this one has another."""
        self.lanes.remove(lane)
        self.lanes.append(lane)

    def enter(self, lane: Lane) -> None:
        """Note that a task of ``lane`` begins."""
        self.busy += 1
        if lane.is_bounded:
            self._count(lane, 1)
            if not lane.has_room:
                self._hold(self.lanes_of(lane.share))
        if self.busy >= self.limit:
            self._hold(self.lanes)

    def _count(self, lane: Lane, change: int) -> None:
        place = lane.share.place
        self.busy_of[place] = self.busy_of.get(place, 0) + change

    def _hold(self, lanes: list[Lane]) -> None:
        self._is_full = True
        for lane in lanes:
            lane.held = True

    def leave(self, lane: Lane) -> None:
        """Note that a task of ``lane`` has ended."""
        self.busy -= 1
        if lane.is_bounded:
            self._count(lane, -1)
        if self._is_full:
            held = [one for one in self.lanes if one.held]
            self._is_full = not all(one.has_room for one in held)
            for one in held:
                if one.has_room:
                    one.held = False
                    one.go_on()

    def look_again(self) -> None:
        """Have all lanes that wait for room look whether there is some now."""
        waiting = [lane for lane in self.lanes if lane.waits]
        free = self._free() if waiting else 0
        if free <= 0:
            return
        # As with one queue: a few at a time while they still have work.
        is_much = free * 4 >= self.limit
        for lane in waiting:
            if (is_much or not lane.waiting) and self.grant(lane):
                lane.look_again()


class Lane(Slots):
    """The slots of one queue, which share the room of a pool."""

    def __init__(self, pool: Pool, share: Share, worker: Worker) -> None:
        super().__init__(pool.limit if share.limit is None else share.limit, self._enter)
        self.worker = worker
        self.share = share
        #: Its queue has a limit that other lanes share.
        self.is_bounded = share.limit is not None and share.parts > 1
        self.weight = share.weight / share.parts
        self._pool = pool
        #: What was granted and is being fetched.
        self._granted = 0
        #: It waits for room.
        self.waits = False
        #: Whether there was nothing in the queue at the last look, and there is nothing yet.
        self.is_idle = False

    @property
    def load(self) -> int:
        """How much of the pool it has."""
        return self._busy + len(self._ready) + self._granted

    @property
    def wants(self) -> bool:
        """Whether it would take more of the pool, as far as is known."""
        if self._closed or self.is_idle:
            return False
        if not self.is_bounded:
            return self._busy + len(self._ready) < self.limit
        lanes = self._pool.lanes_of(self.share)
        return sum(one._busy + len(one._ready) for one in lanes) < (self.share.limit or 0)

    def capacity(self) -> int:
        """Wait until there is room for this queue; return how much, 0 once closed."""
        self.is_idle = False
        while not self._closed:
            granted = self._pool.grant(self)
            if granted:
                self._granted = min(granted, FETCH_LIMIT)
                self._pool.note_granted(self)
                return self._granted
            self.waits = True
            self._room.clear()
            self._room.wait()
            self.waits = False
        return 0

    def note_empty(self) -> None:
        """Nothing comes from the queue for now: what was granted is for the others."""
        self._granted = 0
        self.is_idle = True
        self._pool.look_again()

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Give work to the greenlets, in place of what was granted for it."""
        self._granted = 0
        super().put(deliveries)
        self._pool.look_again()  # It may want no more.

    def close(self) -> None:
        """Begin no further delivery; what this lane had is for the others."""
        super().close()
        self._granted = 0
        self._pool.look_again()

    def release_greenlets(self) -> None:
        """Let the parked greenlets go, and leave the pool."""
        super().release_greenlets()
        if self in self._pool.lanes:
            self._pool.lanes.remove(self)

    def go_on(self) -> None:
        """There is room to begin what was put."""
        if self._ready and not self._closed:
            self._call_one()

    def look_again(self) -> None:
        """There is room for more."""
        self._room.set()

    def _make_room(self) -> None:
        self._pool.look_again()

    @property
    def has_room(self) -> bool:
        """Whether its queue may have another task beside those that run."""
        if not self.is_bounded:
            return True
        return self._pool.busy_of.get(self.share.place, 0) < (self.share.limit or 0)

    def _enter(self, delivery: Delivery) -> None:
        self._pool.enter(self)
        try:
            self.worker.run(delivery)
        finally:
            self._pool.leave(self)


class LaneFetcher(Fetcher):
    """Tells the others when its queue is empty, and lets them have its room until it is not."""

    _slots: Lane

    def _fetch(self, limit: int) -> list[Delivery]:
        try:
            # What was granted is not to wait for a storage that is away.
            deliveries = [] if self.outage.is_on else self._ask(limit, 0.0)
            if not deliveries:
                self._slots.note_empty()
                if self._storage.blocking or self.outage.is_on:
                    # One: by the time that it comes there may be no room for more.
                    deliveries = self._ask(1, FETCH_WAIT)
        except BaseException:
            self._slots.note_empty()
            raise
        return deliveries
