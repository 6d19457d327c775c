# SPDX-License-Identifier: MIT
"""A server that wants another password than ours is away, whatever it answers."""

from __future__ import annotations

import pytest

from huey_green import RedisHuey, StorageUnavailable
from huey_green.testing.redis import PrivateRedis


def test_whatever_is_sent_without_the_new_password_is_refused_for_now() -> None:
    with PrivateRedis() as server:
        huey = RedisHuey("password", url=server.url)

        @huey.task()
        def add(a: int, b: int = 0) -> int:
            return a + b

        add(1)
        ask = huey.storage.link.execute
        ask("CONFIG", "SET", "requirepass", "changed")
        informed = RedisHuey("password", url=server.url.replace("://", "://:changed@"))
        for _ in range(3):
            informed.storage.link.execute("CLIENT", "KILL", "TYPE", "normal")
            with pytest.raises(StorageUnavailable, match="Redis at"):
                add(1)
            # One command of many parts: the server does not even read that.
            with pytest.raises(StorageUnavailable, match="Redis at"):
                add.map(range(100))
        assert len(informed) == 1
        informed.storage.link.execute("CONFIG", "SET", "requirepass", "")
        huey.storage.link.close()
        add.map(range(100))
        assert len(informed) == 101
        for one in (huey, informed):
            one.storage.close()
