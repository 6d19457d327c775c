# SPDX-License-Identifier: MIT
"""The options of ``FileStorage``, checked where they are given and not at the first task."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from huey_green.exceptions import ConfigurationError
from huey_green.storage.file.lock import check_system

MOST_LEVELS = 16


@dataclass(frozen=True)
class Options:
    """How a handle wants its folder to be used; ``path`` is absolute, ``timeout`` in seconds."""

    path: str
    levels: int
    needs_lock_files: bool
    timeout: float
    fsync: bool


def checked(
    name: object,
    path: object,
    levels: object,
    use_thread_lock: object,
    timeout: object,
    fsync: object,
    unknown: dict[str, object],
) -> Options:
    """Return the options; raises ``ConfigurationError`` for the first one that is wrong."""
    check_system()
    for option, value in unknown.items():
        raise ConfigurationError(
            f"{option}={value!r}: no option of FileStorage, which has path, levels,"
            " use_thread_lock, timeout and fsync"
        )
    if not isinstance(name, str):
        raise ConfigurationError(
            f"name={name!r}: the name of a queue is a string. The folder is the second argument:"
            " FileStorage('name', '/var/lib/shop/queue'), or path='/var/lib/shop/queue'."
        )
    return Options(
        path=_folder(path),
        levels=_levels(levels),
        needs_lock_files=not _switch("use_thread_lock", use_thread_lock),
        timeout=_seconds("timeout", timeout),
        fsync=_switch("fsync", fsync),
    )


def _folder(path: object) -> str:
    if path is None or path in ("", b""):
        raise ConfigurationError(
            "path is missing: name a folder, which is created if need be, as in"
            " FileHuey('name', path='/var/lib/shop/queue')."
        )
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise ConfigurationError(f"path={path!r}: expected the path of a folder")
    # Absolute, so that a process that changes its directory keeps its folder.
    folder = os.path.abspath(os.fsdecode(path))
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigurationError(f"path={path!r}: expected a folder, and that is a file")
    return folder


def _levels(levels: object) -> int:
    is_whole = isinstance(levels, int) and not isinstance(levels, bool)
    if not is_whole or not 0 <= levels <= MOST_LEVELS:  # type: ignore[operator]
        raise ConfigurationError(
            f"levels={levels!r}: expected a whole number from 0 to {MOST_LEVELS}"
        )
    return levels  # type: ignore[return-value]


def _seconds(name: str, value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type,operator]
        raise ConfigurationError(f"{name}={value!r}: expected a number of seconds, 0 or more")
    return value  # type: ignore[return-value]


def _switch(name: str, value: object) -> bool:
    if value not in (True, False):
        raise ConfigurationError(f"{name}={value!r}: expected True or False")
    return bool(value)
