# SPDX-License-Identifier: MIT
"""Many at once: what all of them were told fits together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import histories
import pytest
from histories import LOCAL, Permits, judge, make_history, work_under_a_limit
from worlds import REDIS_KINDS

from huey_green.message import Outgoing
from huey_green.testing.concurrency import together
from huey_green.testing.redis import PrivateRedis

KINDS = [*LOCAL, "list", "zset"]


@pytest.fixture(params=KINDS)
def handles(request: pytest.FixtureRequest, redis_server: PrivateRedis) -> Iterator[Any]:
    """A function that makes handles on one storage."""
    made: list[Any] = []
    name = uuid4().hex
    world = LOCAL[request.param]() if request.param in LOCAL else None

    def make() -> Any:
        if world is not None:
            handle = world.handle()
        else:
            handle = REDIS_KINDS[request.param](name, url=redis_server.url)
        made.append(handle)
        return handle

    yield make
    made[0].flush_all()
    for handle in made:
        handle.close()
    if world is not None:
        world.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_each_message_is_accounted_for_once_whatever_threads_do_at_once(
    handles: Any, seed: int
) -> None:
    workers = make_history(handles, seed)
    judge(workers, handles())


@pytest.mark.parametrize("kind", KINDS)
def test_each_message_is_accounted_for_once_whatever_greenlets_do_at_once(
    redis_server: PrivateRedis, kind: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", histories.__file__, kind, "3", redis_server.url],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_more_permits_are_held_at_once_than_the_limit_and_none_is_left_behind(
    handles: Any,
) -> None:
    limit, total = 2, 60
    first = handles()
    first.enqueue_many([Outgoing(b"again" if at % 2 else b"once") for at in range(total)])
    permits = Permits()
    crowd = [(handles(), f"worker-{number}") for number in range(4)]
    ran = together(
        *(
            lambda one=one: work_under_a_limit(one[0], one[1], permits, limit, total)
            for one in crowd
        )
    )
    assert sum(ran) == total
    assert 0 < permits.most <= limit
    assert first.parked_items() == first.in_flight() == []
    first.enqueue(b"last")
    [delivery] = first.fetch("last", 1)
    assert first.admit("last", delivery, "limited", 1), "a permit leaked"
