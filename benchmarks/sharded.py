# SPDX-License-Identifier: MIT
"""The application of the workload ``shards``, at the servers that the environment names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from huey_green import RedisHuey

#: Where the servers are, with blanks between them.
URLS = "BENCHMARK_URLS"

NAME = "sharded"


def build(urls: Sequence[str]) -> tuple[RedisHuey, Any]:
    """Return a Huey with a shard on each server, and its task; on one server without shards."""
    where: dict[str, Any] = {"urls": list(urls)} if len(urls) > 1 else {"url": urls[0]}
    huey = RedisHuey(NAME, **where)

    @huey.task()
    def noop() -> int:
        return 1

    return huey, noop


if URLS in os.environ:
    huey, noop = build(os.environ[URLS].split())
