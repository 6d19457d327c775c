# SPDX-License-Identifier: MIT
"""The options of ``SqliteStorage``, checked where they are given and not at the first task."""

from __future__ import annotations

import math
import os
import sqlite3
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from huey_green.exceptions import ConfigurationError

JOURNAL_MODES = ("wal", "delete", "truncate", "persist", "memory", "off")

#: Arguments of ``sqlite3.connect`` that are accepted, as huey does, and set by us all the same.
_OURS = ("isolation_level", "check_same_thread", "autocommit")


class Options(NamedTuple):
    """What a database is opened with; ``connect`` goes to ``sqlite3.connect``."""

    filename: str
    cache_mb: float
    fsync: bool
    journal_mode: str
    timeout: float
    connect: dict[str, Any]


def checked(
    name: object,
    filename: object,
    cache_mb: object,
    fsync: object,
    journal_mode: object,
    timeout: object,
    strict_fifo: object,
    connect: dict[str, Any],
) -> Options:
    """Return the options; raises ``ConfigurationError`` for the first one that is wrong."""
    if not isinstance(name, str):
        raise ConfigurationError(
            f"name={name!r}: the name of a queue is a string. The file is the second argument:"
            " SqliteStorage('name', 'huey.db'), or filename='huey.db'."
        )
    mode = journal_mode.lower() if isinstance(journal_mode, str) else journal_mode
    if mode not in JOURNAL_MODES:
        raise ConfigurationError(
            f"journal_mode={journal_mode!r}: expected one of {', '.join(JOURNAL_MODES)}"
        )
    _switch("strict_fifo", strict_fifo)
    return Options(
        filename=_file(filename),
        cache_mb=_number("cache_mb", cache_mb, "megabytes"),
        fsync=_switch("fsync", fsync),
        journal_mode=str(mode),
        timeout=_number("timeout", timeout, "seconds"),
        connect=_connect(connect),
    )


def _file(filename: object) -> str:
    path = os.fspath(filename) if isinstance(filename, (str, bytes, os.PathLike)) else None
    if path is None:
        raise ConfigurationError(f"filename={filename!r}: expected the path of a file")
    if path in ("", b"", ":memory:"):
        raise ConfigurationError(
            f"filename={filename!r}: each connection would see a database of its own. "
            "Name a file, or use MemoryStorage."
        )
    return os.fsdecode(path)


def file_of_uri(uri: str) -> str | None:
    """Return the file that SQLite creates for a URI if need be; None when it creates none."""
    place, _, query = uri.removeprefix("file:").partition("#")[0].partition("?")
    said = parse_qs(query)
    path = unquote(place)
    if path.startswith("//"):
        path = "/" + path[2:].partition("/")[2]
    if not path or path == ":memory:" or "vfs" in said:
        return None
    return path if said.get("mode", ["rwc"])[-1] == "rwc" else None


def _number(name: str, value: object, unit: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type,operator]
        raise ConfigurationError(f"{name}={value!r}: expected a number of {unit}, 0 or more")
    return value  # type: ignore[return-value]


def _switch(name: str, value: object) -> bool:
    if value not in (True, False):
        raise ConfigurationError(f"{name}={value!r}: expected True or False")
    return bool(value)


def _connect(given: dict[str, Any]) -> dict[str, Any]:
    """Return what ``sqlite3.connect`` is to be given; it is asked itself what it takes."""
    options = {key: value for key, value in given.items() if key not in _OURS}
    for key, value in options.items():
        try:
            sqlite3.connect(":memory:", **{key: value}).close()
        except Exception as error:
            raise ConfigurationError(
                f"{key}={value!r}: neither an option of SqliteStorage (filename, cache_mb, fsync,"
                " journal_mode, timeout, strict_fifo) nor an argument that sqlite3.connect takes:"
                f" {error}"
            ) from error
    return options
