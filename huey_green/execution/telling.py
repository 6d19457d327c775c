# SPDX-License-Identifier: MIT
"""How an error is told: in a result, in a dead letter, in the log."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Any

from huey_green.exceptions import TaskCanceled
from huey_green.limits import LONGEST_ERROR, LONGEST_TRACEBACK, shortened
from huey_green.offender import repr_of

#: Where the calls are that lead to a task's function.
_OURS = ("huey_green.execution.", "huey_green.wrapper", "huey_green.task", "huey_green.native")


class Told:
    """An error in words. Its traceback is formatted once, which costs more than all the rest."""

    __slots__ = ("_traceback", "error")

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self._traceback: str | None = None

    @property
    def traceback(self) -> str:
        """The traceback as text, of bounded length."""
        if self._traceback is None:
            self._traceback = _formatted(self.error)
        return self._traceback

    def metadata(self, task_id: str, retries: int) -> dict[str, Any]:
        """Return what ``TaskException.metadata`` holds."""
        return {
            "error": shortened(repr_of(self.error), LONGEST_ERROR),
            "retries": retries,
            "traceback": self.traceback,
            "task_id": task_id,
        }

    def log(self, logger: logging.Logger, message: str, *args: object) -> None:
        """Log a message as an error, with this one's traceback; as ``Logger.error`` does."""
        if not logger.isEnabledFor(logging.ERROR):
            return
        name, line, function, _ = logger.findCaller(stacklevel=2)
        error = self.error
        info = (type(error), error, error.__traceback__)
        record = logger.makeRecord(
            logger.name, logging.ERROR, name, line, message, args, info, function
        )
        # Handlers that want the error have it, and those that write take it as it is written here.
        record.exc_text = self.traceback.rstrip("\n")
        logger.handle(record)


def _of_task(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from where our code has called the task's."""
    inner = trace
    while inner is not None and inner.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        inner = inner.tb_next
    return inner or trace


def _formatted(error: BaseException) -> str:
    if isinstance(error, TaskCanceled):
        # It came from outside, maybe to a thousand tasks at once, and files are looked up for each
        # frame that is told.
        return "".join(traceback.format_exception_only(error))
    try:
        lines = traceback.format_exception(type(error), error, _of_task(error.__traceback__))
        return shortened("".join(lines), LONGEST_TRACEBACK)
    except Exception as failed:  # Errors are users' classes, and may be chained without an end.
        return f"(none: {repr_of(failed)})"
