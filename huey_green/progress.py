# SPDX-License-Identifier: MIT
"""How far a running task has come."""

from __future__ import annotations

from typing import NamedTuple


class Progress(NamedTuple):
    """What a task said last: ``done`` of ``total``, in a unit of its own, and a line of text."""

    done: float
    total: float | None = None
    message: str = ""

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None when the task did not say of how much."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))
