# SPDX-License-Identifier: MIT
"""HUEY_CONFIG, without a Django around it. (002, Django API, Configuration.)"""

from __future__ import annotations

from old import (
    DictStore,
    ListQueue,
    RedisDataStore,
    RedisQueue,
    SqliteDataStore,
    work_off,
)

from huey_green.compat.huey_config import invoker_of, is_of_own_parts

REDIS = "huey.backends.redis_backend"


def nothing(path):
    raise AssertionError(f"{path} is imported")


def test_paths_of_huey_are_ours_with_name_and_connection(server, tmp_path):
    """002: QUEUE, QUEUE_NAME, QUEUE_CONNECTION, RESULT_STORE_CONNECTION, TASK_STORE"""
    config = {
        "QUEUE": f"{REDIS}.RedisQueue",
        "QUEUE_NAME": "beans",
        "QUEUE_CONNECTION": server,
        "RESULT_STORE": "huey.backends.sqlite_backend.SqliteDataStore",
        "RESULT_STORE_CONNECTION": {"location": str(tmp_path / "results.db")},
        "TASK_STORE": f"{REDIS}.RedisDataStore",
        "TASK_STORE_CONNECTION": server,
        "THREADS": 4,
    }
    assert is_of_own_parts(config)
    invoker = invoker_of(config, "database", nothing)
    kinds = (type(invoker.queue), type(invoker.result_store), type(invoker.task_store))
    assert kinds == (RedisQueue, SqliteDataStore, RedisDataStore)
    assert (invoker.queue.name, invoker.task_store.name) == ("beans", "database")
    assert not invoker.immediate


def test_instances_and_paths_of_ones_own_are_used():
    """002: "string or Queue instance", ALWAYS_EAGER"""
    store = DictStore()
    config = {"QUEUE": "shop.queues.ListQueue", "RESULT_STORE": store}
    invoker = invoker_of(config, "database", {"shop.queues.ListQueue": ListQueue}.__getitem__)
    res = invoker.task()(doubled)(2)
    assert work_off(invoker) == 1
    assert res.get() == 4
    assert invoker.name == "database"
    assert invoker_of({**config, "QUEUE": ListQueue(), "ALWAYS_EAGER": True}, "", nothing).immediate


def doubled(number):
    return 2 * number


def test_settings_of_one_place_are_those_of_one_storage():
    """002: "Example configuration\""""
    config = {"QUEUE": f"{REDIS}.RedisQueue", "QUEUE_CONNECTION": {"port": 1}, "THREADS": 4}
    assert not is_of_own_parts(config)
    assert not is_of_own_parts({})
    assert not is_of_own_parts({**config, "RESULT_STORE": f"{REDIS}.RedisDataStore"})
    assert is_of_own_parts({**config, "RESULT_STORE_CONNECTION": {"port": 2}})
    assert is_of_own_parts({**config, "QUEUE": ListQueue()})
