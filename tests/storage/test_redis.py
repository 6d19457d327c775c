# SPDX-License-Identifier: MIT
from collections.abc import Iterator
from uuid import uuid4

import pytest

from huey_green.storage.redis import PriorityRedisStorage, RedisStorage
from huey_green.testing.contract import StorageContract
from huey_green.testing.redis import PrivateRedis


class TestRedisStorage(StorageContract):
    @pytest.fixture
    def storage(self, redis_server: PrivateRedis) -> Iterator[RedisStorage]:
        storage = RedisStorage(f"test-{uuid4().hex}", url=redis_server.url)
        yield storage
        storage.flush_all()
        storage.close()


class TestPriorityRedisStorage(StorageContract):
    @pytest.fixture
    def storage(self, redis_server: PrivateRedis) -> Iterator[PriorityRedisStorage]:
        storage = PriorityRedisStorage(f"test-{uuid4().hex}", url=redis_server.url)
        yield storage
        storage.flush_all()
        storage.close()
