# SPDX-License-Identifier: MIT
"""A queue over several shards passes for one storage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from test_redis import ExpireContract

from huey_green import (
    ConfigurationError,
    Consumer,
    Huey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    chord,
)
from huey_green.exceptions import StorageUnavailable
from huey_green.storage.placing import Placed
from huey_green.storage.redis import shards, shardvalues
from huey_green.testing.concurrency import eventually
from huey_green.testing.contract import DocumentedContract, LeaseContract, StorageContract
from huey_green.testing.limits import LimitContract
from huey_green.testing.redis import PrivateRedis
from huey_green.testing.redis_cluster import PrivateCluster
from huey_green.testing.reports import ReportContract

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def servers(redis_server: PrivateRedis) -> Iterator[list[str]]:
    """Two servers, by their URLs."""
    with PrivateRedis(download=True) as other:
        yield [redis_server.url, other.url]


def made(kind: type[Huey], **options: Any) -> Any:
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


# What docs/scaling.md says.


def test_shards_go_to_more_servers_as_the_document_says() -> None:
    with ExitStack() as ending:
        servers = [ending.enter_context(PrivateRedis(download=True)) for _ in range(4)]
        urls = [server.url for server in servers]
        before: Any = RedisHuey("shop", urls=urls[:2], shards=8)
        before.put("key", "value")
        sent = [Placed(b"%d" % number, number % 8) for number in range(40)]
        for body in sent:
            before.storage.enqueue(body)
        admins = [redis.Redis.from_url(url) for url in urls]
        for source, target in ((0, 2), (1, 3)):
            admins[target].replicaof("127.0.0.1", servers[source].port)
        for admin in admins[2:]:
            eventually(lambda admin=admin: admin.info("replication")["master_link_status"] == "up")
        for admin in admins[2:]:
            admin.replicaof("NO", "ONE")
        for admin in admins:
            assert admin.delete(*admin.keys("huey.shards.*")) == 1
        after: Any = RedisHuey("shop", urls=urls, shards=8)
        assert after.get("key", peek=True) == "value"
        assert sorted(after.storage.enqueued_items()) == sorted(sent)
        for shard in after.storage.shards:
            assert shard.queue_size() == 5
        for admin in admins:
            admin.close()
        for huey in (before, after):
            huey.storage.close()


def test_users_may_be_kept_to_a_queue_with_shards_as_the_document_says() -> None:
    lines = re.findall(r"^ACL SETUSER .+$", (DOCS / "security.md").read_text(), re.MULTILINE)
    with PrivateRedis(download=True) as server:
        admin = redis.Redis.from_url(server.url)
        for line in lines:
            words = [re.sub(r"\bshop\b", "{shop.*}", word) for word in line.split()]
            admin.execute_command(*words, "~huey.shards.{shop.*}")
        hueys: list[Any] = [
            PriorityRedisHuey(
                "shop",
                url=server.url,
                shards=4,
                username=user,
                password=f"{user.upper()}S-PASSWORD",
            )
            for user in ("producer", "consumer")
        ]
        tasks = [huey.task(name="echo")(lambda value: value) for huey in hueys]
        consumer = Consumer(hueys[1], workers=4, max_delay=0.02)
        consumer.start()
        try:
            results = tasks[0].map(range(20))
            assert sorted(results.as_completed(timeout=30)) == list(range(20))
        finally:
            consumer.stop(graceful=True)
        denied = [entry["object"] for entry in admin.acl_log() if entry["reason"] == "key"]
        assert denied == []
        admin.close()
        for huey in hueys:
            huey.storage.close()


# On a cluster.


@pytest.fixture(scope="module")
def cluster() -> Iterator[PrivateCluster]:
    """Three masters with a replica each, which go on when one of them is away."""
    arguments = ("--cluster-require-full-coverage", "no")
    with ExitStack() as ending:
        try:
            cluster = ending.enter_context(PrivateCluster(timeout=2000, arguments=arguments))
        except ConfigurationError as error:
            pytest.skip(str(error))
        yield cluster


@pytest.fixture
def spread(cluster: PrivateCluster) -> Iterator[Any]:
    """A Huey of six shards on a cluster of three masters."""
    huey = made(PriorityRedisHuey, cluster=cluster.addresses[:2], shards=6)
    yield huey
    huey.flush()
    huey.storage.close()


def test_the_masters_of_a_cluster_have_equal_shares_of_the_shards(
    spread: Any, cluster: PrivateCluster
) -> None:
    masters = Counter(cluster.master_of(shard.keys.queue).port for shard in spread.storage.shards)
    assert sorted(masters.values()) == [2, 2, 2]
    assert "6 shards" in spread.storage.describe()


def test_tasks_of_a_queue_with_shards_run_on_a_cluster(spread: Any) -> None:
    @spread.task()
    def add(a: int, b: int = 0) -> int:
        return a + b

    @spread.task(max_concurrency=2)
    def limited(values: list[int]) -> int:
        return sum(values)

    consumer = Consumer(spread, workers=8, max_delay=0.02)
    consumer.start()
    try:
        results = add.map([(n, 1) for n in range(60)])
        assert sorted(results.as_completed(timeout=30)) == list(range(1, 61))
        whole = chord([add.s(n).then(add, n) for n in range(10)], limited.s())
        assert spread.enqueue(whole).get(True, 30) == 90
    finally:
        consumer.stop(graceful=True)


def test_while_a_master_is_replaced_the_shards_of_the_others_go_on(
    spread: Any, cluster: PrivateCluster
) -> None:
    shards = spread.storage.shards
    where = [cluster.master_of(shard.keys.queue) for shard in shards]
    assert spread.storage.queue_size() == 0
    node = where[0]
    others = [shard for shard, master in zip(shards, where, strict=True) if master is not node]
    key = next(key for key in map(str, range(999)) if spread.storage._at(key) is shards[0])
    node.kill()

    def is_replaced() -> bool:
        for shard in others:
            shard.enqueue(b"task")
            assert shard.dequeue() == b"task"
        return can_put(spread, key)

    try:
        eventually(is_replaced, "a replica in its place")
        assert spread.storage.peek_data(key) == b"value"
    finally:
        node.restart()
        eventually(cluster.is_whole, "the cluster whole again")


def can_put(huey: Huey, key: str) -> bool:
    try:
        huey.storage.put_data(key, b"value")
    except StorageUnavailable:
        return False
    return True


def test_a_cluster_knows_how_many_shards_there_are(spread: Any, cluster: PrivateCluster) -> None:
    assert spread.storage.queue_size() == 0
    other = PriorityRedisHuey(spread.name, cluster=cluster.addresses[:1], shards=5)
    with pytest.raises(ConfigurationError, match="as 6 shards in a cluster"):
        other.storage.queue_size()
    other.storage.close()
