# SPDX-License-Identifier: MIT
"""huey's import paths lead to our names, one object under each name, and cost nothing early."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import huey_green

ROOT = Path(huey_green.__file__).parents[1]

#: What huey 3.5.4 has under each path and an application imports from there.
PATHS = {
    "huey_green": """
        BlackHoleHuey CancelExecution Error FileHuey Huey MemoryHuey PriorityRedisExpireHuey
        PriorityRedisHuey RedisExpireHuey RedisHuey RetryTask SKIPPED SqliteHuey chord crontab
        group signals
    """,
    "huey_green.api": """
        BlackHoleHuey ChordResult FileHuey Huey MemoryHuey PeriodicTask PriorityRedisExpireHuey
        PriorityRedisHuey RateLimit RedisExpireHuey RedisHuey Result ResultGroup SqliteHuey Task
        TaskLock TaskWrapper chord crontab group
    """,
    "huey_green.storage": """
        BaseStorage BlackHoleStorage FileStorage MemoryStorage PriorityRedisExpireStorage
        PriorityRedisStorage RedisExpireStorage RedisStorage SqliteStorage
    """,
    "huey_green.exceptions": """
        CancelExecution ConfigurationError HueyException RateLimitExceeded ResultTimeout RetryTask
        TaskException TaskLockedException TaskTimeout
    """,
    "huey_green.signals": """
        SIGNAL_CANCELED SIGNAL_COMPLETE SIGNAL_ENQUEUED SIGNAL_ERROR SIGNAL_EXECUTING
        SIGNAL_EXPIRED SIGNAL_INTERRUPTED SIGNAL_LOCKED SIGNAL_RATE_LIMITED SIGNAL_RETRYING
        SIGNAL_REVOKED SIGNAL_SCHEDULED SIGNAL_TIMEOUT
    """,
    "huey_green.serializer": "JSONSerializer Serializer SignedSerializer",
    "huey_green.consumer": "Consumer",
    "huey_green.registry": "Message Registry",
    "huey_green.utils": """
        Error SKIPPED aware_to_utc encode is_naive load_class local_to_utc make_naive
        normalize_expire_time normalize_time
    """,
    "huey_green.constants": """
        EmptyData WORKER_GREENLET WORKER_PROCESS WORKER_THREAD WORKER_TYPES
    """,
    "huey_green.contrib.helpers": "RedisSemaphore lock_task_semaphore",
    "huey_green.contrib.asyncio": "aget_result aget_result_group",
    "huey_green.contrib.mini": "MiniHuey MiniHueyResult crontab",
}

NAMES = [(path, name) for path, names in PATHS.items() for name in names.split()]


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_a_name_of_huey_is_where_huey_has_it(path, name):
    assert getattr(import_module(path), name) is not None


@pytest.mark.parametrize("path", PATHS)
def test_a_star_import_brings_what_is_there(path):
    found = {}
    exec(f"from {path} import *", found)
    assert set(PATHS[path].split()) - set(found) <= {"Message", "signals"}


def test_one_name_is_one_object_wherever_it_is_imported_from():
    found = {}
    for path, name in NAMES:
        found.setdefault(name, []).append(getattr(import_module(path), name))
    for name, objects in found.items():
        assert all(one is objects[0] for one in objects), name


@pytest.mark.parametrize("path", ["huey_green.api", "huey_green.consumer"])
def test_a_name_that_is_not_there_is_missed_as_in_any_module(path):
    with pytest.raises(AttributeError, match=rf"module '{path}' has no attribute 'Nonsense'"):
        _ = import_module(path).Nonsense
    with pytest.raises(ImportError):
        exec(f"from {path} import Nonsense")


@pytest.mark.parametrize("path", ["huey_green.api", "huey_green.consumer"])
def test_dir_shows_what_can_be_imported(path):
    assert set(PATHS[path].split()) <= set(dir(import_module(path)))


@pytest.mark.parametrize(
    "path",
    [
        "api",
        "consumer",
        "constants",
        "utils",
        "serializer",
        "contrib",
        "contrib.helpers",
    ],
)
def test_a_path_alone_brings_neither_gevent_nor_a_driver(path):
    code = f"import sys, huey_green.{path}; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    heavy = {"gevent", "greenlet", "redis", "hiredis", "sqlite3", "asyncio"}
    assert not heavy & set(done.stdout.split())


def test_an_application_of_huey_is_imported_with_one_word_changed():
    from huey_green.api import Huey, Task, crontab
    from huey_green.consumer import Consumer
    from huey_green.exceptions import CancelExecution
    from huey_green.serializer import Serializer
    from huey_green.storage import MemoryStorage

    class OwnSerializer(Serializer):
        """As in the documents."""

    huey = Huey("app", storage_class=MemoryStorage, serializer=OwnSerializer())

    @huey.task()
    def add(a, b):
        return a + b

    @huey.periodic_task(crontab(minute="*/5"))
    def tick():
        """Never due here."""

    @huey.pre_execute()
    def refuse(task):
        if task.args == (0, 0):
            raise CancelExecution

    consumer = Consumer(huey, workers=2, initial_delay=0.001, max_delay=0.001)
    consumer.start()
    try:
        assert add(1, 2).get(blocking=True, timeout=30) == 3
    finally:
        consumer.stop(graceful=True)
    assert isinstance(add.s(1, 2), Task)
