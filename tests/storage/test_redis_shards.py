# SPDX-License-Identifier: MIT
"""A queue over several shards passes for one storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from test_redis import ExpireContract

from huey_green import (
    Huey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
)
from huey_green.storage.redis import shards, shardvalues
from huey_green.testing.contract import DocumentedContract, LeaseContract, StorageContract
from huey_green.testing.limits import LimitContract
from huey_green.testing.redis import PrivateRedis
from huey_green.testing.reports import ReportContract


@pytest.fixture(scope="session")
def servers(redis_server: PrivateRedis) -> Iterator[list[str]]:
    """Two servers, by their URLs."""
    with PrivateRedis(download=True) as other:
        yield [redis_server.url, other.url]


def made(kind: type[Huey], **options: Any) -> Huey:
    return kind(f"test{uuid4().hex}", dead_limit=None, dead_ttl=None, **options)


class OnTwoServers:
    """Four shards on two servers. A message that nobody has placed lies on the first of them."""

    kind: type[Huey]

    @pytest.fixture
    def storage(self, servers: list[str]) -> Iterator[Any]:
        huey = made(self.kind, urls=servers, shards=4)
        yield huey.storage
        huey.flush()
        huey.storage.close()


class Spread(OnTwoServers, DocumentedContract, LeaseContract, LimitContract, ReportContract):
    """Values lie where their keys say, which is on all of the shards."""


class TestListsSpread(Spread):
    kind = RedisHuey


class TestSortedSetsSpread(Spread):
    kind = PriorityRedisHuey


class Together(OnTwoServers, StorageContract):
    """All that a test does belongs together, and lies together; the other shards are asked, too."""

    @pytest.fixture(autouse=True)
    def on_one_shard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (shards, shardvalues):
            monkeypatch.setattr(module, "shard_of", lambda key, count: 0)


class TestLists(Together):
    kind = RedisHuey


class TestSortedSets(Together):
    kind = PriorityRedisHuey


class TestListsWithExpiringResults(Together, ExpireContract):
    kind = RedisExpireHuey


class TestSortedSetsWithExpiringResults(Together, ExpireContract):
    kind = PriorityRedisExpireHuey
