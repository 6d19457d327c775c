# SPDX-License-Identifier: MIT
"""Everything over TLS, with a real server: what works, and who is refused."""

from __future__ import annotations

import pytest
import redis
from commands import Command

from huey_green import ConfigurationError, PriorityRedisHuey, RedisHuey, group
from huey_green.exceptions import StorageUnavailable

APPLICATION = """
import os

from huey_green import RedisHuey

huey = RedisHuey(os.environ["NAME"], url=os.environ["URL"], ssl_ca_certs=os.environ["AUTHORITY"])


@huey.task()
def add(a, b):
    return a + b
"""


def the_applications_add(a, b):
    raise NotImplementedError("it runs in the consumer, whose application has the same")


the_applications_add.__module__, the_applications_add.__name__ = "app", "add"


@pytest.fixture
def make(name, request):
    """A function that makes a Huey, which is emptied and closed afterwards."""

    def make(kind=RedisHuey, **options):
        huey = kind(name, **options)
        request.addfinalizer(huey.storage.close)
        return huey

    return make


def by_url(server):
    return {"url": server.url, **server.trusting}


def by_keywords(server):
    return {"host": "localhost", "port": server.port, "ssl": True, **server.trusting}


def by_query(server):
    return {"url": f"{server.url}?ssl_ca_certs={server.authority.certificate}"}


def by_pool(server):
    return {"connection_pool": redis.ConnectionPool.from_url(server.url, **server.trusting)}


@pytest.mark.parametrize("kind", [RedisHuey, PriorityRedisHuey])
@pytest.mark.parametrize("settings", [by_url, by_keywords, by_query, by_pool])
def test_tasks_run_and_their_results_are_waited_for(
    kind, settings, make, tls_server, consume, caplog
):
    huey = make(kind, **settings(tls_server))

    @huey.task(retries=1)
    def add(a, b):
        return a + b

    waiting = add(1, 2)
    scheduled = add.schedule((3, 4), delay=0.05)
    several = huey.enqueue(group(add.s(n, n) for n in range(50)))
    consume(huey)
    assert waiting.get(blocking=True, timeout=30) == 3
    assert scheduled.get(blocking=True, timeout=30) == 7
    assert several.get(blocking=True, timeout=30) == [2 * n for n in range(50)]
    assert f"localhost:{tls_server.port}" in huey.storage.describe()
    assert [one.getMessage() for one in caplog.records if one.levelname != "INFO"] == []


def test_the_command_consumes_over_tls_with_gevents_sockets(make, tls_server, tmp_path, name):
    huey = make(**by_url(tls_server))
    add = huey.task()(the_applications_add)
    results = [add(n, n) for n in range(100)]
    consumer = Command(
        tmp_path,
        APPLICATION,
        *("-v", "-w", "20"),
        NAME=name,
        URL=tls_server.url,
        AUTHORITY=tls_server.authority.certificate,
    )
    try:
        values = [result.get(blocking=True, timeout=30) for result in results]
        assert values == [2 * n for n in range(100)]
        assert add(5, 6).get(blocking=True, timeout=30) == 11
        assert consumer.stop() == 0
    finally:
        consumer.kill()
    assert "Traceback" not in consumer.said


def test_a_server_of_another_authority_is_refused_and_the_reason_told(make, tls_server):
    for trusted in ({"ssl_ca_certs": tls_server.other.certificate}, {}):
        huey = make(url=tls_server.url, **trusted)
        with pytest.raises(StorageUnavailable) as refused:
            huey.put("key", "value")
        assert "is not trusted" in str(refused.value)
        assert "ssl_ca_certs" in str(refused.value)


def test_a_consumer_does_not_start_with_a_server_that_it_does_not_trust(tls_server, tmp_path):
    consumer = Command(
        tmp_path,
        APPLICATION,
        NAME="any",
        URL=tls_server.url,
        AUTHORITY=tls_server.other.certificate,
    )
    try:
        assert consumer.ends() == 1
    finally:
        consumer.kill()
    assert "is not trusted" in consumer.said
    assert "Traceback" not in consumer.said


