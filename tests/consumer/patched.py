# SPDX-License-Identifier: MIT
"""Tests that need a process of their own: pytest's is never patched, and shares nothing."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

from forker import Forker

#: Seconds that a test in a process of its own may take; only a machine in trouble needs them.
PATIENCE = 60.0


def patched(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a process that gevent has patched. Its arguments travel as JSON."""
    return _elsewhere(test, _PATCHED)


def unpatched(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a process with plain threads."""
    return _elsewhere(test, _UNPATCHED)


_PATCHED, _UNPATCHED = Forker(True), Forker(False)


def _elsewhere(test: Callable[..., None], forker: Forker) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        ended = forker.run(inspect.getfile(test), test.__name__, arguments, PATIENCE)
        assert ended.status == 0, ended.stdout + ended.stderr
        # gevent prints errors that nobody waits for.
        assert "Traceback" not in ended.stderr, ended.stderr

    return run


def eventually(condition: Callable[[], Any], what: str = "", patience: float = 20.0) -> Any:
    """Wait until ``condition`` is true and return what it said."""
    ends_at = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < ends_at, f"not within {patience:g} s: {what}"
        time.sleep(0.005)
    return answer


class Records(list[str]):
    """What was logged while a ``with`` block ran, as a list of messages that grows."""

    def __enter__(self) -> Records:
        import logging

        class Handler(logging.Handler):
            def emit(handler, record: logging.LogRecord) -> None:  # noqa: N805
                self.append(f"{record.levelname} {record.getMessage()}")

        self._handler = Handler()
        self._log = logging.getLogger("huey_green")
        self._log.addHandler(self._handler)
        self._log.propagate = False
        return self

    def __exit__(self, *error: Any) -> None:
        self._log.removeHandler(self._handler)
        self._log.propagate = True
