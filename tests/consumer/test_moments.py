# SPDX-License-Identifier: MIT
"""The moments of a consumer's life, as ``huey_green.probe`` tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from huey_green import MemoryHuey, probe


class Moments:
    """Notes what was reached, and lets a test wait for it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._changed = threading.Condition()

    def note(self, moment: str, detail: Any) -> None:
        with self._changed:
            self.reached.append(moment)
            self._changed.notify_all()

    def wait_for(self, moment: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: moment in self.reached, 20), self.reached


@pytest.fixture
def moments() -> Iterator[Moments]:
    noted = Moments()
    before = probe.install(noted.note)
    yield noted
    probe.install(before)


def test_a_consumer_starts_fetches_settles_and_stops_in_this_order(moments: Moments) -> None:
    huey = MemoryHuey("moments")

    @huey.task()
    def answer() -> int:
        return 42

    result = answer()
    consumer = huey.create_consumer(workers=1)
    consumer.start()
    moments.wait_for("settled")
    consumer.stop(graceful=True)
    assert result.get() == 42
    order = [one for one in moments.reached if one in ("started", "fetched", "settled", "stopped")]
    assert order == ["started", "fetched", "settled", "stopped"]
    assert "scheduled" in moments.reached
    assert "reaped" in moments.reached


def test_nobody_listens_when_nobody_is_installed() -> None:
    before = probe.install(None)
    try:
        probe.reached("anything")
    finally:
        probe.install(before)
