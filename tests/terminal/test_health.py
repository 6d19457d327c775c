# SPDX-License-Identifier: MIT
"""``huey_green check`` and ``huey_green health``."""

from __future__ import annotations

import json
import re
import socket
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from huey_green import RedisHuey, clock
from huey_green.report import encode_report
from huey_green.testing.redis import PrivateRedis

LONG = 1000.0
MEMORY = "from huey_green import MemoryHuey\nhuey = MemoryHuey('memory')\n"
IMMEDIATE = "from huey_green import MemoryHuey\nhuey = MemoryHuey(immediate=True)\n"
AWAY = "from huey_green import RedisHuey\nhuey = RedisHuey(port=1)\n"


def consume(huey, host="web1", pid=4711, lag=0.0004, tasks=()):
    """Be a consumer that has told how it is."""
    storage = huey.storage
    name = f"{host}:b:n:{pid}:1:2"
    storage.extend(name, LONG)
    now = storage.time()
    report = encode_report(now, now - 9, 5, len(tasks), 0, lag, tasks)
    storage.put_report(name, report, LONG)


# Health.


def test_a_queue_is_healthy_if_somebody_consumes_it(app):
    said = app.run("health", "APP")
    assert said == (
        *(1, "shop: unhealthy: 0 consumers alive (--min-consumers 1)\n"),
        "",
    )
    assert app.run("health", "APP", "--min-consumers", "0").status == 0
    consume(app.huey)
    assert app.run("health", "APP") == (0, "shop: healthy: 1 consumer alive, 0 tasks waiting\n", "")
    assert app.run("health", "APP", "--min-consumers", "2").status == 1
    consume(app.huey, pid=4712)
    assert app.run("health", "APP", "--min-consumers", "2").status == 0


def test_who_says_nothing_or_whose_lease_has_ended_is_not_alive(app):
    app.huey.storage.extend("web1:b:n:1:1:2", LONG)
    consume(app.huey, pid=2)
    app.huey.storage.extend("web1:b:n:2:1:2", -1.0)
    said = app.run("health", "APP")
    assert said.status == 1
    assert "0 consumers alive, 1 with nothing said for 30 s" in said.out


def test_only_consumers_of_this_host_count_if_one_wants(app):
    consume(app.huey, host="elsewhere")
    assert app.run("health", "APP").status == 0
    assert app.run("health", "APP", "--here").status == 1
    consume(app.huey, host=socket.gethostname())
    said = app.run("health", "APP", "--here")
    assert said.out == "shop: healthy: 1 consumer alive here, 0 tasks waiting\n"


def test_limits_are_held(app):
    huey = app.huey
    for n in range(4):
        app.module.add(n, n)
    consume(huey, lag=2.5, tasks=[("the-id", "app.sleep", 100.0, 1)])
    late = clock.as_eta(datetime.now() - timedelta(seconds=50), None, huey.utc)
    huey.add_schedule(app.module.add.s(1, 2, eta=late))
    for words in (
        ("--max-waiting", "4"),
        ("--max-age", "10m"),
        ("--max-late", "10m"),
        ("--max-lag", "3"),
    ):
        assert app.run("health", "APP", *words).status == 0, words
    for words, trouble in (
        (("--max-waiting", "3"), "4 tasks waiting (--max-waiting 3)"),
        (("--max-age", "99s"), "app.sleep the-id runs for 1 min 4"),
        (("--max-late", "49s"), "is on the schedule 5"),
        (("--max-lag", "2s"), "the event loop of process 4711 on web1 takes 2.5 s"),
    ):
        said = app.run("health", "APP", *words)
        assert (said.status, said.err) == (1, ""), words
        assert trouble in said.out
        assert len(said.lines) == 1


def test_each_of_several_queues_has_to_be_healthy(app, make_app):
    other = make_app(MEMORY)
    consume(app.huey)
    said = app.run("health", "APP", other.path, "--json")
    shop, memory = map(json.loads, said.lines)
    assert said.status == 1
    assert (shop["name"], shop["healthy"], shop["troubles"]) == ("shop", True, [])
    assert (memory["name"], memory["healthy"]) == ("memory", False)


@pytest.mark.parametrize(
    ("source", "trouble"),
    [
        (AWAY, "does not answer"),
        ("import nowhere\n", "importing terminal_app"),
        ("x = 1\n", "has no attribute 'huey'"),
    ],
)
def test_whatever_is_wrong_is_status_1_and_one_line(make_app, source, trouble):
    said = make_app(source).run("health", "APP")
    assert (said.status, said.err) == (1, "")
    assert "unhealthy" in said.out
    assert trouble in said.out
    assert len(said.lines) == 1


def test_a_wrong_option_is_a_mistake(app):
    assert app.run("health", "APP", "--max-waiting", "many").status == 2


# Check.


def levels(said):
    """Return what a check found: subject to level and text."""
    found = [json.loads(line) for line in said.lines]
    return {one["subject"]: (one["level"], one["text"]) for one in found}


def test_an_application_that_can_be_consumed_is_told_so(app):
    app.module.add(1, 2)
    said = app.run("check", "APP")
    assert (said.status, said.err) == (0, "")
    assert [line.split()[:2] for line in said.lines[1:4]] == [
        ["ok", "tasks"],
        ["ok", "python"],
        ["ok", "gevent"],
    ]
    assert "1 task waiting" in said.out
    found = levels(app.run("check", "APP", "--json"))
    assert found["tasks"] == ("ok", "3 tasks, 2 periodic")
    assert {level for level, _ in found.values()} == {"ok"}
    assert len(app.huey) == 1


