# SPDX-License-Identifier: MIT
"""Delays that grow, and the spread that keeps a crowd from marching in step: pure functions."""

from __future__ import annotations

import random


def exponential(attempt: int, initial: float, factor: float, cap: float) -> float:
    """Return the seconds to wait before try number ``attempt`` (from 0), never above ``cap``.

    >>> [exponential(n, 0.1, 2.0, 1.0) for n in range(5)]
    [0.1, 0.2, 0.4, 0.8, 1.0]
    """
    if factor <= 1.0:
        return min(initial, cap)
    try:
        return min(initial * float(factor) ** attempt, cap)
    except OverflowError:  # More than a float can hold is more than any cap.
        return cap


def jittered(delay: float, share: float = 0.25) -> float:
    """Return ``delay`` moved at random by up to ``share`` of itself, either way."""
    return delay * (1 - share + 2 * share * random.random())
