# SPDX-License-Identifier: MIT
"""The commands by which a person, or a script, looks at a queue and changes it.

None of them patches anything or imports gevent, nor runs a task: they are producers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

#: The module of each command.
COMMANDS = {
    "cancel": "stopping",
    "check": "check",
    "dead": "dead",
    "events": "events",
    "health": "health",
    "purge": "purge",
    "restore": "stopping",
    "revoke": "stopping",
    "run": "run",
    "status": "status",
    "tasks": "tasks",
}

#: What a shell says of a command that a signal has ended: 128, and the number of that.
INTERRUPTED, BROKEN_PIPE = 130, 141


def main(argv: Sequence[str]) -> int:
    """Carry out one of ``COMMANDS``, the first of ``argv``; return the exit status."""
    try:
        module = import_module(f"{__name__}.{COMMANDS[argv[0]]}")
        status = int(module.main(argv[0], list(argv[1:])))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # As with `| head`. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
