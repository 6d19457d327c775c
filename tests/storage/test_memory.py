# SPDX-License-Identifier: MIT
from collections.abc import Iterator

import pytest

from huey_green import clock
from huey_green.storage.base import CANCEL_KEPT
from huey_green.storage.memory import MemoryStorage
from huey_green.testing.contract import StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[MemoryStorage]:
        storage = MemoryStorage()
        yield storage
        storage.close()


def test_notes_of_canceled_tasks_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    now = 1000.0
    monkeypatch.setattr(clock, "wall", lambda: now)
    storage.cancel("a")
    now += CANCEL_KEPT - 1
    storage.cancel("b")
    assert storage.canceled(0.0) == (["a", "b"], now)
    assert storage.canceled(1000.5) == (["b"], now)
    now += 2
    storage.cancel("c")
    assert sorted(storage.canceled(0.0)[0]) == ["b", "c"]
