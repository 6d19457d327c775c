# SPDX-License-Identifier: MIT
"""The log of a consumer that is a process of its own: cheap enough for a line for each task."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import suppress

from gevent.hub import get_hub

from huey_green import parent
from huey_green.logformat import LogOptions, Output, formatter_of, is_coloured, output_of
from huey_green.native import thread_ident


class _PerTurn(logging.Handler):
    """Writes all lines of one turn of the event loop together, before the next one begins.

    A line at a time would be a system call for each task. A warning is written at once, with
    what came before it.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        # Native threads may add to it while it is being emptied.
        self._lines: deque[str] = deque()
        self._loop_thread = thread_ident()
        self._is_due = False

    def handle(self, record: logging.LogRecord) -> bool:
        # Without a lock, which costs as much as a line.
        if self.filter(record):
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING or thread_ident() != self._loop_thread:
            self.flush()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            get_hub().loop.run_callback(self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        self._is_due = False
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if lines:
            try:
                self._output.write("\n".join(lines) + "\n")
            except RuntimeError:
                # A signal handler logs in the midst of a write: with the next turn, then.
                self._lines.extendleft(reversed(lines))
                self._flush_soon()
            except (OSError, ValueError) as error:
                # A full disk or a closed pipe must not end what it only reports.
                self._lost(lines, error)

    def _lost(self, lines: list[str], error: Exception) -> None:
        if logging.raiseExceptions and sys.__stderr__ is not None:
            with suppress(OSError, ValueError):
                sys.__stderr__.write(f"huey_green: {len(lines)} log lines are lost: {error}\n")

    def close(self) -> None:
        self.flush()
        self._output.close()
        super().close()


def configure(options: LogOptions) -> None:
    """Log as ``options`` say, or to the process that started this one if there is one that
    collects the lines of several. Raises ``OSError`` when the log file cannot be written."""
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("huey_green")
    ours.setLevel(options.level)
    # Where in our code a line comes from is in no format of ours, and costs a walk of the stack.
    ours.findCaller = lambda *_, **__: ("huey_green", 0, "", None)  # type: ignore[method-assign]
    watcher = parent.present
    output = output_of(options) if watcher is None else watcher.output
    if output is None:
        return
    handler = _PerTurn(output)
    coloured = is_coloured(options) if watcher is None else watcher.coloured
    handler.setFormatter(formatter_of(options, coloured))
    root.addHandler(handler)
