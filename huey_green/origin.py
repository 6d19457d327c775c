# SPDX-License-Identifier: MIT
"""What the process was started with, so that it can be started again in the same way, whatever
an application or its tasks have changed since."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


class Origin:
    """The command, the directory, the environment and the umask of a process."""

    def __init__(self) -> None:
        self._command = [sys.executable, *sys.orig_argv[1:]]
        try:
            self._directory: str | None = os.getcwd()
        except OSError:  # It is gone.
            self._directory = None
        self._environment = dict(os.environ)
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def __str__(self) -> str:
        return " ".join(self._command)

    def start_again(self) -> None:
        """Go on as the same process with the same command, anew. Does not return."""
        if self._directory is not None:
            with suppress(OSError):
                os.chdir(self._directory)
        os.umask(self._umask)
        os.execve(self._command[0], self._command, self._environment)


#: That of this process, if it is one of our command.
present: Origin | None = None


def note() -> None:
    """Note how this process was started; called before anything of the application runs."""
    global present
    present = Origin()
