# SPDX-License-Identifier: MIT
"""Waiting for other code after a start that failed, when much of Django may not be there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from huey_green.contrib.djhuey import starting

#: Seconds between two looks at the files.
LOOK_EVERY = 0.5


def wait_for_change(message: str, error: BaseException | None = None) -> None:
    """Say ``message``, and return when a file of the code has changed, or one beside it.

    ``error`` is what came of the code: it may name files that were never imported.
    """
    folders = {path.parent for path in [*_imported(), *_named(error)]}
    before = _state(folders)
    print(message, file=sys.stderr, flush=True)
    # It may have changed after it was read, and before we looked.
    while max(before.values(), default=0) < starting.began_at and _state(folders) == before:
        time.sleep(LOOK_EVERY)


def _imported() -> Iterator[Path]:
    """Yield the files of modules that are neither Python's nor installed."""
    installed = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if isinstance(name, str):
            path = Path(name).resolve()
            if path.suffix == ".py" and installed.isdisjoint(path.parents):
                yield path


def _named(error: BaseException | None) -> Iterator[Path]:
    if isinstance(error, SyntaxError) and error.filename:
        yield Path(error.filename).resolve()


def _state(folders: set[Path]) -> dict[Path, float]:
    found: dict[Path, float] = {}
    for folder in folders:
        for path in folder.glob("*.py"):
            try:
                found[path] = path.stat().st_mtime
            except OSError:  # It has just been replaced.
                found[path] = 0
    return found
