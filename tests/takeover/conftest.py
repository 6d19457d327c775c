# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sides import RELEASES, MakeQueue, Queue, python_of

from huey_green.testing.redis import PrivateRedis


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each release of huey in turn."""
    python_of(request.param)
    return str(request.param)


@pytest.fixture
def make_queue(release: str, redis_server: PrivateRedis, tmp_path: Path) -> Iterator[MakeQueue]:
    """Makes a queue of a kind, for both sides; it is gone after the test."""
    made: list[Queue] = []

    def make(kind: str = "RedisHuey") -> Queue:
        made.append(Queue(redis_server.url, kind, release, tmp_path / "consumers.log"))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def queue(make_queue: MakeQueue) -> Queue:
    """A queue in a LIST, results in a HASH."""
    return make_queue()
