# SPDX-License-Identifier: MIT
"""A storage that has the documented methods alone forgets what has ended, too."""

from __future__ import annotations

import pytest
from documented_only import DictStorage

from huey_green.message import DeadLetter, Delivery, Effects, Extra, Retention, Settlement


@pytest.fixture
def storage() -> DictStorage:
    return DictStorage()


def settle(storage: DictStorage, effects: Effects) -> None:
    assert storage.settle("one", [Settlement(Delivery(b""), effects)]) == []


def test_a_result_goes_with_the_handle_that_stored_it(storage: DictStorage) -> None:
    settle(storage, Effects(results=(("short", b"1"),), extra=Extra(result_ttl=5.0)))
    settle(storage, Effects(results=(("lasting", b"1"),)))
    now = storage.time()
    assert storage.prune(now=now + 4) == 0
    assert storage.has_data_for_key("short")
    assert storage.prune(now=now + 6) == 0
    assert not storage.has_data_for_key("short")
    assert storage.has_data_for_key("lasting")


def test_dead_letters_are_kept_as_long_and_as_many_as_was_said(storage: DictStorage) -> None:
    for number in range(5):
        settle(storage, Effects(dead=DeadLetter(f"id-{number}", b"", "why", died_at=number)))
    assert storage.prune() == 0
    storage.retention = Retention(dead_limit=4)
    assert storage.prune() == 1
    storage.retention = Retention(dead_ttl=10.0)
    assert storage.prune(now=12.5) == 2
    assert [letter.id for letter in storage.dead_letters()] == ["id-4", "id-3"]
    assert storage.dead_letters()[0].consumer == "one"
    assert storage.delete_dead() == 2
    assert storage.prune(now=1e9) == 0
    settle(storage, Effects(dead=DeadLetter("late", b"", "why", died_at=1.0)))
    assert storage.prune(now=1e9) == 1
