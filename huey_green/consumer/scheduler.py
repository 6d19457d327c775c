# SPDX-License-Identifier: MIT
"""Promotes due tasks, and enqueues periodic ones, each moment's once in the whole cluster."""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gevent.event import Event

from huey_green import clock, probe
from huey_green import signals as s
from huey_green.backoff import jittered
from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service
from huey_green.cron import Recurring
from huey_green.exceptions import HueyException
from huey_green.registry import Registry
from huey_green.signals import Signals
from huey_green.storage.base import BaseStorage
from huey_green.task import PeriodicTask, Task

log = logging.getLogger("huey_green.consumer")

#: Most messages promoted in one call; more are promoted by further calls in the same tick.
BATCH = 500

#: Seconds between two promotions at least: what falls due in between shares a round trip.
GAP = 0.002

#: Seconds that it costs to come at a moment that the storage has told and find nothing, for another
#: consumer was faster; and how many of them are lent. So each of a crowd asks 20 times a second at
#: most, however many moments there are, while who finds something goes on as it falls due.
MISS, LENT = 0.05, 1.0

#: Seconds that a minute's tick of a task is remembered: longer than consumers can be apart.
REMEMBERED = 3 * 3600.0

#: What takes its place for a task with an interval, which has many more moments: so many
#: intervals, but not less than these seconds, nor more than above.
REMEMBERED_INTERVALS, REMEMBERED_AT_LEAST = 1000, 600.0

#: A scheduler that was held up goes through at most so many minutes that it missed.
MISSED_MINUTES = 60

#: Seconds: a moment so short before a scheduler starts is not missed. After a restart on the
#: minute that minute's tasks still run; if they did already the key says so.
RESTART = 10.0


class Host(Protocol):
    """What a scheduler needs of its Huey."""

    utc: bool
    registry: Registry
    signals: Signals

    def serialize_task(self, task: Task) -> bytes:
        """Return a task as it is stored."""

    def deserialize_task(self, data: bytes) -> Task:
        """Return the task in stored bytes."""


class StorageClock:
    """The storage's clock, carried on by our monotonic one; the storage is asked now and then.

    Who sets this machine's clock does not move it. But then the storage may be on this machine,
    and is asked again.
    """

    #: Seconds between two questions.
    CHECK = 60.0
    #: An answer known to be right within so many seconds is good enough; else the best of some.
    GOOD, TRIES = 0.001, 3
    #: Seconds by which this machine's clock has to jump to be noticed.
    JUMP = 0.5

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._offset = 0.0
        self._asked_at = -math.inf
        self._wall = 0.0  # What our clock shows when the monotonic one shows zero.
        #: Seconds by which the estimate may have been wrong when the storage was asked.
        self.error = math.inf

    @property
    def is_known(self) -> bool:
        """Whether the storage was asked at all."""
        return self._asked_at > -math.inf

    def now(self) -> float:
        """Return the present by the storage's clock, or ours as long as that is not known; asks
        nobody."""
        return self.at(clock.monotonic()) if self.is_known else clock.wall()

    def at(self, monotonic: float) -> float:
        """Return what the storage's clock shows when our monotonic one shows this."""
        return monotonic + self._offset

    def check(self, max_age: float = CHECK) -> None:
        """Ask the storage, unless it was asked within the last ``max_age`` seconds."""
        now = clock.monotonic()
        wall = clock.wall() - now
        if now - self._asked_at < max_age and abs(wall - self._wall) < self.JUMP:
            return
        answers: list[tuple[float, float]] = []
        while not answers or (answers[-1][0] > self.GOOD and len(answers) < self.TRIES):
            asked_at = clock.monotonic()
            told = self._storage.time()
            # It said so at some moment between question and answer.
            error = (clock.monotonic() - asked_at) / 2
            answers.append((error, told - asked_at - error))
        self.error, self._offset = min(answers)
        self._asked_at, self._wall = clock.monotonic(), wall


