# SPDX-License-Identifier: MIT
"""Where a consumer's log goes, and how it looks: plain in a file, coloured on a terminal alone."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import IO, NamedTuple

from gevent.hub import get_hub

from huey_green.native import thread_ident

_FULL = "[%(asctime)s] %(levelname)s:%(name)s:%(process)d:%(message)s"
_SIMPLE = "%(asctime)s %(message)s"

#: Bytes of a log file, and how many older ones are kept (document 004, ``--logfile``).
FILE_BYTES, FILES_KEPT = 1024 * 1024, 3

_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}


class LogOptions(NamedTuple):
    """What the command line says about logging."""

    logfile: str | None = None
    verbose: bool = False
    quiet: bool = False
    simple: bool = False

    @property
    def level(self) -> int:
        """The lowest level that is logged."""
        if self.verbose:
            return logging.DEBUG
        return logging.ERROR if self.quiet else logging.INFO


class _Lines(logging.Formatter):
    """The date and time are made once a second: they are half of what a line costs."""

    _second = -1
    _text = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second = int(record.created)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._text},{int(record.msecs):03d}"


class _ColouredLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = _COLOURS.get(record.levelno)
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


class _PerTurn(logging.Handler):
    """Writes all lines of one turn of the event loop together, before the next one begins.

    A line at a time would be a system call for each task. A warning is written at once, with
    what came before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._loop_thread = thread_ident()
        self._is_due = False

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
        lines, self._lines = self._lines, []
        if lines:
            try:
                self.write("\n".join(lines) + "\n")
            except RuntimeError:
                # A signal handler logs in the midst of a write: with the next turn, then.
                self._lines[:0] = lines
                self._flush_soon()
            except (OSError, ValueError) as error:
                # A full disk or a closed pipe must not end what it only reports.
                self._lost(lines, error)

    def _lost(self, lines: list[str], error: Exception) -> None:
        if logging.raiseExceptions and sys.__stderr__ is not None:
            with suppress(OSError, ValueError):
                sys.__stderr__.write(f"huey_green: {len(lines)} log lines are lost: {error}\n")

    def write(self, text: str) -> None:
        """Write lines to where they go."""
        raise NotImplementedError


class _ToStream(_PerTurn):
    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _ToFile(_PerTurn):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT)

    def write(self, text: str) -> None:
        if self._open().tell() + len(text) > FILE_BYTES:
            self._file.doRollover()
        stream = self._open()
        stream.write(text)
        stream.flush()

    def _open(self) -> IO[str]:
        if self._file.stream is None:
            self._file.stream = self._file._open()
        return self._file.stream

    def close(self) -> None:
        self.flush()
        self._file.close()
        super().close()


def configure(options: LogOptions) -> None:
    """Log as ``options`` say. Raises ``OSError`` when the log file cannot be written."""
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("huey_green")
    ours.setLevel(options.level)
    # Where in our code a line comes from is in no format of ours, and costs a walk of the stack.
    ours.findCaller = lambda *_: ("huey_green", 0, "", None)  # type: ignore[method-assign]
    if options.logfile:
        handler: _PerTurn = _ToFile(options.logfile)
    elif sys.stderr is not None:
        handler = _ToStream(sys.stderr)
    else:
        return  # Started with stderr closed: there is nowhere to write to.
    formatter = _ColouredLines if not options.logfile and _wants_colour() else _Lines
    handler.setFormatter(formatter(_SIMPLE if options.simple else _FULL))
    root.addHandler(handler)


def _wants_colour() -> bool:
    # There is no stderr in a process that was started with it closed.
    if sys.stderr is None:
        return False
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
