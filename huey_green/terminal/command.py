# SPDX-License-Identifier: MIT
"""What all commands have in common: an import path or several, errors in one sentence, and
exit statuses."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from huey_green.exceptions import (
    ConfigurationError,
    InvalidArgument,
    SerializationError,
    StorageUnavailable,
    UnknownTask,
)
from huey_green.huey import Huey
from huey_green.loading import CannotLoad, load_huey
from huey_green.terminal.output import plain

#: Exit statuses: done; the storage is away, or the answer is no; a mistake in the command or the
#: application; what was named is not there.
DONE, FAILED, USAGE, NOT_THERE = 0, 1, 2, 3


def parser(name: str, description: str, several: bool = False) -> argparse.ArgumentParser:
    """Return a parser for ``huey_green NAME IMPORT.PATH``, or with ``several`` for more of them."""
    made = argparse.ArgumentParser(prog=f"huey_green {name}", description=description)
    where = "where the Huey is, as for a consumer: app.huey is `huey` in app.py"
    if several:
        made.add_argument("huey", nargs="+", metavar="IMPORT.PATH", help=f"{where}; or several")
    else:
        made.add_argument("huey", metavar="IMPORT.PATH", help=where)
    return made


def carry_out(paths: str | Sequence[str], work: Callable[..., int], *args: Any) -> int:
    """Load the Hueys and return ``work(*hueys, *args)``; tell errors in one sentence each."""
    try:
        hueys = [load_huey(path) for path in ([paths] if isinstance(paths, str) else paths)]
        try:
            return work(*([hueys[0]] if isinstance(paths, str) else [hueys]), *args)
        finally:
            for huey in hueys:
                huey.storage.close()
    except CannotLoad as error:
        return complain(str(error), USAGE)
    except StorageUnavailable as error:
        return complain(str(error), FAILED)
    except (ConfigurationError, InvalidArgument, SerializationError, UnknownTask) as error:
        return complain(str(error), USAGE)


def complain(message: str, status: int) -> int:
    """Tell what is wrong; return the status."""
    print(f"huey_green: {plain(message, lines=True)}", file=sys.stderr)
    return status


def counted(number: int, what: str) -> str:
    """Return a number of something: 1 task, 2,000 tasks."""
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def whole(text: str) -> int:
    """Read a whole number from 0."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """Read a time: 90, 90s, 1.5m, 2h, 1d."""
    number = text.rstrip("mshd")
    try:
        found = float(number) * _UNITS[text[len(number) :] or "s"]
    except (KeyError, ValueError):
        found = -1.0
    if not 0 <= found <= 1e10:
        raise argparse.ArgumentTypeError(f"is a time as 90, 90s, 15m, 2h or 1d, not {text!r}")
    return found


def task_named(huey: Huey, name: str) -> str:
    """Return the full name of a task: of `add` it is `app.add`, if no other one ends like that.

    Raises ``UnknownTask``.
    """
    known = huey.registry.tasks
    if name in known:
        return name
    alike = [one for one in known if _last(one) == name]
    if len(alike) > 1:
        raise UnknownTask(f"{name} may be {' or '.join(sorted(alike))}: write one of them")
    if not alike:
        near = difflib.get_close_matches(name, [*known, *(_last(one) for one in known)], n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownTask(f"there is no task {name}: {hint}`huey_green tasks` lists them")
    return alike[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]
