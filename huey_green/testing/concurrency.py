# SPDX-License-Identifier: MIT
"""Waiting for a condition, and running functions at the same time, for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from huey_green import clock

#: Seconds after which a test gives up; none that passes comes near.
PATIENCE = 30.0


def eventually(
    condition: Callable[[], Any], what: str = "the condition", patience: float = PATIENCE
) -> Any:
    """Return what ``condition`` says once that is true; raise when it is not in ``patience``
    seconds."""
    ends_at = clock.monotonic() + patience
    while not (answer := condition()):
        if clock.monotonic() >= ends_at:
            raise AssertionError(f"{what} did not come true within {patience:g} s")
        clock.sleep(0.002)
    return answer


class Running:
    """A function that runs in a thread; ``result`` waits for its end."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        self._thread.join(PATIENCE)
        assert self.ended, "the thread did not end"
        if self._error is not None:
            raise self._error
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._function()
        except BaseException as error:  # Raised again by result().
            self._error = error


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Run functions at the same time, each in a thread; return what they returned."""
    barrier = threading.Barrier(len(functions))

    def started(function: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            barrier.wait(PATIENCE)
            return function()

        return run

    return [one.result() for one in [Running(started(function)) for function in functions]]


@contextmanager
def second_handle(storage: Any) -> Iterator[Any]:
    """Give another handle on the same data, and close it afterwards."""
    other = storage.independent()
    try:
        yield other
    finally:
        if other is not storage:
            other.close()
