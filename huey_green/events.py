# SPDX-License-Identifier: MIT
"""What happens to tasks, told to whoever listens: emitters, and the way of an event to one.

An event is a line of JSON. It is sent and forgotten: who does not listen at that moment has
missed it, and nothing waits for it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from huey_green import clock
from huey_green.exceptions import ConfigurationError, StorageRefused, StorageUnavailable
from huey_green.native import thread_lock, unpatched

log = logging.getLogger("huey_green.events")

#: Events that wait to be sent, at most; what comes beyond them is dropped and counted.
MOST_WAITING = 10_000

#: Events that are sent together, and seconds in which others come together after that.
BATCH, LINGER = 500, 0.005

#: Seconds without an event after which the thread that sends them ends.
IDLE = 10.0

#: Seconds to wait after a failure; what comes meanwhile waits too.
RETRY = 1.0

#: Seconds that the end of the process waits for events to be sent.
AT_EXIT = 1.0

_start_native: Callable[..., int] = unpatched("_thread", "start_new_thread")


class BaseEventEmitter:
    """A send-and-forget emitter of events. Subclass it to send them elsewhere."""

    def __init__(self, channel: str, **connection: Any) -> None:
        self.channel = channel
        self.connection = connection

    def emit(self, data: str) -> None:
        """Send an event, a line of JSON, on the channel.

        Called where it happens, in the slot of a task or in a producer, so that it has to return
        at once. An error in it is logged and stops nothing.
        """
        raise NotImplementedError

    def listen(self) -> Ear:
        """Return what hears the events that are sent from now on."""
        raise ConfigurationError(
            f"{type(self).__name__} sends events and has no way to listen to them: listen where it "
            "sends them to"
        )

    def flush(self, timeout: float = AT_EXIT) -> bool:
        """Wait until all events are sent, at most so many seconds; say whether they are."""
        return True

    def close(self) -> None:
        """Let go of connections; the next event opens one again."""


class Ear(Protocol):
    """A subscription, read by one greenlet or thread at a time."""

    def open(self) -> None:
        """Hear what is sent from now on. Raises ``StorageUnavailable``."""

    def read(self, seconds: float) -> bytes | None:
        """Return the next event, None when none came within some seconds.

        Raises ``StorageUnavailable`` when it hears nothing any more; it may be opened again.
        """

    def interrupt(self) -> None:
        """End a ``read`` that is under way elsewhere."""

    def close(self) -> None:
        """Let go of the connection."""


class Outbox:
    """Events on their way, which a native thread of its own sends in batches.

    So neither a slow server nor a broken connection holds up a task, and a busy event loop does
    not hold up the events. Bounded: what does not fit is dropped and counted.
    """

    def __init__(
        self,
        send: Callable[[list[str]], None],
        leave: Callable[[], None],
        limit: int = MOST_WAITING,
    ) -> None:
        """Both are called in that thread. ``send`` may raise ``StorageUnavailable``; ``leave``
        lets go of what it has opened, before the thread ends."""
        self._send = send
        self._leave = leave
        self._limit = limit
        #: How many events were dropped, by this process.
        self.dropped = 0
        self._start_anew()
        _outboxes.add(self)

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        # Held for a few instructions at a time; greenlets do not switch inside.
        self._lock = thread_lock()
        self._gate = thread_lock()
        self._gate.acquire()
        self._waiting: deque[str] = deque()
        self._is_running = self._is_asleep = self._is_sending = self._is_closing = False
        self._told = 0
        self._is_dropping = False

    def put(self, data: str) -> None:
        """Add an event; returns at once."""
        if self._pid != os.getpid():
            self._start_anew()  # In a forked child: the thread is the parent's.
        with self._lock:
            if len(self._waiting) >= self._limit:
                self.dropped += 1
                return
            self._waiting.append(data)
            self._is_closing = False
            starts, self._is_running = not self._is_running, True
            self._wake()
        if starts:
            self._start()

    def _start(self) -> None:
        try:
            _start_native(self._run, ())
        except RuntimeError:  # There are too many threads, or the interpreter ends.
            self._is_running = False
            raise

    def flush(self, timeout: float = AT_EXIT) -> bool:
        """Wait until all events are sent, at most so many seconds; say whether they are."""
        return self._comes_to(lambda: not (self._waiting or self._is_sending), timeout)

    def close(self, timeout: float = AT_EXIT) -> None:
        """End the thread once all is sent, waiting at most so many seconds for that."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self._is_closing = True
            self._wake()
        self._comes_to(lambda: not self._is_running, timeout)

    def _comes_to(self, is_so: Callable[[], bool], timeout: float) -> bool:
        ends_at = clock.monotonic() + timeout
        while self._pid == os.getpid() and not is_so():
            if clock.monotonic() > ends_at:
                return False
            clock.sleep(0.002)
        return True

    def _wake(self) -> None:
        if self._is_asleep:
            self._is_asleep = False
            self._gate.release()

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                self._send_some(batch)
                self._is_sending = False
            self._leave()
        except BaseException:
            log.exception("events are not sent any more until others come")
        finally:
            with self._lock:
                self._is_running = self._is_asleep = self._is_sending = False
                starts_again = bool(self._waiting) and not self._is_closing
                self._is_running = starts_again
            if starts_again:  # It came while the connection was being closed.
                self._start()

    def _take(self) -> list[str] | None:
        """Return the next events; None when there was none for a while, and the thread ends."""
        with self._lock:
            if self._waiting:
                self._is_sending = True
                return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if self._is_closing:
                return None
            self._is_asleep = True
        if not self._gate.acquire(True, IDLE):
            with self._lock:
                if self._is_asleep:
                    self._is_asleep = False
                    return None
                self._gate.acquire()  # Somebody has woken us at this very moment.
        return []

    def _send_some(self, batch: list[str]) -> None:
        if not batch:
            return
        untold = self.dropped - self._told
        try:
            self._send([dropped_event(untold), *batch] if untold else batch)
        except StorageUnavailable as error:
            with self._lock:
                self.dropped += len(batch)
            self._note_dropping(str(error))
            self._gate.acquire(True, RETRY)
            return
        self._told += untold
        if untold:
            self._note_dropping("more of them come than the server takes")
        elif self._is_dropping:
            self._is_dropping = False
            log.warning("events are sent again; %d were dropped so far", self._told)
        self._gate.acquire(True, LINGER)

    def _note_dropping(self, why: str) -> None:
        if not self._is_dropping:
            self._is_dropping = True
            log.warning("events are dropped: %s", why)


