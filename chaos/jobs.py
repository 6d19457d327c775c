# SPDX-License-Identifier: MIT
"""The kinds of jobs that producers enqueue, and what the account may expect of each."""

from __future__ import annotations

from typing import Any, NamedTuple

#: How many steps, members and tries the jobs of those kinds have.
STEPS, MEMBERS, RETRIES = 3, 4, 2


class Kind(NamedTuple):
    """``parts`` are the executions that a job of this kind consists of, each by its name;
    ``share`` is how often it comes in a mixture. ``once``: at most once, and may be lost."""

    parts: tuple[str, ...]
    share: int
    once: bool = False


KINDS = {
    "plain": Kind(("",), 10),
    "pipeline": Kind(tuple(f"step{n}" for n in range(STEPS)), 3),
    "chord": Kind((*(f"member{n}" for n in range(MEMBERS)), "callback"), 2),
    "retried": Kind(tuple(f"left{n}" for n in range(RETRIES, -1, -1)), 3),
    "scheduled": Kind(("",), 4),
    "once": Kind(("",), 1, once=True),
}


def value_of(kind: str, job: str) -> Any:
    """Return what the last result of a job has to be."""
    return {"pipeline": STEPS, "chord": sum(range(MEMBERS))}.get(kind, job)
