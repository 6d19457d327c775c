# SPDX-License-Identifier: MIT
from collections.abc import Iterator
from pathlib import Path

import pytest

from huey_green.storage.file import FileStorage
from huey_green.testing.contract import StorageContract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def storage(folder: Path) -> Iterator[FileStorage]:
    storage = FileStorage("main", folder)
    yield storage
    storage.close()


class TestFileStorage(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path) -> Iterator[FileStorage]:
        storage = FileStorage("contract", folder)
        yield storage
        storage.close()


class TestFileStorageWithThreadLock(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path) -> Iterator[FileStorage]:
        storage = FileStorage("contract", folder, levels=0, use_thread_lock=True)
        yield storage
        storage.close()
