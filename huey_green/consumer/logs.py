# SPDX-License-Identifier: MIT
"""Where a consumer's log goes, and how it looks: plain in a file, coloured on a terminal alone."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from typing import NamedTuple

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


class _Coloured(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = _COLOURS.get(record.levelno)
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def configure(options: LogOptions) -> None:
    """Log as ``options`` say. Raises ``OSError`` when the log file cannot be written."""
    handler: logging.Handler
    if options.logfile:
        handler = RotatingFileHandler(
            options.logfile, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, delay=False
        )
    else:
        handler = logging.StreamHandler(sys.stderr)
    formatter = _Coloured if not options.logfile and _wants_colour() else logging.Formatter
    handler.setFormatter(formatter(_SIMPLE if options.simple else _FULL))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("huey_green").setLevel(options.level)


def _wants_colour() -> bool:
    # There is no stderr in a process that was started with it closed.
    if sys.stderr is None:
        return False
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
