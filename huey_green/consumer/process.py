# SPDX-License-Identifier: MIT
"""A consumer as a process: OS signals to quiet, drain, interrupt and restart; exit statuses."""

from __future__ import annotations

import gc
import logging
import signal
from typing import TYPE_CHECKING, Any, Protocol

from gevent.event import Event

from huey_green import origin, parent, streams
from huey_green.consumer.forking import look_after_all
from huey_green.consumer.memory import resident

if TYPE_CHECKING:
    from collections.abc import Callable

    from huey_green.settings import ConsumerSettings

log = logging.getLogger("huey_green.consumer")

#: Thresholds of the garbage collector: new objects before a look at the young ones, and how
#: often the older ones are looked at with them.
COLLECTOR = (20_000, 20, 50)

#: Seconds between two looks at the memory that the process holds, and at its parent.
LOOK_EVERY = 1.0

_STOP = (signal.SIGTERM, signal.SIGINT)


def _spare_the_collector() -> None:
    """Look for cycles less often: what a task leaves behind is freed by its reference counts, and
    each look goes through all that thousands of waiting greenlets hold."""
    gc.collect()
    gc.freeze()  # The application's modules: never garbage.
    gc.set_threshold(*COLLECTOR)


class Consumes(Protocol):
    """A consumer, or several of them."""

    settings: ConsumerSettings
    when_spent: Callable[[], None] | None

    def start(self) -> None:
        """Begin to consume."""

    def stop(self, graceful: bool = False) -> None:
        """Stop consuming."""

    def interrupt(self) -> None:
        """End a graceful ``stop`` that is under way."""


class Process:
    """SIGTERM and SIGINT stop gracefully, a second one interrupts at once, SIGHUP restarts.

    With ``graceful_signal`` only that one of the two is graceful, and the other interrupts. With
    ``max_tasks`` and ``max_rss`` it restarts by itself after so many tasks, or with so much
    memory. One of several processes asks its parent for another one in its place, and consumes
    until that is ready; without its parent it stops.
    """

    def __init__(self, consumer: Consumes) -> None:
        self._consumer = consumer
        self._asked = Event()
        self._signals = 0
        self._restart = False
        #: Why another process is to take the place of this one.
        self._spent: str | None = None
        self._origin = origin.present or origin.Origin()

    def run(self) -> int:
        """Consume until asked to stop; return 0 when that went well. After SIGHUP it does not
        return: the process goes on with the same command, anew."""
        before: dict[int, Any] = {number: signal.signal(number, self._on_stop) for number in _STOP}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_restart)
        look_after_all(before)
        _spare_the_collector()
        self._consumer.when_spent = self._on_spent
        try:
            self._consumer.start()
            self._wait()
            self._consumer.stop(graceful=True)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._restart:
            self._replace()
        return 0

    def _on_stop(self, number: int, frame: Any) -> None:
        self._signals += 1
        name = signal.Signals(number).name
        self._restart = False
        self._asked.set()
        graceful = self._consumer.settings.graceful_signal
        if graceful is not None and name != f"SIG{graceful}":
            log.warning("%s: interrupting running tasks", name)
            self._consumer.interrupt()
        elif self._signals == 1:
            timeout = self._consumer.settings.shutdown_timeout
            until = "" if timeout is None else f", for {timeout:g} s at most"
            log.info("%s: waiting for running tasks to end%s; again to interrupt them", name, until)
            # Now, and not with the next turn of a loop that a task may hold.
            for handler in logging.getLogger().handlers:
                handler.flush()
        else:
            log.warning("%s again: interrupting running tasks", name)
            self._consumer.interrupt()

    def _wait(self) -> None:
        """Wait until this process is to end."""
        most = self._consumer.settings.max_rss
        watcher = parent.present
        if watcher is not None:
            watcher.tell(parent.READY)
        pause = LOOK_EVERY if most is not None or watcher is not None else None
        while not self._asked.wait(pause):
            if watcher is not None and watcher.is_gone:
                log.error("the process that started this one is gone: stopping as after SIGTERM")
                return
            if most is not None and self._spent is None and resident() > most * 1e6:
                self._be_replaced(f"{resident() / 1e6:.0f} MB of memory are in use")
            elif self._spent is not None:
                self._be_replaced(self._spent)  # It may not have come to it.

    def _be_replaced(self, why: str) -> None:
        """Have another process take the place of this one."""
        if parent.present is not None:
            if self._spent is None:
                log.info("%s: asking for another process", why)
            self._spent = why
            parent.present.tell(parent.SPENT)
        elif not self._asked.is_set():
            log.info("%s: restarting once running tasks have ended", why)
            self._restart = True
            self._asked.set()

    def _on_restart(self, number: int, frame: Any) -> None:
        self._be_replaced("SIGHUP")

    def _on_spent(self) -> None:
        self._be_replaced(f"{self._consumer.settings.max_tasks} tasks have run")

    def _replace(self) -> None:
        log.info("restarting: %s", self._origin)
        # Inherited by what follows: a further SIGHUP while it starts is not to end it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        logging.shutdown()
        streams.flush()
        self._origin.start_again()
