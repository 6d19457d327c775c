# SPDX-License-Identifier: MIT
"""What consumers in this process say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from huey_green.storage.memory.limits import MemoryLimits


class MemoryReports(MemoryLimits):
    """Mixed into the storage."""

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        #: What each said, and when that ends.
        self._said: dict[str, tuple[bytes, float]] = {}

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        with self._changed:
            now = self.time()
            self._said = {name: one for name, one in self._said.items() if one[1] > now}
            self._said[consumer] = (data, now + ttl)

    def forget_report(self, consumer: str) -> None:
        with self._changed:
            self._said.pop(consumer, None)

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        with self._changed:
            now = self.time()
            said = {name: self._said[name] for name in consumers if name in self._said}
            return {name: data for name, (data, ends_at) in said.items() if ends_at > now}

    def flush_all(self) -> None:
        with self._changed:
            super().flush_all()
            self._said.clear()
