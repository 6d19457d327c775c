# SPDX-License-Identifier: MIT
from collections.abc import Iterator
from uuid import uuid4

import pytest

from huey_green.storage.base import BaseStorage
from huey_green.storage.redis import (
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
)
from huey_green.testing.contract import StorageContract
from huey_green.testing.documented import AWKWARD_KEYS, EVERY_BYTE
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


class ExpireContract(StorageContract):
    """What is different where reading a value leaves it where it is, as with huey."""

    def test_a_value_is_kept_until_it_is_popped(self, storage: BaseStorage) -> None:
        for key in AWKWARD_KEYS:
            assert not storage.has_data_for_key(key)
            assert storage.peek_data(key) is storage.pop_data(key) is None
            storage.put_data(key, b"old", is_result=True)
            storage.put_data(key, EVERY_BYTE + key.encode())
        assert storage.result_store_size() == len(AWKWARD_KEYS)
        assert storage.result_items() == {key: EVERY_BYTE + key.encode() for key in AWKWARD_KEYS}
        for key in AWKWARD_KEYS:
            assert storage.pop_data(key) == storage.pop_data(key) == EVERY_BYTE + key.encode()
            assert storage.delete_data(key)
            assert not storage.has_data_for_key(key)
        assert storage.result_store_size() == 0

    def test_a_value_is_put_only_where_there_is_none(self, storage: BaseStorage) -> None:
        assert storage.put_if_empty("a", b"1") is True
        assert storage.pop_data("a") == b"1"
        assert storage.put_if_empty("a", b"2") is False
        assert storage.delete_data("a")
        assert storage.put_if_empty("a", b"3") is True
        assert storage.peek_data("a") == b"3"


class TestRedisExpireStorage(ExpireContract):
    @pytest.fixture
    def storage(self, redis_server: PrivateRedis) -> Iterator[RedisExpireStorage]:
        storage = RedisExpireStorage(f"test-{uuid4().hex}", url=redis_server.url)
        yield storage
        storage.flush_all()
        storage.close()


class TestPriorityRedisExpireStorage(ExpireContract):
    @pytest.fixture
    def storage(self, redis_server: PrivateRedis) -> Iterator[PriorityRedisExpireStorage]:
        storage = PriorityRedisExpireStorage(f"test-{uuid4().hex}", url=redis_server.url)
        yield storage
        storage.flush_all()
        storage.close()
