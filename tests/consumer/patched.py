# SPDX-License-Identifier: MIT
"""Tests that need a process of their own: pytest's is never patched, and shares nothing."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that a test in a process of its own may take; only a machine in trouble needs them.
PATIENCE = 60.0


def patched(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a process that gevent has patched. Its arguments travel as JSON."""
    return _elsewhere(test, "patched")


def unpatched(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a process with plain threads."""
    return _elsewhere(test, "unpatched")


def _elsewhere(test: Callable[..., None], how: str) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        file = inspect.getfile(test)
        done = subprocess.run(
            [sys.executable, "-W", "error", __file__, how, file, test.__name__],
            input=json.dumps(arguments, default=str),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        # gevent prints errors that nobody waits for.
        assert "Traceback" not in done.stderr, done.stderr

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


def _main() -> None:
    how, file, name = sys.argv[1:]
    if how == "patched":
        from gevent import monkey

        monkey.patch_all()
    arguments = json.load(sys.stdin)
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, name).__wrapped__(**arguments)


if __name__ == "__main__":
    _main()
