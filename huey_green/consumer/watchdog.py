# SPDX-License-Identifier: MIT
"""Names the task that keeps all others waiting, and notices when the process stood still."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from gevent import monkey
from gevent.hub import Hub, get_hub

from huey_green import clock, probe
from huey_green.consumer.heartbeat import SHARE
from huey_green.consumer.worker import Worker
from huey_green.native import thread_ident, thread_lock

log = logging.getLogger("huey_green.consumer")

#: Seconds between two looks; a task that blocks the event loop for two of them is named.
INTERVAL = 1.0

#: Seconds that the process may stand still without a word: a busy machine does that, too.
STOOD_STILL = 5.0

#: How many frames of the culprit are shown, the innermost ones.
FRAMES = 12

_start_native: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")


class Watchdog:
    """A native thread that looks whether the event loop turns.

    It costs the event loop nothing while that is idle, and a callback a second when it is not.
    """

    def __init__(self, worker: Worker, lease: float) -> None:
        self._worker = worker
        self._lease = lease
        self._stop = thread_lock()
        self._ended = thread_lock()
        # Monotonic: when the loop was asked for a sign of life that it has not given yet, and
        # after how many seconds of silence that is reported.
        self._asked_at: float | None = None
        self._report_after = INTERVAL

    def start(self) -> None:
        """Begin to look; called in the thread of the event loop."""
        self._hub: Hub = get_hub()
        self._thread = thread_ident()
        self._looked_at = clock.monotonic()
        self._stop.acquire()
        self._ended.acquire()
        _start_native(self._run, ())

    def stop(self) -> None:
        """End it."""
        self._stop.release()
        self._ended.acquire(True, INTERVAL)

    def _run(self) -> None:
        try:
            while not self._stop.acquire(True, INTERVAL):
                self._look()
        except Exception:
            log.exception("the watchdog failed; tasks that block the event loop are not named")
        finally:
            self._ended.release()

    def _look(self) -> None:
        now = clock.monotonic()
        stood_still, self._looked_at = now - self._looked_at - INTERVAL, now
        if stood_still > min(STOOD_STILL, self._lease * (1 - SHARE)):
            self._note_standstill(stood_still)
        if self._asked_at is not None:
            self._asked_at += stood_still  # Then the event loop could not turn either.
        frame = sys._current_frames().get(self._thread)
        if self._asked_at is not None:
            silence = now - self._asked_at
            if silence >= self._report_after and frame is not None:
                self._report_after *= 2
                self._report(frame, silence)
        elif frame is not None and frame.f_code is not Hub.run.__code__:
            self._asked_at = now
            self._hub.loop.run_callback_threadsafe(self._turned)

    def _turned(self) -> None:
        """Called by the event loop: it turns."""
        asked_at, self._asked_at = self._asked_at, None
        if self._report_after > INTERVAL and asked_at is not None:
            log.warning("the event loop turns again, after %.1f s", clock.monotonic() - asked_at)
        self._report_after = INTERVAL

    def _report(self, frame: FrameType, seconds: float) -> None:
        log.error(
            "%s blocks the event loop, for %.0f s by now: no other task goes on meanwhile. "
            "It is here:\n%s",
            self._culprit() or "something that is not a task",
            seconds,
            "".join(traceback.format_stack(frame, FRAMES)).rstrip(),
        )
        probe.reached("blocked", seconds)

    def _culprit(self) -> Any | None:
        """Return the task that runs at this moment."""
        for runner, running in list(self._worker.running.items()):
            if runner.gr_frame is None and not runner.dead:  # Only one that waits has a frame.
                return running.task
        return None

    def _note_standstill(self, seconds: float) -> None:
        consequence = "tasks go on as if nothing had been"
        if seconds > self._lease * (1 - SHARE):
            consequence = (
                f"the lease of {self._lease:g} s may have ended: tasks that others have taken "
                "over run twice, and what comes of them here is not stored"
            )
        log.error(
            "this process stood still for %.1f s (was it suspended?); %s", seconds, consequence
        )
        probe.reached("stood still", seconds)
