# SPDX-License-Identifier: MIT
"""Mistakes in the settings of a connection to Redis are told when the Huey is made."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.sentinel

from huey_green import ConfigurationError, FileHuey, RedisHuey, __version__
from huey_green.storage.redis.params import pool_of, where

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"url": 5}, "url: expected a string"),
        ({"url": "http://localhost"}, "url: expected one that begins with redis://, rediss://"),
        ({"url": "redis://localhost?sockettimeout=1"}, "did you mean socket_timeout?"),
        ({"url": f"redis://:{SECRET}@localhost:abc/0"}, "Port could not be cast"),
        ({"url": "redis://one:6379", "host": "two"}, "url and host= say two different things"),
        ({"url": f"redis://:{SECRET}@one", "password": "other"}, "url and password= say two"),
        ({"connection_pool": 5}, "expected a redis.ConnectionPool, not int"),
        ({"connection_pool": redis.Redis()}, "pass its .connection_pool"),
        ({"connection_pool": redis.ConnectionPool(), "host": "a"}, "host= beside connection_pool"),
        ({"connection_pool": redis.ConnectionPool(), "url": "redis://a"}, "not both"),
        ({"hots": "localhost", "password": SECRET}, "did you mean host?"),
        ({"colour": "green"}, "see redis.Redis for what there is"),
        ({"port": "abc"}, "invalid literal"),
    ],
)
def test_a_wrong_setting_is_told_without_a_secret(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        RedisHuey("settings", **settings)
    assert text in str(raised.value)
    assert SECRET not in str(raised.value)


def test_what_url_and_keywords_both_say_alike_is_accepted() -> None:
    huey = RedisHuey("settings", url="redis://localhost:6380", port=6380, db=3)
    assert "localhost:6380/3" in huey.storage.describe()


def test_a_pool_of_sentinels_is_named_by_its_service() -> None:
    sentinel = redis.sentinel.Sentinel([("localhost", 1)])
    pool = redis.sentinel.SentinelConnectionPool("shop", sentinel, db=2)
    assert where(pool_of(None, pool, {})) == "Sentinel's shop/2"


def test_a_file_is_no_folder(tmp_path: Any) -> None:
    file = tmp_path / "queue"
    file.write_text("")
    with pytest.raises(ConfigurationError, match="expected a folder, and that is a file"):
        FileHuey("settings", path=file)


def test_a_server_is_told_who_connects_and_the_disk_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drivers = pytest.importorskip("redis.driver_info", reason="an older redis-py tells its own")
    monkeypatch.setattr("redis.utils.get_lib_version", pytest.fail)
    for settings in ({}, {"url": "redis://localhost"}, {"cluster": ["localhost:1"]}):
        connection = RedisHuey("settings", **settings).storage.link.new_connection()
        assert connection.driver_info.formatted_name == f"redis-py(huey_green_v{__version__})"
        assert connection.driver_info.lib_version == redis.__version__
    own = drivers.DriverInfo("mine", "1")
    connection = RedisHuey("settings", driver_info=own).storage.link.new_connection()
    assert connection.driver_info.formatted_name == "mine"
