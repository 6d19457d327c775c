# SPDX-License-Identifier: MIT
"""User and password are in no log, error, repr, dead letter or process title, whatever fails."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from commands import Command

from huey_green import (
    ConfigurationError,
    MemoryHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    TaskException,
)
from huey_green.exceptions import StorageUnavailable
from huey_green.storage.redis import RedisStorage
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

USER, PASSWORD = "ursula", "hunter2/?#@%:hunter3"

#: What may be nowhere: the user, and parts of the password on both sides of what ends it too soon.
SECRETS = (USER, "hunter2", "hunter3")

APPLICATION = """
import os

from huey_green import RedisHuey

huey = RedisHuey(os.environ["NAME"], url=os.environ["URL"])


@huey.task()
def forbidden():
    huey.storage.link.execute("FLUSHALL")


@huey.task()
def add(a, b):
    return a + b
"""


def quoted(host: str) -> str:
    return f"redis://{USER}:{quote(PASSWORD, safe='')}@{host}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def shows_none(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == [], text


def told(error: BaseException) -> str:
    """Return all that Python prints of an error, but the lines of this file."""
    whole = "".join(traceback.format_exception(error))
    return "\n".join(line for line in whole.splitlines() if not line.startswith("    "))


@pytest.fixture(scope="module")
def guarded(redis_server: PrivateRedis) -> Iterator[PrivateRedis]:
    """A Redis that lets our user do what tasks need, and no more."""
    with PrivateRedis(download=True) as server:
        storage = RedisStorage(url=server.url)
        storage.link.execute("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        storage.link.execute("ACL", "SETUSER", USER, "-flushall")
        storage.link.execute("ACL", "SETUSER", "default", "resetpass", ">the tests own", "on")
        storage.close()
        yield server


@pytest.fixture
def host(guarded: PrivateRedis) -> str:
    return f"127.0.0.1:{guarded.port}/0"


def settings_of(host: str, password: str = PASSWORD):
    """Return each way of saying where the server is and who we are."""
    address, _, db = host.partition("/")
    name, _, port = address.partition(":")
    who = {"username": USER, "password": password}
    where = {"host": name, "port": int(port), "db": int(db)}
    url = f"redis://{USER}:{quote(password, safe='')}@{host}"
    return [
        {"url": url},
        {"url": f"redis://{host}", **who},
        {"url": f"redis://{host}?username={USER}&password={quote(password, safe='')}"},
        {**where, **who},
        {"connection_pool": redis.ConnectionPool(**where, **who)},
        {"connection_pool": redis.BlockingConnectionPool.from_url(url)},
    ]


@pytest.mark.parametrize("kind", [RedisHuey, PriorityRedisHuey, RedisExpireHuey])
def test_no_object_shows_who_we_are(kind, host, name):
    for settings in settings_of(host):
        huey = kind(name, **settings)
        assert huey.put("key", "value")
        result = huey.task(name="any")(print)()
        for shown in (huey, huey.storage, huey.storage.link, huey.storage.wakeup, result):
            shows_none(repr(shown) + str(shown))
        shows_none(huey.storage.describe())
        huey.flush()
        huey.storage.close()


def test_a_wrong_password_is_told_without_it(host, name):
    for settings in settings_of(host, "hunter2 is wrong"):
        huey = RedisHuey(name, **settings)
        with pytest.raises(StorageUnavailable, match="refuses") as refused:
            huey.put("key", "value")
        shows_none(told(refused.value))


def test_a_server_that_is_not_there_is_told_without_the_password(name):
    for settings in settings_of(f"127.0.0.1:{free_port()}/0"):
        huey = RedisHuey(name, **settings)
        with pytest.raises(StorageUnavailable, match="does not answer") as refused:
            huey.put("key", "value")
        shows_none(told(refused.value))


def test_what_a_user_may_not_do_is_told_without_the_user(host, name):
    huey = RedisHuey(name, url=quoted(host))
    with pytest.raises(StorageUnavailable, match="has no permissions") as refused:
        huey.storage.link.execute("FLUSHALL")
    shows_none(told(refused.value))
    huey.storage.close()


@pytest.mark.parametrize(
    "url",
    [
        f"redis://{USER}:{PASSWORD}@localhost:6379/0",
        f"redis://:{PASSWORD}@localhost",
        f"redis://{USER}:hunter2/hunter3@localhost:6379/0",
        f"redis://{USER}:hunter2?hunter3@localhost:6379/0",
        f"redis://{USER}:hunter2#hunter3@localhost:6379/0",
        f"redis://{USER}:hunter2@localhost:hunter3",
        f"redis://{USER}:hunter2@localhost:99999",
        f"redis://{USER}:hunter2@[localhost/0",
        f"redis://{USER}:hunter2\u2100@localhost/0",
        f"redis://{USER}:hunter2@localhost/0?socket_timeout=hunter3",
        f"redis://{USER}:hunter2@localhost/0?db=hunter3",
        f"redis:///{USER}:hunter2@localhost/0",
        f"http://{USER}:hunter2@localhost/0",
        f"{USER}:hunter2@localhost/0",
        f"//{USER}:hunter2@localhost",
        f"redis:/{USER}:hunter2@localhost",
    ],
)
def test_a_url_that_is_wrong_is_told_without_what_is_in_it(url, name):
    with pytest.raises(ConfigurationError, match=r"^url: ") as mistake:
        RedisHuey(name, url=url)
    shows_none(told(mistake.value))


@pytest.mark.parametrize(
    "settings",
    [
        {"pasword": PASSWORD},
        {"password": PASSWORD, "hots": "localhost"},
        {"password": PASSWORD, "port": "abc"},
        {"url": quoted("localhost"), "password": "another hunter2"},
        {"url": quoted("localhost"), "host": "elsewhere"},
        {"url": f"{quoted('localhost')}/0?pasword=hunter2"},
        {"url": quoted("localhost"), "connection_pool": redis.ConnectionPool()},
        {"connection_pool": redis.Redis(username=USER, password=PASSWORD)},
        {"connection_pool": quoted("localhost")},
        {"url": quoted("localhost").encode()},
        {"url": [quoted("localhost")]},
    ],
)
def test_settings_that_are_wrong_are_told_without_their_values(settings, name):
    with pytest.raises(ConfigurationError) as mistake:
        RedisHuey(name, **settings)
    shows_none(told(mistake.value))


def test_a_password_with_every_special_character_works_when_it_is_quoted(host, name):
    huey = RedisHuey(name, url=quoted(host))
    assert huey.put("key", "value")
    assert huey.get("key") == "value"
    huey.storage.close()


@pytest.fixture
def command(tmp_path, name, request):
    """A function that starts the command over a URL; it ends with the test."""

    def start(url: str, application: str = APPLICATION) -> Command:
        started = Command(tmp_path, application, "-v", NAME=name, URL=url)
        request.addfinalizer(started.kill)
        return started

    return start


def test_a_consumer_says_nothing_of_it_when_it_cannot_start(command, host):
    for url, status in [
        (f"redis://{USER}:hunter2@{host}", 1),
        (quoted(f"127.0.0.1:{free_port()}/0"), 1),
        (quoted("hunter.invalid"), 1),
        (f"redis://{USER}:{PASSWORD}@{host}", 2),
        (f"redis://{USER}:hunter2@localhost:hunter3/0", 2),
    ]:
        consumer = command(url)
        assert consumer.ends() == status, consumer.said
        assert "Redis at" in consumer.said or "url: " in consumer.said
        shows_none(consumer.said)


def test_a_consumer_says_nothing_of_it_while_it_works_and_loses_its_rights(
    command, host, guarded, name
):
    huey = RedisHuey(name, url=quoted(host))
    forbidden, add = _tasks_of_the_application(huey)
    consumer = command(quoted(host))
    assert add(1, 2).get(blocking=True, timeout=30) == 3
    with pytest.raises(TaskException) as failed:
        forbidden().get(blocking=True, timeout=30)
    shows_none(str(failed.value) + repr(failed.value.metadata))
    huey.storage.enqueue(b"no message")
    [letter] = eventually(huey.dead_letters, "a dead letter")
    shows_none(repr(letter))
    for part in Path(f"/proc/{consumer.process.pid}").glob("task/*/comm"):
        shows_none(part.read_text())
    shows_none(Path(f"/proc/{consumer.process.pid}/cmdline").read_text())
    admin = RedisStorage(url=guarded.url, password="the tests own")
    admin.link.execute("ACL", "SETUSER", USER, "resetpass", ">another")
    admin.link.execute("CLIENT", "KILL", "USER", USER)
    try:
        consumer.says("refuses")
        shows_none(consumer.said)
    finally:
        admin.link.execute("ACL", "SETUSER", USER, "resetpass", f">{PASSWORD}")
    huey.storage.close()  # Our connections were ended as well.
    assert add(3, 4).get(blocking=True, timeout=30) == 7
    assert consumer.stop() == 0
    shows_none(consumer.said)
    admin.close()
    huey.storage.close()


def _tasks_of_the_application(huey):
    """Return the tasks whose bodies are the application's."""

    def forbidden():
        raise NotImplementedError

    def add(a, b):
        raise NotImplementedError

    forbidden.__module__ = add.__module__ = "app"
    return huey.task()(forbidden), huey.task()(add)


