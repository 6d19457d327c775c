# SPDX-License-Identifier: MIT
from uuid import uuid4

import pytest

from huey_green import (
    Consumer,
    FileHuey,
    MemoryHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    SqliteHuey,
    clock,
)

#: One of the two whose results expire stands for both: the contract is asked of each of them.
IN_REDIS = {
    "redis-list": RedisHuey,
    "redis-zset": PriorityRedisHuey,
    "redis-expire": RedisExpireHuey,
}
STORAGES = ["memory", "sqlite", "file", *IN_REDIS, "redis-shards"]


@pytest.fixture(params=STORAGES)
def make_huey(request, tmp_path):
    """A function that makes a Huey with the given options, over each storage in turn."""
    made = []

    def make(name=None, **options):
        name = name or f"test-{uuid4().hex}"
        if request.param == "memory":
            huey = MemoryHuey(name, **options)
        elif request.param == "sqlite":
            huey = SqliteHuey(name, filename=tmp_path / "huey.db", **options)
        elif request.param == "file":
            huey = FileHuey(name, path=tmp_path / f"queue-{name}", **options)
        elif request.param == "redis-shards":
            server = request.getfixturevalue("redis_server")
            huey = PriorityRedisHuey(name, url=server.url, shards=3, **options)
        else:
            server = request.getfixturevalue("redis_server")
            huey = IN_REDIS[request.param](name, url=server.url, **options)
        made.append(huey)
        return huey

    if request.param == "redis-shards":
        # All on one of them, for there is no order between two.
        monkeypatch = request.getfixturevalue("monkeypatch")
        for module in ("placing", "storage.redis.shards", "storage.redis.shardvalues"):
            monkeypatch.setattr(f"huey_green.{module}.shard_of", lambda key, count: 0)
    yield make
    for huey in made:
        huey.flush()
        huey.storage.close()


@pytest.fixture
def huey(make_huey):
    """A Huey over each storage in turn."""
    return make_huey()


@pytest.fixture
def add(huey):
    """The documents' example of a task."""

    @huey.task()
    def add(a, b):
        return a + b

    return add


@pytest.fixture
def start(request):
    """A function that starts a consumer in this process, which gevent has not patched."""

    def start_consumer(huey, **options):
        options = {"workers": 8, "scheduler_interval": 0.02, "max_delay": 0.05, **options}
        consumer = Consumer(huey, **options)
        consumer.start()
        request.addfinalizer(consumer.stop)
        return consumer

    return start_consumer


class Clock:
    """The clock of this process, which a test may put forward."""

    def __init__(self):
        self._wall = clock.wall
        self._ahead = 0.0

    def wall(self):
        return self._wall() + self._ahead

    def advance(self, seconds):
        self._ahead += seconds


@pytest.fixture
def present(monkeypatch):
    """The clock, to be put forward."""
    present = Clock()
    monkeypatch.setattr(clock, "wall", present.wall)
    return present


@pytest.fixture
def sent(huey):
    """The signals that were sent, as (name, task, ...), in order."""
    found = []

    @huey.signal()
    def note(*args):
        found.append(args)

    return found
