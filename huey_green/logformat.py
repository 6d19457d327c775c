# SPDX-License-Identifier: MIT
"""How the log of the command looks, and where it goes: plain in a file, coloured on a terminal
alone."""

from __future__ import annotations

import logging
import os
import sys
import time
from logging.handlers import RotatingFileHandler
from typing import IO, NamedTuple, Protocol

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


class Output(Protocol):
    """Where lines go."""

    def write(self, text: str) -> None:
        """Write whole lines. Raises ``OSError``, or ``ValueError`` for what was closed."""

    def close(self) -> None:
        """Let go of it."""


class ToStream:
    """Lines for who looks on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def close(self) -> None:
        """It stays open: others write to it, too."""


class ToFile:
    """Lines in a file, which is replaced when it is full. Raises ``OSError`` at once when it
    cannot be written."""

    def __init__(self, path: str) -> None:
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
        self._file.close()


def output_of(options: LogOptions) -> Output | None:
    """Return where a log goes; None in a process that was started with its stderr closed.

    Raises ``OSError`` when the log file cannot be written.
    """
    if options.logfile:
        return ToFile(options.logfile)
    return None if sys.stderr is None else ToStream(sys.stderr)


def is_coloured(options: LogOptions) -> bool:
    """Say whether lines are for a person at a terminal who has not asked for plain ones."""
    if options.logfile or sys.stderr is None:
        return False
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def formatter_of(options: LogOptions, coloured: bool) -> logging.Formatter:
    """Return what makes lines of records."""
    return _Lines(options.simple, coloured)


class _Lines(logging.Formatter):
    """As ``_FULL`` or ``_SIMPLE`` says, and quick: there may be a line for each task."""

    def __init__(self, simple: bool, coloured: bool) -> None:
        super().__init__(_SIMPLE if simple else _FULL)
        self._simple = simple
        self._coloured = coloured
        self._second = -1
        self._text = ""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record) if has_more(record) else self._line(record)
        colour = _COLOURS.get(record.levelno) if self._coloured else None
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text

    def _line(self, record: logging.LogRecord) -> str:
        when, said = self.formatTime(record), record.getMessage()
        if self._simple:
            return f"{when} {said}"
        return f"[{when}] {record.levelname}:{record.name}:{record.process}:{said}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        # The date and time are made once a second: they are half of what a line costs.
        second = int(record.created)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._text},{int(record.msecs):03d}"


def has_more(record: logging.LogRecord) -> bool:
    """Say whether more than one line is to be made of a record."""
    return bool(record.exc_info or record.exc_text or record.stack_info)
