# SPDX-License-Identifier: MIT
import fcntl
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from zlib import crc32

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


@pytest.fixture(scope="session")
def alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], AbstractContextManager[Path]]:
    """Returns ``alone(name)``: of all processes that run these tests one at a time is inside of it,
    and gets the folder that they share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    @contextmanager
    def inside(name: str) -> Iterator[Path]:
        with folder.joinpath(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder

    return inside


#: Where a test starts processes for each kind of storage, all of which the suite of contracts has
#: seen do the same.
_STARTING_PROCESSES = ("tests/process/", "tests/consumer/")
_REDIS_KINDS, _OTHER_KINDS = ("list", "zset"), ("memory", "sqlite", "file")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-kinds",
        action="store_true",
        help="run tests that start processes on all kinds of storage; else on one in Redis and "
        "one of the others, each test on its own two",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all-kinds"):
        return
    of_test: dict[str, dict[pytest.Item, str]] = defaultdict(dict)
    for item in items:
        if item.nodeid.startswith(_STARTING_PROCESSES) and (kind := _kind_of(item)):
            of_test[item.nodeid.partition("[")[0]][item] = kind
    left_out = set()
    for test, kinds in of_test.items():
        chosen = _chosen(test, set(kinds.values()))
        left_out |= {item for item, kind in kinds.items() if kind not in chosen}
    if left_out and len(left_out) < len(items):  # Of one test alone all is run.
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _kind_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    given = [] if callspec is None else [callspec.params.get(name) for name in ("kind", "app")]
    return next((one for one in given if one in (*_REDIS_KINDS, *_OTHER_KINDS)), None)


def _chosen(test: str, kinds: set[str]) -> set[str]:
    """Return the kinds on which a test is run, always the same ones."""
    number = crc32(test.encode())
    groups = [[kind for kind in group if kind in kinds] for group in (_REDIS_KINDS, _OTHER_KINDS)]
    return {group[number % len(group)] for group in groups if group}
