# SPDX-License-Identifier: MIT
"""The command ``huey_green``: patches first, then imports everything else."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return the exit status."""
    try:
        from gevent import monkey
    except ImportError as error:
        print(
            f"huey_green: gevent cannot be imported ({error}); "
            f"install it: {sys.executable} -m pip install gevent",
            file=sys.stderr,
        )
        return 1
    monkey.patch_all()

    from huey_green.cli import run

    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:  # While the application was imported; a consumer has its handlers.
        return 130


if __name__ == "__main__":
    sys.exit(main())
