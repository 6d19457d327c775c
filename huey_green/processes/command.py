# SPDX-License-Identifier: MIT
"""``huey_green app.huey --processes 4``: what the parent process does with its command line."""

from __future__ import annotations

import argparse
import gc
import logging
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from huey_green.exceptions import ConfigurationError
from huey_green.logformat import LogOptions, Output, formatter_of, is_coloured, output_of
from huey_green.options import consumer_options, log_options, parse
from huey_green.processes.launching import Forked, Fresh
from huey_green.processes.supervisor import Launcher, Supervisor
from huey_green.settings import settings_from

#: The exit status for a mistake in the command line.
USAGE = 2


def main(argv: Sequence[str]) -> int:
    """Run a parent and its children; return the exit status."""
    given = parse(argv)
    options = log_options(given)
    try:
        settings_from(consumer_options(given))
        output = output_of(options)
    except ConfigurationError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot log to {given.logfile}: {error.strerror}; choose another -l")
    _configure(options, output)
    count = usable_cores() if given.processes == "auto" else given.processes
    return _preloaded(given, count, output) if given.preload else _fresh(given, count, output)


def _fresh(given: argparse.Namespace, count: int, output: Output | None) -> int:
    launcher: Launcher = Fresh(is_coloured(log_options(given)))
    return Supervisor(count, launcher, output).run()


def _preloaded(given: argparse.Namespace, count: int, output: Output | None) -> int:
    """Import the application before the children are made. gevent has patched this process."""
    from huey_green import cli

    hueys = cli.load(given)
    if isinstance(hueys, int):
        return hueys

    def consume() -> int:
        gc.enable()
        for handler in logging.getLogger().handlers[:]:
            logging.getLogger().removeHandler(handler)
        return cli.consume(hueys, given)

    forked = Forked(is_coloured(log_options(given)), consume, lambda: supervisor.forget())
    supervisor = Supervisor(count, forked, output)
    # What is never looked at is never copied: all that was imported stays shared.
    gc.collect()
    gc.freeze()
    return supervisor.run()


def _configure(options: LogOptions, output: Output | None) -> None:
    ours = logging.getLogger("huey_green")
    ours.setLevel(options.level)
    if output is not None:
        handler = _Direct(output)
        handler.setFormatter(formatter_of(options, is_coloured(options)))
        logging.getLogger().addHandler(handler)


class _Direct(logging.Handler):
    """Writes each line at once: a parent says little."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)


def usable_cores() -> int:
    """Return how many processes can run at once: as many as there are cores for this process,
    or fewer where a container is given fewer."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # Not a system with affinities.
        cores = os.cpu_count() or 1
    quota = _quota()
    return cores if quota >= cores else max(1, math.ceil(quota))


def _quota() -> float:
    """Return the cores that the kernel grants this control group; infinity without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # No such file, or "max".
        return math.inf


def _fail(message: str) -> int:
    print(f"huey_green: {message}", file=sys.stderr)
    return USAGE
