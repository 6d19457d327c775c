# SPDX-License-Identifier: MIT
"""The two ways to start a child: the same command anew, or a copy of a loaded application."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

from huey_green import parent, streams
from huey_green.parent import Parent
from huey_green.processes.places import Child

#: What the parent has handlers for.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Pipes:
    """The two pipes between a child and its parent."""

    def __init__(self) -> None:
        self.control, self._control = os.pipe()
        self.log, self._log = os.pipe()
        for number in (self.control, self.log):
            os.set_blocking(number, False)

    @property
    def of_child(self) -> tuple[int, int]:
        """The ends that the child writes to."""
        return self._control, self._log

    def close_those_of_child(self) -> None:
        for number in self.of_child:
            os.close(number)

    def close_ours(self) -> None:
        os.close(self.control)
        os.close(self.log)


class Fresh:
    """Starts the command anew: each child imports the application by itself."""

    def __init__(self, coloured: bool) -> None:
        self._coloured = coloured
        self._arguments = [sys.executable, *sys.orig_argv[1:]]

    def start(self, brief: bool) -> Child:
        """Return a new child; ``brief``: it need not say what others have said."""
        pipes = Pipes()
        described = Parent(os.getpid(), *pipes.of_child, self._coloured, brief)
        # A session of its own: what is typed at a terminal comes to the parent alone, and from
        # there to all of its children once.
        process = subprocess.Popen(
            self._arguments,
            env={**os.environ, parent.VARIABLE: described.as_text()},
            pass_fds=pipes.of_child,
            start_new_session=True,
        )
        process.returncode = 0  # Whoever waits for it is ``Child``.
        pipes.close_those_of_child()
        return Child(process.pid, pipes.control, pipes.log)


class Forked:
    """Forks this process, which has imported the application: its memory is shared."""

    def __init__(self, coloured: bool, work: Callable[[], int], forget: Callable[[], None]) -> None:
        """``work`` is what a child does, and returns its exit status; ``forget`` lets it go of
        what is its parent's."""
        self._coloured = coloured
        self._work = work
        self._forget = forget

    def start(self, brief: bool) -> Child:
        """Return a new child; ``brief``: it need not say what others have said."""
        from gevent.os import fork_gevent

        pipes = Pipes()
        described = Parent(os.getpid(), *pipes.of_child, self._coloured, brief)
        streams.flush()  # Or both would write what is in the buffers.
        # What comes in between is for the child, and not for the handlers that it inherits.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = fork_gevent()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            pipes.close_those_of_child()
            return Child(pid, pipes.control, pipes.log)
        status = 1
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.setsid()
            pipes.close_ours()
            self._forget()
            parent.present = described
            status = self._work()
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            _exit(status)


def _exit(status: int) -> NoReturn:
    """End a forked child without what its parent had planned for its own end."""
    import logging

    logging.shutdown()
    streams.flush()
    os._exit(status)
