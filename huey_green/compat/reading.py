# SPDX-License-Identifier: MIT
"""Reading a queue whose ``read`` waits for a message, and cannot be told to stop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from huey_green import clock

#: Seconds between two reads that return nothing, at least: ``read`` may not wait as was said.
PAUSE = 0.1


class Reading:
    """Reads in a thread, a greenlet in a consumer, so that who waits for it may give up.

    One message at a time. What comes when nobody wants it any more is written back.
    """

    def __init__(
        self, read: Callable[[], bytes | None], write_back: Callable[[bytes], None]
    ) -> None:
        self._read = read
        self._write_back = write_back
        self._changed = threading.Condition()
        self._found: deque[bytes | Exception] = deque()
        self._is_reading = self._is_interrupted = self._is_left = False

    def take(self, seconds: float) -> bytes | None:
        """Return the next message, None if there is none within so many seconds.

        Raises what reading has raised.
        """
        began = clock.monotonic()
        with self._changed:
            self._is_left = False
            if not self._found and not self._is_reading:
                self._is_reading = True
                threading.Thread(target=self._run, daemon=True).start()
            self._changed.wait_for(
                lambda: self._found or self._is_interrupted or not self._is_reading, seconds
            )
            if not self._found and not self._is_reading:
                pause = began + min(PAUSE, seconds) - clock.monotonic()
                self._changed.wait_for(lambda: self._is_interrupted, max(0.0, pause))
            self._is_interrupted = False
            found = self._found.popleft() if self._found else None
        if isinstance(found, Exception):
            raise found
        return found

    def interrupt(self) -> None:
        """End a ``take`` that waits, or the next one."""
        with self._changed:
            self._is_interrupted = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Want no more messages, until the next ``take``."""
        with self._changed:
            self._is_left = True
            unwanted = [one for one in self._found if isinstance(one, bytes)]
            self._found.clear()
        for body in unwanted:
            self._write_back(body)

    def _run(self) -> None:
        found: bytes | Exception | None
        try:
            found = self._read()
        except Exception as error:
            found = error
        with self._changed:
            self._is_reading = False
            is_wanted = not self._is_left
            if found is not None and is_wanted:
                self._found.append(found)
            self._changed.notify_all()
        if isinstance(found, bytes) and not is_wanted:
            self._write_back(found)
