# SPDX-License-Identifier: MIT
"""What can be done to a run.

A fault breaks one thing in a run that is under way, and leaves it such that others can follow:
faults can be drawn at random and mixed. A scenario is a run with a course and checks of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from chaos.world import KINDS, World

Deed = Callable[[World], None]
D = TypeVar("D", bound=Deed)


class Entry(NamedTuple):
    """``repeat`` is how often a short run commits a fault; ``make`` makes the world of a
    scenario that needs a special one: a context manager called with (kind, seed, scale)."""

    name: str
    deed: Deed
    kinds: tuple[str, ...]
    is_fault: bool
    repeat: int = 1
    make: Callable[..., Any] = World

    @property
    def what(self) -> str:
        """What it does, in a line."""
        return (self.deed.__doc__ or "").strip().partition("\n")[0]


ENTRIES: dict[str, Entry] = {}


def fault(kinds: tuple[str, ...] = KINDS, repeat: int = 5) -> Callable[[D], D]:
    """Register a fault under its function's name; a short run commits it ``repeat`` times."""

    def register(deed: D) -> D:
        name = deed.__name__.replace("_", "-")
        ENTRIES[name] = Entry(name, deed, kinds, True, repeat)
        return deed

    return register


def scenario(kinds: tuple[str, ...] = KINDS, make: Callable[..., Any] = World) -> Callable[[D], D]:
    """Register a scenario under its function's name; ``make`` makes its world."""

    def register(deed: D) -> D:
        name = deed.__name__.replace("_", "-")
        ENTRIES[name] = Entry(name, deed, kinds, False, make=make)
        return deed

    return register