class Moments:
    """A set of moments with the earliest at hand; to the millisecond, and of bounded size."""

    #: Most moments that are kept; of more the later half is forgotten.
    LIMIT = 50_000

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._known: set[int] = set()

    @property
    def earliest(self) -> float:
        """The earliest moment, infinity when there is none."""
        return self._heap[0] / 1000 if self._heap else math.inf

    def add(self, at: float) -> bool:
        """Add a moment; say whether it is earlier than all others."""
        if not math.isfinite(at * 1000):
            return False
        millisecond = math.ceil(at * 1000)
        if millisecond in self._known:
            return False
        if len(self._heap) >= self.LIMIT:
            self._heap = sorted(self._heap)[: self.LIMIT // 2]  # A sorted list is a heap.
            self._known = set(self._heap)
        self._known.add(millisecond)
        heapq.heappush(self._heap, millisecond)
        return self._heap[0] == millisecond

    def take(self, until: float) -> list[float]:
        """Remove and return the moments up to ``until``."""
        taken = []
        while self.earliest <= until:
            millisecond = heapq.heappop(self._heap)
            self._known.remove(millisecond)
            taken.append(millisecond / 1000)
        return taken


class Scheduler(Service):
    """Every consumer has one. What must happen once is one step in the storage, under a key of
    the task and the moment by the storage's clock; so it does not matter how many there are.

    It looks at the schedule every ``interval`` seconds, and wakes up in between for what it
    knows of: what the storage told at the last look to be the next, moments that it was told to
    ``expect``, and those of periodic tasks.
    """

    name = "scheduler"

    def __init__(
        self, host: Host, storage: BaseStorage, outage: Outage, interval: float, periodic: bool
    ) -> None:
        super().__init__(outage)
        self.interval = interval
        self._host = host
        self._storage = storage
        self._periodic = periodic
        #: The clock that decides what is due.
        self.clock = StorageClock(storage)
        self._woken = Event()
        self._has_succeeded = False
        self._expected = Moments()
        # By the storage's clock: the earliest message that the last promotion left there.
        self._next_at = math.inf
        # By our monotonic clock: when what misses have cost is paid back.
        self._paid_at = -math.inf
        # By our monotonic clock: the last promotion, and the next one whatever happens.
        self._promoted_at = self._promote_at = -math.inf
        # By the storage's clock: up to when periodic tasks were enqueued, and when to look again.
        self._looked_at = math.inf
        self._occurs_at = -math.inf
        self._minute: int | None = None
        # The minute of the last complaint about the schedule of a task, by its name.
        self._complained: dict[str, int] = {}

    def expect(self, at: float) -> None:
        """Promote at this moment (epoch seconds) and not only at the next look at the schedule.

        To be called after a message was put there, by a greenlet of the scheduler's own event
        loop. Costs no round trip; many moments within a few milliseconds share one promotion.
        """
        if self._expected.add(at):
            self._woken.set()

    def tick(self) -> None:
        """Promote what is due, and enqueue the periodic tasks whose moment has come."""
        self.clock.check()
        if self._until_promotion() <= 0:
            self._promote()
        if self._periodic and self._is_time_to_look(now := self.clock.now()):
            self._enqueue_periodic(now)
        self.answered()
        self._has_succeeded = True
        probe.reached("scheduled")

    # When.

    def _run(self) -> None:
        # Whoever stops us sets ``stopping``; that has to end our own wait.
        self.stopping.rawlink(self._wake)
        try:
            while not self.stopping.is_set():
                self._has_succeeded = False
                pause = self._tick()
                if self._has_succeeded:
                    self._wait()
                else:
                    self._promote_at = -math.inf
                    self.stopping.wait(pause)
        finally:
            self.stopping.unlink(self._wake)

    def _wake(self, _: Event) -> None:
        self._woken.set()

    def _wait(self) -> None:
        """Wait until there is something to do, also something we learn of meanwhile."""
        while not self.stopping.is_set() and (seconds := self._until_work()) > 0:
            self._woken.clear()
            self._woken.wait(seconds)

    def _until_work(self) -> float:
        if not self._periodic:
            return self._until_promotion()
        return min(self._until_promotion(), self._occurs_at - self.clock.now())

    def _until_promotion(self) -> float:
        present, now = clock.monotonic(), self.clock.now()
        until_next = max(self._next_at - now, self._paid_at - LENT - present)
        until_known = min(self._expected.earliest - now, until_next)
        until_allowed = self._promoted_at + GAP - present
        return min(self._promote_at - present, max(until_known, until_allowed))

    def _is_time_to_look(self, now: float) -> bool:
        return now >= self._occurs_at or self._begins_anew(now)

    def _begins_anew(self, now: float) -> bool:
        """Say whether this is the first look, or was the clock wrong until now and set back."""
        return now < self._looked_at - MISSED_MINUTES * 60

    # The schedule.

    def _promote(self) -> None:
        began = clock.monotonic()
        now = self.clock.at(began)
        expected = self._expected.take(now)
        moved, next_at = self._promote_all()
        self._promoted_at = clock.monotonic()
        # A little spread, so that several consumers do not march in step.
        self._promote_at = self._promoted_at + jittered(self.interval, 0.1)
        if self._next_at <= now and not moved:
            self._paid_at = max(self._paid_at, began) + MISS
        self._next_at = next_at
        if moved < len(expected):
            self._expect_again(expected, began)
        elif next_at <= now - self.clock.error:
            # The storage would have moved it, were its clock not behind what we think.
            self.clock.check(1.0)

    def _promote_all(self) -> tuple[int, float]:
        """Return how many messages were moved, and the moment of the next one, infinity when
        none is known; to the millisecond, as what is expected is."""
        moved = 0
        while True:
            count, next_at = self._storage.promote(BATCH, priority_of=self._priority_of)
            moved += count
            if count < BATCH:
                if next_at is None or not math.isfinite(next_at * 1000):
                    return moved, math.inf
                return moved, math.ceil(next_at * 1000) / 1000

    def _expect_again(self, expected: list[float], began: float) -> None:
        """Expect those moments again that the storage may not have come to by ``began``.

        It decides by its own clock, which may be a little behind what we think. All others were
        promoted by another consumer. The estimate's error is small, so that this soon ends.
        """
        self.clock.check(1.0)
        certain = self.clock.at(began) - self.clock.error - 0.001
        for at in expected:
            if at > certain:
                self._expected.add(at)

    def _priority_of(self, body: bytes) -> float | None:
        try:
            return self._host.deserialize_task(body).priority
        except Exception:
            # Whoever fetches it will say what is wrong with it.
            return None

    # Periodic tasks.

    def _enqueue_periodic(self, now: float) -> None:
        """Enqueue what has fallen due since the last look, and note when to look again."""
        for minute in self._minutes_begun(now):
            self._enqueue_minute(minute, now)
            self._minute = minute
        # Also when nothing is to come: there may be a new task by then.
        look_again_at = (now // 60 + 1) * 60
        for task in self._host.registry.periodic_tasks:
            recurring = _recurring(task)
            if recurring is not None:
                with self._surviving(task, now):
                    next_at = self._enqueue_recurring(task, recurring, now, look_again_at)
                    look_again_at = min(look_again_at, next_at)
        self._looked_at = now
        self._occurs_at = look_again_at

    def _minutes_begun(self, now: float) -> range:
        """Return the minutes since the epoch that have begun since the last look."""
        current = int(now // 60)
        if self._minute is None or current < self._minute - MISSED_MINUTES:
            self._minute = current - 1 if now % 60 < RESTART else current
        return range(max(self._minute + 1, current - MISSED_MINUTES), current + 1)

    def _enqueue_minute(self, minute: int, now: float) -> None:
        """Enqueue the tasks whose schedule has to be asked, if it accepts this minute."""
        moment = clock.from_epoch(minute * 60.0, self._host.utc)
        for task in self._host.registry.periodic_tasks:
            if _recurring(task) is None:
                with self._surviving(task, now):
                    if task.validate_datetime(moment):
                        self._enqueue_once(task, minute, REMEMBERED)

    def _enqueue_recurring(
        self, task: PeriodicTask, recurring: Recurring, now: float, horizon: float
    ) -> float:
        """Enqueue a task whose schedule knows its moments; return the next one, or ``horizon``."""
        after = now - RESTART if self._begins_anew(now) else self._looked_at
        interval: float | None = getattr(recurring, "interval", None)
        if interval is None:
            after = max(after, (now // 60 - MISSED_MINUTES - 1) * 60)
            moments = recurring.occurrences(after, horizon)
            due = [at for at in moments if at <= now]
            remembered = REMEMBERED
        else:
            # A short interval has many moments in a long time; these have the latest and the next.
            after = max(after, now - 2 * interval)
            moments = recurring.occurrences(after, min(horizon, now + 2 * interval))
            due = [at for at in moments if at <= now][-1:]
            remembered = max(REMEMBERED_AT_LEAST, interval * REMEMBERED_INTERVALS)
        for at in due:
            is_minute = interval is None and at % 60 == 0
            key = int(at // 60) if is_minute else round(at * 1000)
            self._enqueue_once(type(task)(), key, min(remembered, REMEMBERED))
        return min((at for at in moments if at > now), default=horizon)

    def _enqueue_once(self, task: PeriodicTask, moment: int, remembered: float) -> None:
        key = f"cron:{self._host.registry.task_to_string(type(task))}:{moment}"
        body = self._host.serialize_task(task)
        if self._storage.enqueue_once(body, key, remembered, task.priority):
            log.info("%s is due and was enqueued", task)
            self._host.signals.send(s.SIGNAL_ENQUEUED, task)
            probe.reached("periodic", task)

    @contextmanager
    def _surviving(self, task: PeriodicTask, now: float) -> Iterator[None]:
        """Keep an error in the schedule of one task from all others; log it once a minute."""
        try:
            yield
        except HueyException:
            raise
        except Exception:
            name, minute = self._host.registry.task_to_string(type(task)), int(now // 60)
            if self._complained.get(name) != minute:
                self._complained[name] = minute
                log.exception("the schedule of %s failed", task)


def _recurring(task: PeriodicTask) -> Recurring | None:
    """Return what knows the moments of a task, None when the task is asked every minute."""
    if type(task).validate_datetime is not PeriodicTask.validate_datetime:
        return None  # A user's own decision.
    validator = getattr(type(task), "validator", None)
    return validator if callable(getattr(validator, "occurrences", None)) else None
