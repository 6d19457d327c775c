# SPDX-License-Identifier: MIT
"""What there is in a process: read from within it, and from outside."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Types of which so few objects exist are not told of.
FEW = 20

_SIZED = (Mapping, Set, Sequence, deque)
_PACKAGE = "huey_green"


def look_at(huey: Any) -> dict[str, Any]:
    """Count what lives in this process, after all garbage was collected and memory given back.

    "greenlets" by what they run, "types" of objects, "held" by the attributes of our own objects.
    What ``gc.freeze`` took away from the collector counts where our own objects hold it.
    """
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # Else memory that is free may still be counted as ours.
    objects = gc.get_objects()
    types = Counter(_name(type(one)) for one in objects)
    return {
        "pid": os.getpid(),
        "objects": len(objects),
        "greenlets": _greenlets(objects),
        "threads": threading.active_count(),
        "types": {name: count for name, count in types.items() if count > FEW},
        "held": _held([huey, *(one for one in objects if _is_ours(type(one)))]),
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_ours(kind: type) -> bool:
    module = str(kind.__module__)  # Of some types it is no string.
    return module.partition(".")[0] == _PACKAGE and not issubclass(kind, tuple)


def _greenlets(objects: Iterable[Any]) -> dict[str, int]:
    """Return how many greenlets live, by what they run; empty where there is no gevent."""
    module = sys.modules.get("greenlet")
    if module is None:
        return {}
    living: Counter[str] = Counter()
    for one in objects:
        if isinstance(one, module.greenlet) and not one.dead:
            run: Any = getattr(one, "_run", None)
            owner = getattr(run, "__self__", one)
            is_others = owner is not one
            what = getattr(run, "__qualname__", type(one).__name__)
            living[f"{type(owner).__name__}.{run.__name__}" if is_others else what] += 1
    return dict(living)


def _held(objects: Iterable[Any]) -> dict[str, int]:
    """Return how much the containers of our own objects hold, those of one class together."""
    held: dict[str, int] = defaultdict(int)
    waiting, seen = list(objects), set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for name, value in _attributes(one):
            if _is_ours(type(value)):
                waiting.append(value)
            elif isinstance(value, _SIZED) and not isinstance(value, (str, bytes, tuple)):
                held[f"{type(one).__name__}.{name}"] += len(value)
    return dict(held)


def _attributes(one: Any) -> list[tuple[str, Any]]:
    found = list(getattr(one, "__dict__", {}).items())
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            with suppress(AttributeError):
                found.append((name, getattr(one, name)))
    return found


def outside(pid: int) -> dict[str, int]:
    """Return what the system knows of a process: bytes of memory, threads, open files."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = [int(line.split()[1]) for line in rollup if line.startswith("Private_")]
    return {
        "rss": int(status["VmRSS"].split()[0]) * 1024,
        "uss": sum(private) * 1024,
        "threads": int(status["Threads"]),
        "fds": len(os.listdir(f"/proc/{pid}/fd")),
    }