@pytest.mark.parametrize(
    ("source", "subject", "level", "text"),
    [
        (MEMORY, "storage", "error", "seen by its own process alone"),
        (MEMORY, "tasks", "warning", "none: are the modules"),
        (IMMEDIATE, "immediate", "error", "a consumer refuses it"),
        (AWAY, "storage", "error", "does not answer"),
    ],
)
def test_what_keeps_an_application_from_being_consumed_is_found(
    make_app, source, subject, level, text
):
    app = make_app(source)
    said = app.run("check", "APP", "--json")
    found = [json.loads(line) for line in said.lines]
    texts = [one["text"] for one in found if (one["subject"], one["level"]) == (subject, level)]
    assert any(text in one for one in texts)
    assert said.status == 1
    assert app.run("check", "APP").status == 1


def test_messages_of_tasks_that_are_not_declared_are_found(app):
    app.module.add(1, 2)
    app.huey.storage.enqueue(b"unreadable")
    app.huey.registry.unregister(app.module.add.task_class)
    said = app.run("check", "APP", "--json")
    level, text = levels(said)["messages"]
    assert level == "warning"
    assert text.startswith("2 of the next 2 would become dead letters")
    assert said.status == 0
    assert app.run("check", "APP", "--strict").status == 1


@pytest.fixture(scope="module")
def server():
    with PrivateRedis(download=True) as server:
        yield server


@pytest.fixture
def examined(server):
    """What a Redis storage says of its server, and the storage to change that."""
    huey = RedisHuey("examined", url=server.url)

    def examine():
        return {one.subject: one for one in huey.storage.examine()}

    yield examine, huey.storage
    huey.storage.link.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
    huey.storage.link.execute("CONFIG", "SET", "maxmemory", "0")
    huey.flush()
    huey.storage.close()


def test_a_server_is_examined(examined):
    examine, storage = examined
    found = examine()
    assert {subject: one.level for subject, one in found.items()} == {
        "version": "ok",
        "eviction": "ok",
        "persistence": "warning",
        "clock": "ok",
        "permissions": "ok",
    }
    assert storage.link.execute("KEYS", "*") == []


@pytest.mark.parametrize(
    ("policy", "maxmemory", "level"),
    [
        ("allkeys-lru", "0", "warning"),
        ("allkeys-lru", "100mb", "error"),
        ("volatile-lru", "100mb", "warning"),
        ("noeviction", "100mb", "ok"),
    ],
)
def test_a_server_that_deletes_tasks_when_it_is_full_is_found(examined, policy, maxmemory, level):
    examine, storage = examined
    storage.link.execute("CONFIG", "SET", "maxmemory", maxmemory)
    storage.link.execute("CONFIG", "SET", "maxmemory-policy", policy)
    assert examine()["eviction"].level == level
    assert policy in examine()["eviction"].text


def test_a_clock_that_is_wrong_is_found(examined, monkeypatch):
    examine, storage = examined
    for shift, text in ((-30.0, "30.0 s ahead of"), (30.0, "30.0 s behind")):
        monkeypatch.setattr(clock, "wall", lambda shift=shift: storage.time() + shift)
        found = examine()["clock"]
        assert found.level == "warning"
        assert found.text.startswith(text)


def test_what_a_user_may_not_do_is_found(examined, server):
    _, storage = examined
    rights = ("~*", "&*", "+@all", "-info", "-evalsha", "-eval")
    storage.link.execute("ACL", "SETUSER", "poor", "on", ">secret", *rights)
    huey = RedisHuey("examined", url=server.url, username="poor", password="secret")
    found = {one.subject: one for one in huey.storage.examine()}
    huey.storage.close()
    storage.link.execute("ACL", "DELUSER", "poor")
    assert found["server"].level == "warning"
    assert found["permissions"].level == "error"
    assert "secret" not in found["permissions"].text
    assert "no permissions" in found["permissions"].text


def test_the_documented_consumer_may_look_and_listen(server):
    """Its ACL is that of docs/security.md, and for events what docs/guide/events.md adds."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text()
    words = re.findall(r"^ACL SETUSER consumer .+$", text, re.MULTILINE)[0].split()
    password = next(word[1:] for word in words if word.startswith(">"))
    admin = RedisHuey("admin", url=server.url).storage
    admin.link.execute(*words, "&huey.events.shop")
    url = server.url.replace("redis://", f"redis://consumer:{password}@")
    huey = RedisHuey("shop", url=url, events=True)
    try:
        consume(huey)
        with huey.events(timeout=30) as stream:
            huey.emitter.emit('{"status": "mine"}')
            assert next(stream) == {"status": "mine"}
        assert [one.workers for one in huey.consumers()] == [5]
        assert huey.running() == []
        assert huey.counts().waiting == 0
        huey.storage.forget_report(huey.consumers()[0].name)
        found = {one.subject: one.level for one in huey.storage.examine()}
        assert found == {"server": "warning", "clock": "ok", "permissions": "ok"}
    finally:
        huey.emitter.close()
        huey.flush()
        huey.storage.close()
        admin.link.execute("ACL", "DELUSER", "consumer")
        admin.close()