def test_help_and_what_is_logged_in_process_say_nothing_of_it(command, host, name, caplog, consume):
    caplog.set_level(logging.DEBUG)
    huey = RedisHuey(name, url=quoted(host))
    add = huey.task()(lambda a, b: a + b)
    consumer = consume(huey)
    assert add(1, 2).get(blocking=True, timeout=30) == 3
    consumer.stop(graceful=True)
    shows_none(caplog.text)
    shows_none(repr(vars(consumer)))
    huey.storage.close()


def test_a_url_in_the_source_of_an_application_is_not_shown_with_its_mistake(command):
    wrong = f"redis://{USER}:hunter2@localhost:hunter3/0"
    consumer = command(wrong, APPLICATION.replace('os.environ["URL"]', repr(wrong)))
    assert consumer.ends() == 2
    shows_none(consumer.said)


def test_a_serializers_secret_is_in_no_error_and_no_dead_letter(name, consume):
    from huey_green import SignedSerializer

    huey = MemoryHuey(name, serializer=SignedSerializer("hunter2"))
    huey.storage.enqueue(SignedSerializer("hunter3").bound_to(name).serialize(1))
    consume(huey)
    [letter] = eventually(huey.dead_letters, "a dead letter")
    shows_none(repr(letter) + repr(huey.serializer) + repr(vars(huey.serializer)))