class EventStream(Iterator[dict[str, Any]]):
    """The events of a queue as they happen, each a dict: see the page on events for its fields.

    Ends when nothing has come for ``timeout`` seconds, or by ``close``, from whichever thread.
    It comes back by itself when the connection is lost; what happened meanwhile it has missed
    (``reconnects`` counts that). For one thread or greenlet at a time.
    """

    def __init__(self, ear: Ear, timeout: float | None = None) -> None:
        self._ear = ear
        self._timeout = timeout
        self._is_open = False
        self._is_closed = False
        self.reconnects = 0
        self._open()

    def __next__(self) -> dict[str, Any]:
        """Return the next event."""
        ends_at = None if self._timeout is None else clock.monotonic() + self._timeout
        while not self._is_closed:
            left = 1.0 if ends_at is None else min(1.0, ends_at - clock.monotonic())
            if left <= 0:
                break
            data = self._read(left)
            event = None if data is None else _decoded(data)
            if event is not None:
                return event
        if self._is_closed:
            self._ear.close()
        raise StopIteration

    def close(self) -> None:
        """End it: who waits for the next event gets none."""
        self._is_closed = True
        self._ear.interrupt()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._ear.close()

    def _open(self) -> None:
        self._ear.open()
        self._is_open = True

    def _read(self, seconds: float) -> bytes | None:
        try:
            if not self._is_open:
                self._open()
                self.reconnects += 1
            return self._ear.read(seconds)
        except StorageUnavailable as error:
            self._ear.close()
            if self._is_closed:
                return None
            if self._is_open:
                log.warning("events are missed until the connection is back: %s", error)
            self._is_open = False
            if isinstance(error, StorageRefused):
                raise
            clock.sleep(min(seconds, RETRY))
            return None


def dropped_event(number: int) -> str:
    """Return the event that says that others were dropped before it."""
    return json.dumps({"status": "dropped", "id": None, "task": None, "dropped": number})


def _decoded(data: bytes) -> dict[str, Any] | None:
    """Return an event; None for what somebody else has published."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "status" in event else None


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()


def _flush_all() -> None:
    ends_at = clock.monotonic() + AT_EXIT
    for outbox in list(_outboxes):
        outbox.flush(max(0.0, ends_at - clock.monotonic()))


atexit.register(_flush_all)

__all__ = ["BaseEventEmitter", "EventStream"]
