# SPDX-License-Identifier: MIT
"""The parent: starts children, watches them, replaces those that end, and passes signals on."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from huey_green.logformat import Output
from huey_green.native import unpatched
from huey_green.parent import READY, SPENT
from huey_green.processes.launching import SIGNALS
from huey_green.processes.places import Child, Place, how_it_ended

log = logging.getLogger("huey_green.processes")

#: The exit status of a child that was interrupted while it imported the application.
INTERRUPTED = 130

#: Seconds between two looks when nothing is heard.
LOOK_EVERY = 1.0


class Launcher(Protocol):
    """Starts children."""

    def start(self, brief: bool) -> Child:
        """Return a new child; ``brief``: it need not say what others have said."""


class Supervisor:
    """Keeps ``count`` children at work.

    The first one is waited for before the others are started: a mistake in the application, or
    a storage that is away, is said once, and ends it all. SIGHUP, or a child that asks for it,
    has children replaced one at a time: the new one consumes before the old one stops.
    """

    def __init__(self, count: int, launcher: Launcher, output: Output | None) -> None:
        """``output`` gets the log lines of all children, whole ones."""
        self._launcher = launcher
        self._output = output
        self._places = [Place(number) for number in range(count)]
        self._to_replace: deque[Place] = deque()
        self._wake_up, self._bell = os.pipe()
        for number in (self._wake_up, self._bell):
            os.set_blocking(number, False)
        self._signals: deque[int] = deque()
        #: The exit status of the whole; None while it goes on.
        self._status: int | None = None
        self._is_up = False

    def run(self) -> int:
        """Go on until a signal says stop and all children have ended; return the exit status."""
        with self._handlers():
            try:
                while self._goes_on():
                    self._start_what_is_due()
                    self._replace_next()
                    self._listen()
                    self._obey_signals()
                    self._look_at_all()
            finally:
                for child in self._children:
                    child.send(signal.SIGTERM)
        return self._status or 0

    def forget(self) -> None:
        """In a child that was forked: close what is its parent's."""
        for number in (self._wake_up, self._bell):
            os.close(number)
        for child in self._children:
            child.close()

    @property
    def _children(self) -> list[Child]:
        return [child for place in self._places for child in place.children]

    def _goes_on(self) -> bool:
        return self._status is None or bool(self._children)

    # Starting and replacing.

    def _start_what_is_due(self) -> None:
        if self._status is not None:
            return
        now = time.monotonic()
        for place in self._places if self._is_up else self._places[:1]:
            if place.child is None and place.due_at <= now:
                place.child = self._launcher.start(brief=self._is_up)

    def _replace_next(self) -> None:
        """Start the next successor, when the last one has taken its place."""
        if self._status is not None or any(len(place.children) > 1 for place in self._places):
            return
        now = time.monotonic()
        for place in [one for one in self._to_replace if one.due_at <= now]:
            self._to_replace.remove(place)
            if place.child is not None and place.child.is_ready:
                place.successor = self._launcher.start(brief=True)
                return

    def _replace(self, place: Place) -> None:
        if place not in self._to_replace:
            self._to_replace.append(place)

    def _heard(self, place: Place, child: Child) -> None:
        said = child.heard()
        if READY in said:
            child.is_ready = True
            if child is place.child:
                log.debug("process %d consumes", child.pid)
                self._note_up()
            elif place.child is not None:
                log.info("process %d takes the place of %d", child.pid, place.child.pid)
                place.child.send(signal.SIGTERM)
        if SPENT in said and child is place.child and place.successor is None:
            self._replace(place)

    def _note_up(self) -> None:
        if not self._is_up:
            self._is_up = True
            if len(self._places) > 1:
                log.info("starting %d more processes", len(self._places) - 1)

    # What children do.

    def _look_at_all(self) -> None:
        for place in self._places:
            for child in place.children:
                self._heard(place, child)
                if child.status() is not None:
                    self._heard(place, child)  # What it said just before.
                    self._bury(place, child)

    def _bury(self, place: Place, child: Child) -> None:
        while lines := child.read():
            self._write(lines)
        child.close()
        status = child.status() or 0
        if child is place.successor:
            place.successor = None
            self._note_failed(place, child, status)
            return
        place.child, place.successor = place.successor, None
        if self._status is not None:
            if status > 0 and status != INTERRUPTED:
                self._status = self._status or 1
        elif not self._is_up:
            self._status = status if status >= 0 else 1
        elif place.child is None:
            wait = place.note_end(child)
            soon = f"in {wait:.1f} s" if wait else "now"
            log.error("process %d %s; another one starts %s", child.pid, how_it_ended(status), soon)

    def _note_failed(self, place: Place, child: Child, status: int) -> None:
        if self._status is None:
            self._to_replace.clear()
            place.note_end(child)
            log.error(
                "process %d, to take the place of another one, %s: those that run go on as they "
                "are; SIGHUP tries again",
                child.pid,
                how_it_ended(status),
            )

    # Signals, and waiting.

    @contextmanager
    def _handlers(self) -> Iterator[None]:
        before: dict[int, Any] = {
            number: signal.signal(number, self._on_signal) for number in SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: Any) -> None:
        if number != signal.SIGCHLD:
            self._signals.append(number)
        with suppress(BlockingIOError):  # It rings already.
            os.write(self._bell, b".")

    def _obey_signals(self) -> None:
        while self._signals:
            number = self._signals.popleft()
            if number == signal.SIGHUP:
                self._restart()
            else:
                self._stop(number)

    def _restart(self) -> None:
        if self._status is None and self._is_up:
            log.info("SIGHUP: replacing %d processes, one at a time", len(self._places))
            for place in self._places:
                place.due_at = 0.0
                self._replace(place)

    def _stop(self, number: int) -> None:
        if self._status is None:
            self._status = 0
            name = signal.Signals(number).name
            log.info("%s: stopping %d processes", name, len(self._children))
        for child in self._children:
            child.send(number)

    def _listen(self) -> None:
        """Wait until something is heard, and hand on the lines that children wrote."""
        children = {number: one for one in self._children for number in one.open}
        timeout = min([LOOK_EVERY, *self._waits()])
        heard, _, _ = unpatched("select", "select")(
            [self._wake_up, *children], [], [], max(0.0, timeout)
        )
        for number in heard:
            if number == self._wake_up:
                with suppress(BlockingIOError):
                    os.read(number, 4096)
            elif number == children[number].log:
                self._write(children[number].read())

    def _waits(self) -> Iterator[float]:
        now = time.monotonic()
        return (
            place.due_at - now
            for place in self._places
            if place.child is None and self._status is None and self._is_up
        )

    def _write(self, lines: str) -> None:
        if lines and self._output is not None:
            with suppress(OSError, ValueError):  # A full disk must not end what it reports.
                self._output.write(lines)
