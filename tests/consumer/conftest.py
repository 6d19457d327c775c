# SPDX-License-Identifier: MIT
from __future__ import annotations

from uuid import uuid4

import pytest

from huey_green.testing.redis import PrivateRedis


@pytest.fixture
def url(redis_server: PrivateRedis) -> str:
    """Where a Redis listens."""
    return redis_server.url


@pytest.fixture
def name() -> str:
    """A name for a queue that nobody else has."""
    return f"test{uuid4().hex}"
