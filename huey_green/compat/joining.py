# SPDX-License-Identifier: MIT
"""From a queue, a data store and a schedule to the one storage that a Huey has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huey_green.compat.own_parts import OwnQueue, OwnSchedule, OwnStore, StoredSchedule
from huey_green.compat.parts import Parts
from huey_green.exceptions import ConfigurationError
from huey_green.storage.base import BaseStorage
from huey_green.storage.memory import MemoryStorage


def check_parts(queue: Any, store: Any, schedule: Any) -> None:
    """Raise ``ConfigurationError`` for what is no queue, no data store or no schedule."""
    for what, part, kinds in (
        ("queue", queue, [("write", "read")]),
        ("result_store", store, [("put", "get")]),
        ("schedule", schedule, [("add", "read"), ("put", "get")]),
    ):
        if part is None and what != "queue":
            continue
        fits = any(all(callable(getattr(part, one, None)) for one in kind) for kind in kinds)
        if isinstance(part, type) or not fits:
            methods = " and ".join(f"{one}()" for one in kinds[0])
            raise ConfigurationError(f"{what} is an object with {methods}, not {part!r}")


def name_of(queue: Any) -> str:
    """Return what a queue is called."""
    name = getattr(queue, "name", None)
    return name if isinstance(name, str) and name else "huey"


def place_of(part: Any) -> str | None:
    """Return where one of our own parts is kept; None for a user's."""
    place = getattr(part, "place", None)
    return place if isinstance(getattr(part, "storage", None), BaseStorage) else None


def storage_of(queue: Any, store: Any, schedule: Any, is_utc: Callable[[], bool]) -> BaseStorage:
    """Return the storage that these parts make together.

    Where all of ours are in one place it has leases; else nothing is one step for two of them.
    ``is_utc`` says in which time a user's schedule has its datetimes.
    """
    place = place_of(queue)
    others = [one for one in (store, schedule) if one is not None]
    if place is not None and all(place_of(one) == place for one in others):
        whole: BaseStorage = queue.storage_with(store, schedule)
        return whole
    name = name_of(queue)
    ready = OwnQueue(name, queue) if place is None else queue.storage
    values = MemoryStorage(name) if store is None else values_of(name, store)
    planned = _planned(name, values if schedule is None else schedule, is_utc)
    return Parts(name, ready, values, planned, can_revoke=store is not None)


def values_of(name: str, store: Any) -> BaseStorage:
    """Return the storage of what a data store has."""
    if place_of(store) is None:
        return OwnStore(name, store)
    values: BaseStorage = store.storage
    return values


def _planned(name: str, schedule: Any, is_utc: Callable[[], bool]) -> BaseStorage:
    """Return what keeps the schedule: a schedule, or a data store in which it is a value."""
    if isinstance(schedule, OwnStore):
        return StoredSchedule(name, schedule)
    if isinstance(schedule, BaseStorage):
        return schedule  # One of ours, which has a schedule as well.
    if place_of(schedule) is not None:
        kept: BaseStorage = schedule.storage
        return kept
    if callable(getattr(schedule, "add", None)):
        return OwnSchedule(name, schedule, is_utc)
    return StoredSchedule(name, OwnStore(name, schedule))
