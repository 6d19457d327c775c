# SPDX-License-Identifier: MIT
"""The command ``huey_green``: patches first, then imports everything else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> int:
    """Run the command line; return the exit status."""
    from huey_green import origin, parent, terminal

    argv = sys.argv[1:]
    if argv and argv[0] in terminal.COMMANDS:
        return terminal.main(argv)  # It runs no task, and needs no gevent.
    origin.note()
    parent.find()
    try:
        if _asks_for_help(argv):
            from huey_green.options import parse

            parse(argv)
        wants_processes = parent.present is None and _has(argv, "--pro")
        if wants_processes and not _has(argv, "--pre"):
            from huey_green.processes.command import main as start_processes

            return start_processes(argv)  # It runs no task, and needs no gevent.
        patch()
        if wants_processes:
            from huey_green.processes.command import main as start_processes

            return start_processes(argv)
        from huey_green.cli import run

        return run(argv)
    except CannotPatch as error:
        print(
            f"huey_green: gevent cannot be imported ({error}); "
            f"install it: {sys.executable} -m pip install gevent",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:  # While something was imported; a consumer has its handlers.
        return 130


def _asks_for_help(argv: list[str]) -> bool:
    if argv[:1] == ["demo"]:
        return False  # It has a help of its own.
    return not argv or any(one in ("-h", "--help", "--version") for one in argv)


def _has(argv: list[str], beginning: str) -> bool:
    # argparse takes the beginning of an option for the whole; this much of it tells it apart.
    return any(one.startswith(beginning) for one in argv)


class CannotPatch(Exception):
    """gevent is not there."""


def patch() -> None:
    """Have gevent patch this process; raises ``CannotPatch``."""
    # A Ctrl-C in the midst of it would leave locks half of which are patched, and a process that
    # waits for one of them for ever (seen in 4 of 550 tries). It is kept for afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        from gevent import monkey

        with _installed_read_once():
            monkey.patch_all()
    except ImportError as error:
        raise CannotPatch(error) from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _installed_read_once() -> Iterator[None]:
    """Have Python look only once meanwhile what is installed here.

    gevent asks 25 times whether it has plugins, and each time the metadata of all packages is read:
    that took longer than all the rest.
    """
    from importlib import metadata

    asked, found = metadata.entry_points, metadata.entry_points()
    # gevent imports it anew at each call, so that it can be replaced here alone.
    metadata.entry_points = lambda **which: found.select(**which)  # type: ignore[assignment]
    try:
        yield
    finally:
        metadata.entry_points = asked


if __name__ == "__main__":
    sys.exit(main())
