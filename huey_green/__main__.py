# SPDX-License-Identifier: MIT
"""The command ``huey_green``: patches first, then imports everything else."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        _patch()
    except ImportError as error:
        print(
            f"huey_green: gevent cannot be imported ({error}); "
            f"install it: {sys.executable} -m pip install gevent",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    try:
        from huey_green.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # While the application was imported; a consumer has its handlers.
        return 130


def _patch() -> None:
    # A Ctrl-C in the midst of it would leave locks half of which are patched, and a process that
    # waits for one of them for ever (seen in 4 of 550 tries). It is kept for afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        from gevent import monkey

        monkey.patch_all()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


if __name__ == "__main__":
    sys.exit(main())
