# SPDX-License-Identifier: MIT
"""Starting ``manage.py run_huey`` anew, in an interpreter that gevent patches before all else.

By the time Django has found a command it has imported the whole project, and made the locks and
the thread-local storage of its connections: patched from then on, all greenlets would share one
connection. So the process becomes ``python -m huey_green.contrib.djhuey -- manage.py run_huey``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from huey_green import clock, origin, streams

#: The module that patches, and stands before the project's own command line.
FIRST = "huey_green.contrib.djhuey"

#: When this process began, before the project was imported; epoch seconds.
began_at = 0.0


def note() -> None:
    """Note that this process is one of ``FIRST``, and how it was started."""
    global began_at
    began_at = clock.wall()
    origin.note()


def has_started_anew() -> bool:
    """Say whether this process was patched by ``FIRST``."""
    return began_at > 0


def connections_are_apart() -> bool:
    """Say whether gevent was in time: whether each greenlet has connections of its own."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("socket"):
        return False
    from django.db import connections
    from gevent import spawn

    alias = next(iter(connections))
    return spawn(lambda: connections[alias]).get() is not connections[alias]


def start_anew(own: Sequence[str]) -> NoReturn:
    """Become a process that has ``own`` as options of ``FIRST`` and is otherwise this one.

    Raises ``RuntimeError`` when the command line that started this one cannot be told.
    """
    if not sys.executable:
        raise RuntimeError("the path of the Python interpreter is not known (sys.executable)")
    command = [sys.executable, *_flags(), "-m", FIRST, *own, "--", *_target(), *sys.argv[1:]]
    streams.flush()
    os.execv(command[0], command)


def _flags() -> list[str]:
    """Return the options that the interpreter was started with."""
    return list(_leading(iter(sys.orig_argv[1:])))


def _leading(arguments: Iterator[str]) -> Iterator[str]:
    for one in arguments:
        if not one.startswith("-") or one[1] in "mc":
            return
        yield one
        if one in ("-W", "-X", "--check-hash-based-pycs"):
            yield next(arguments)


def _target() -> list[str]:
    """Return what the interpreter was told to run: a script, or -m and a module."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name = spec.parent if spec.name.rpartition(".")[2] == "__main__" else spec.name
        return ["-m", name or spec.name]
    for script in (getattr(main, "__file__", None), sys.argv[0]):
        if script is not None and os.path.isfile(script):
            return [os.path.abspath(script)]
    raise RuntimeError(
        f"{sys.argv[0]!r}, which was started, is no file: start the consumer with manage.py"
    )
