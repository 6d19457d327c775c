# SPDX-License-Identifier: MIT
"""Service: something that ticks until it is stopped, and survives its own errors."""

from __future__ import annotations

import logging

import gevent
from gevent.event import Event

from huey_green.backoff import exponential, jittered
from huey_green.consumer.outage import Outage
from huey_green.exceptions import StorageUnavailable

log = logging.getLogger("huey_green.consumer")


class Service:
    """Calls ``tick`` every ``interval`` seconds in a greenlet of its own.

    While the storage is away it waits as ``outage`` says, until a tick calls ``answered``; any
    other error of a tick is logged, and the next tick comes later and later.
    """

    #: What it is called in the log.
    name = "service"
    #: Seconds between ticks; 0 for a tick that waits by itself.
    interval = 1.0

    def __init__(self, outage: Outage) -> None:
        self.stopping = Event()
        self.outage = outage
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self._errors = 0

    def tick(self) -> None:
        """Do the work of one round. Subclasses say what it is."""
        raise NotImplementedError

    def answered(self) -> None:
        """Note, in a tick, that the storage has answered."""
        self.outage.recovered(self.name)

    def start(self) -> None:
        """Begin to tick; starting twice is starting once."""
        if self._greenlet is None or self._greenlet.dead:
            self.stopping.clear()
            self._greenlet = gevent.spawn(self._run)
            self._greenlet.name = f"huey_green-{self.name}"

    def stop(self) -> None:
        """Ask it to end after the present tick; returns at once."""
        self.stopping.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; say whether it has."""
        if self._greenlet is not None:
            self._greenlet.join(timeout)
            return bool(self._greenlet.dead)
        return True

    @property
    def is_alive(self) -> bool:
        """Whether it ticks, or is about to."""
        return self._greenlet is not None and not self._greenlet.dead

    def _run(self) -> None:
        while not self.stopping.is_set():
            self.stopping.wait(self._tick())

    def _tick(self) -> float:
        """Tick once; return the seconds to wait before the next one."""
        try:
            self.tick()
        except StorageUnavailable as error:
            return self.outage.failed(self.name, error)
        except Exception:
            self._errors += 1
            log.exception("the %s failed and goes on", self.name)
            return jittered(exponential(self._errors, 0.1, 2.0, 10.0))
        self._errors = 0
        # A little spread, so that several consumers do not march in step.
        return jittered(self.interval, 0.1) if self.interval else 0.0
