# SPDX-License-Identifier: MIT
from collections.abc import Iterator

import pytest

from huey_green.storage.memory import MemoryStorage
from huey_green.testing.contract import StorageContract


class TestMemoryStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Iterator[MemoryStorage]:
        storage = MemoryStorage()
        yield storage
        storage.close()
