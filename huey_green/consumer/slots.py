# SPDX-License-Identifier: MIT
"""Room for tasks: greenlets that come on demand, up to a limit, and take one task after another.

A greenlet that has finished takes the next delivery itself, without a switch. Before it runs
one it sees to it that another greenlet is on its way to the rest; so a task that waits gives
way to the next at once, and a crowd of tasks that never wait is run by one greenlet alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import gevent
from gevent.event import Event
from gevent.hub import get_hub
from greenlet import greenlet

from huey_green import clock
from huey_green.consumer.pace import Pace
from huey_green.message import Delivery

#: Seconds after which a greenlet that has not waited lets others run.
TURN = 0.005

#: Seconds of idleness after which a parked greenlet is let go.
IDLE = 10.0


class Slots:
    """At most ``limit`` deliveries in work at once, each handed to ``work`` in a greenlet."""

    def __init__(self, limit: int, work: Callable[[Delivery], None]) -> None:
        self.limit = limit
        self._work = work
        self._ready: deque[Delivery] = deque()
        self._parked: list[greenlet] = []
        self._greenlets: set[gevent.Greenlet[..., None]] = set()
        self._busy = 0
        # The greenlet that has been told to come and has not begun yet.
        self._coming: greenlet | None = None
        self._closed = False
        #: Nothing is to begin for now, for want of room elsewhere.
        self.held = False
        #: Whether and how it gives way to what else runs in this event loop.
        self.pace: Pace | None = None
        self._resting = False
        self._room = Event()
        self._room.set()
        self._idle = Event()
        self._idle.set()
        self._trimmer: gevent.Greenlet[..., None] | None = None

    @property
    def busy(self) -> int:
        """How many deliveries are in work now."""
        return self._busy

    @property
    def waiting(self) -> int:
        """How many deliveries were put and are not begun."""
        return len(self._ready)

    def capacity(self) -> int:
        """Wait until there is room; return how much, 0 once closed."""
        while not self._closed:
            self._room.wait()
            free = self.limit - self._busy - len(self._ready)
            if free > 0 and not self._closed:
                return free
            self._room.clear()
        return 0

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Give work to the greenlets. After ``close`` it is kept for ``take_back``."""
        self._ready.extend(deliveries)
        if self._ready and not self._closed:
            self._idle.clear()
            self._call_one()

    def close(self) -> None:
        """Begin no further delivery; ``capacity`` is 0 from now on."""
        self._closed = True
        self._room.set()
        self._note_idle()

    def take_back(self) -> list[Delivery]:
        """Return what was put and not begun."""
        waiting = list(self._ready)
        self._ready.clear()
        self._note_idle()
        return waiting

    def wait_idle(self, timeout: float | None) -> bool:
        """Wait until nothing is in work; say whether it came to that within ``timeout``."""
        return bool(self._idle.wait(timeout))

    def release_greenlets(self) -> None:
        """Let the parked greenlets go."""
        for one in self._parked:
            gevent.kill(one)
        if self._trimmer is not None:
            self._trimmer.kill(block=False)

    def _call_one(self) -> None:
        if self._coming is not None:
            return
        if self._parked:
            self._coming = self._parked.pop()
            get_hub().loop.run_callback(self._coming.switch)
        elif len(self._greenlets) < self.limit:
            self._coming = new = gevent.spawn(self._run)
            self._greenlets.add(new)
            new.rawlink(self._forget)
            if self._trimmer is None or self._trimmer.dead:
                self._trimmer = gevent.spawn(self._trim)

    def _forget(self, ended: gevent.Greenlet[..., None]) -> None:
        self._greenlets.discard(ended)
        if self._coming is ended:  # Somebody killed it before it had begun.
            self._coming = None
            self._hand_on()

    def _run(self) -> None:
        self._coming = None
        try:
            if self.pace is None:
                self._take_turns()
            else:
                self._take_slices(self.pace)
        except BaseException:  # Somebody killed this greenlet: others go on for it.
            self._hand_on()
            raise

    def _take_turns(self) -> None:
        turn_ends_at = clock.monotonic() + TURN
        while True:
            while self._ready and not self._closed and not self.held:
                delivery = self._ready.popleft()
                self._busy += 1
                if self._ready:
                    self._call_one()
                try:
                    self._work(delivery)
                finally:
                    self._busy -= 1
                    self._make_room()
                if clock.monotonic() > turn_ends_at:
                    gevent.sleep(0)
                    turn_ends_at = clock.monotonic() + TURN
            self._note_idle()
            if self._closed:
                return
            self._park()
            turn_ends_at = clock.monotonic() + TURN

    def _take_slices(self, pace: Pace) -> None:
        """As ``_take_turns``, where greenlets have slices of time together and not each its own."""
        while True:
            while self._ready and not self._closed and not self.held:
                if pace.is_spent():
                    if self._resting:
                        break  # Who rests goes on with what is there, and calls others.
                    self._rest(pace)
                    continue
                delivery = self._ready.popleft()
                self._busy += 1
                if self._ready:
                    self._call_one()
                try:
                    self._work(delivery)
                finally:
                    self._busy -= 1
                    self._make_room()
            self._note_idle()
            if self._closed:
                return
            self._park()

    def _rest(self, pace: Pace) -> None:
        self._resting = True
        try:
            pace.rest()
        finally:
            self._resting = False

    def _park(self) -> None:
        self._parked.append(gevent.getcurrent())
        try:
            get_hub().switch()
        except BaseException:
            if (here := gevent.getcurrent()) in self._parked:
                self._parked.remove(here)
            else:  # It had been told to come.
                self._coming = None
            raise
        self._coming = None

    def _make_room(self) -> None:
        # A few at a time when there is still work, so that fetches are worth their round trip;
        # at once when there is none.
        if not self._room.is_set():
            free = self.limit - self._busy - len(self._ready)
            if not self._ready or free * 4 >= self.limit:
                self._room.set()

    def _hand_on(self) -> None:
        self._make_room()
        self._note_idle()
        if self._ready and not self._closed:
            self._call_one()

    def _note_idle(self) -> None:
        if not self._busy and (self._closed or not self._ready):
            self._idle.set()

    def _trim(self) -> None:
        """Let those go that were parked through a whole period: a quiet consumer is small."""
        fewest = 0
        while True:
            gevent.sleep(IDLE)
            fewest = len(self._parked) - self._let_go(fewest)

    def _let_go(self, number: int) -> int:
        # A function of its own: what it names would be kept until the next time. The longest idle
        # are at the front. Each leaves the list itself when it is killed.
        spare = self._parked[:number]
        for one in spare:
            gevent.kill(one)
        return len(spare)
