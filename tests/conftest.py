# SPDX-License-Identifier: MIT
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "huey_green.testing.concurrency",
    "huey_green.testing.documented",
    "huey_green.testing.effects",
    "huey_green.testing.growth",
    "huey_green.testing.leases",
    "huey_green.testing.limits",
    "huey_green.testing.reports",
    "huey_green.testing.verbs",
)

from huey_green.testing.redis import PrivateRedis  # noqa: E402  (after the rewriting is set up)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    """A private Redis, started when the first test asks for it."""
    with PrivateRedis(download=True) as server:
        yield server
