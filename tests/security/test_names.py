# SPDX-License-Identifier: MIT
"""Names and keys that others may have chosen lead out of no folder, table or set of keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from huey_green import FileHuey, PriorityRedisExpireHuey, RedisHuey, SqliteHuey
from huey_green.exceptions import HueyException
from huey_green.storage.redis import RedisStorage
from huey_green.task import Task

NAMES = [
    "../outside",
    "../../outside",
    "..",
    ".",
    "a/../../outside",
    "/etc/huey-green-was-here",
    "results/../../outside",
    "outside\0.txt",
    "~/outside",
    "C:\\outside",
    "..\\outside",
    "$HOME",
    "`touch outside`",
    "a\nb",
    "a\r\nFLUSHALL\r\n",
    "'; DROP TABLE green_message; --",
    "%s %d {0} {name}",
    "x" * 300,
    "x" * 100_000,
    "\udc80\udcff",
    "naïve\N{SNOWMAN}",
    "*",
    "huey.redis.neighbour",
    "{tag}",
    "journal",
    "lock",
    ".ttl",
    "r:",
]


def ascii_of(value: object) -> str | None:
    return ascii(value)[:40] if isinstance(value, str) else None


def uses(huey, key):
    """Use a name for everything that takes one."""
    huey.put(key, "value")
    assert huey.get(key, peek=True) == "value"
    assert huey.get(key) == "value"
    huey.delete(key)  # Where results expire it is still there.
    assert huey.put_if_empty(key, "value", ttl=100)
    assert huey.delete(key)
    with huey.lock_task(key):
        assert huey.is_locked(key)
    huey.storage.incr(key)
    huey.storage.delete_counter(key)
    task = huey.task(name="any")(print)
    result = task("argument")
    huey.revoke_by_id(key)
    assert huey.is_revoked(Task(id=key))
    huey.restore_by_id(key)
    huey.result(key)
    huey.storage.put_progress(key, b"half")
    assert huey.storage.hit(key, 5, 10) == 0
    huey.storage.forget_hits(key)
    [delivery] = huey.storage.fetch("consumer", 1)
    assert huey.deserialize_task(delivery.body).id == result.id
    huey.storage.leave("consumer")
    huey.flush()


def files_below(place: Path) -> set[str]:
    return {str(one.relative_to(place)) for one in place.rglob("*")}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder among others, in the middle of a folder that is watched."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "bystander").write_text("untouched")
    monkeypatch.chdir(inner)
    monkeypatch.setenv("HOME", str(tmp_path / "a"))
    return inner


@pytest.mark.parametrize("name", NAMES, ids=ascii_of)
def test_names_and_keys_stay_in_the_folder_of_a_queue(name, place, tmp_path):
    huey = FileHuey(name, path=place / "queue")
    uses(huey, name)
    huey.put(name, "left behind")
    huey.put_if_empty(f"{name}2", "left behind", ttl=100)
    huey.storage.close()
    found = files_below(tmp_path)
    ours = {one for one in found if one.startswith("a/b/queue/")}
    assert found - ours == {"a", "a/b", "a/b/bystander", "a/b/queue"}
    known = re.compile(
        r"journal|lock|turn|incoming|bodies(/\w+)?|results(/[0-9a-f])*(/[0-9a-f]{32}(\.ttl)?)?"
        r"|trash-\w+"
    )
    inside = (one.removeprefix("a/b/queue/") for one in ours)
    assert [one for one in inside if not known.fullmatch(one)] == []
    assert (place / "bystander").read_text() == "untouched"
    assert not Path("/etc/huey-green-was-here").exists()


@pytest.mark.parametrize("name", NAMES, ids=ascii_of)
def test_names_and_keys_stay_in_the_file_of_sqlite(name, place, tmp_path):
    neighbour = SqliteHuey("neighbour", filename=place / "queue.db")
    neighbour.put("key", "mine")
    neighbour.task(name="any")(print)("waits")
    huey = SqliteHuey(name, filename=place / "queue.db")
    if "\udc80" in name:
        # SQLite keeps Unicode, and a half of a surrogate pair is none.
        with pytest.raises((HueyException, UnicodeEncodeError)):
            uses(huey, name)
    else:
        uses(huey, name)
        assert (huey.pending_count(), huey.result_count()) == (0, 0)
    assert neighbour.get("key", peek=True) == "mine"
    assert neighbour.pending_count() == 1
    huey.storage.close()
    neighbour.storage.close()
    found = {one for one in files_below(tmp_path) if not one.startswith("a/b/queue.db")}
    assert found == {"a", "a/b", "a/b/bystander"}


@pytest.mark.parametrize("kind", [RedisHuey, PriorityRedisExpireHuey])
@pytest.mark.parametrize("clean_name", [True, False])
@pytest.mark.parametrize("key", NAMES, ids=ascii_of)
def test_names_and_keys_stay_among_the_keys_of_a_queue(
    kind, clean_name, key, name, redis_server, request
):
    def make(name, **options):
        huey = kind(name, url=redis_server.url, **options)
        request.addfinalizer(huey.storage.close)
        request.addfinalizer(huey.flush)
        return huey

    neighbour = make(name)
    neighbour.put("key", "mine")
    neighbour.task(name="any")(print)("waits")
    before = keys_of(redis_server)
    hostile = key.replace("neighbour", name)
    if "\udc80" in key:
        # Keys are UTF-8, which a half of a surrogate pair cannot be.
        with pytest.raises((HueyException, UnicodeEncodeError)):
            uses(make("plain"), key)
        assert keys_of(redis_server) == before
        return
    uses(make(f"{name}other", clean_name=clean_name), hostile)
    huey = make(hostile, clean_name=clean_name)
    uses(huey, hostile)
    huey.put(hostile, "left behind")
    tag = re.sub("[^A-Za-z0-9]", "", hostile) if clean_name else hostile
    ours = re.compile(rf"huey\.[a-z]+\.{re.escape(tag)}(\..*)?", re.DOTALL)
    new = keys_of(redis_server) - before
    assert new
    assert [one for one in new if not ours.fullmatch(one)] == []
    assert neighbour.get("key", peek=True) == "mine"
    assert neighbour.pending_count() == 1


def keys_of(server):
    storage = RedisStorage(url=server.url)
    try:
        return {key.decode() for key in storage.link.execute("KEYS", "*")}
    finally:
        storage.close()