def test_a_certificate_for_another_host_is_refused(make, tls_server):
    theirs, key = tls_server.authority.sign("elsewhere", "DNS:elsewhere.example")
    ours, own_key = tls_server.authority.sign("server")
    tls_server.set(tls_cert_file=theirs, tls_key_file=key)
    try:
        with pytest.raises(StorageUnavailable, match=r"is not trusted: .* for another host"):
            make(**by_url(tls_server)).put("key", "value")
        lenient = make(**by_url(tls_server), ssl_check_hostname=False)
        assert lenient.put("key", "value")
    finally:
        tls_server.set(tls_cert_file=ours, tls_key_file=own_key)
    assert make(**by_url(tls_server)).put("key", "value")


def test_a_server_that_wants_certificates_gets_ours_and_no_others(make, tls_server, consume):
    certificate, key = tls_server.authority.sign("client")
    theirs, their_key = tls_server.other.sign("client")
    tls_server.set(tls_auth_clients="yes")
    try:
        huey = make(**by_url(tls_server), ssl_certfile=certificate, ssl_keyfile=key)
        add = huey.task()(lambda a, b: a + b)
        consume(huey)
        assert add(1, 2).get(blocking=True, timeout=30) == 3
        with pytest.raises(StorageUnavailable):
            make(**by_url(tls_server)).put("key", "value")
        foreign = {"ssl_certfile": theirs, "ssl_keyfile": their_key}
        with pytest.raises(StorageUnavailable):
            make(**by_url(tls_server), **foreign).put("key", "value")
    finally:
        tls_server.set(tls_auth_clients="no")


def test_nothing_is_said_in_the_clear_to_who_expects_tls(make, tls_server):
    with pytest.raises(StorageUnavailable):
        make(host="localhost", port=tls_server.port).put("key", "value")


def test_mistakes_are_told_when_the_huey_is_made(make, tls_server, tmp_path):
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense")
    certificate, _ = tls_server.authority.sign("client")
    _, other_key = tls_server.other.sign("client")
    for settings, told in [
        ({"url": "redis://localhost", **tls_server.trusting}, "would not be encrypted, let the"),
        ({"host": "localhost", **tls_server.trusting}, "would not be encrypted, write ssl=True"),
        ({"url": "redis://localhost", "ssl": True}, "url and ssl= say two different things"),
        ({"url": "rediss://localhost", "ssl": False}, "url and ssl= say two different things"),
        ({"url": "rediss://localhost", "ssl_ca_certs": "/nowhere"}, "there is no file /nowhere"),
        ({"url": "rediss://localhost", "ssl_ca_certs": str(nonsense)}, "no certificates in PEM"),
        ({"url": "rediss://localhost", "ssl_cert_reqs": "maybe"}, "maybe"),
        ({"url": "rediss://localhost", "ssl_keyfile": other_key}, "ssl_keyfile without"),
        (
            {"url": "rediss://h", "ssl_certfile": certificate, "ssl_keyfile": other_key},
            "no certificate in PEM form and its key",
        ),
    ]:
        with pytest.raises(ConfigurationError) as mistake:
            make(**settings)
        assert told in str(mistake.value)


def test_a_key_with_a_password_is_opened_with_it_and_never_asked_for(make, tls_server, tmp_path):
    certificate, key = tls_server.authority.sign("client")
    locked = tls_server.authority.lock(key, "hunter2")
    files = {"ssl_certfile": certificate, "ssl_keyfile": locked}
    for wrong in ("wrong", "", None):
        with pytest.raises(ConfigurationError, match="ssl_password") as mistake:
            make(url=tls_server.url, **files, ssl_password=wrong)
        assert "hunter2" not in str(mistake.value)
    huey = make(**by_url(tls_server), **files, ssl_password="hunter2")
    assert huey.put("key", "value")


def test_a_url_of_a_unix_socket_is_accepted(make):
    assert make(url="unix:///run/redis.sock").storage.describe().startswith("Redis /run/redis.sock")
