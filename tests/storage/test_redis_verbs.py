# SPDX-License-Identifier: MIT
"""The scripts, and what only Redis can show: keys that go by themselves, and bounded steps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from huey_green.message import (
    Claim,
    DeadLetter,
    Delivery,
    Effects,
    Extra,
    Member,
    Outgoing,
    Planned,
    Settlement,
)
from huey_green.storage.redis import (
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
)
from huey_green.storage.redis.scripts import Variants, source
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

LUA = {
    one.name.removesuffix(".lua"): one.read_text()
    for one in (resources.files("huey_green.storage.redis") / "lua").iterdir()
}
VERBS = sorted(name for name, text in LUA.items() if "\n-- ARGV" in text and "\nreturn" in text)
VARIANTS = [Variants(*one) for one in product(("list", "zset"), ("hash", "string"))]


@pytest.fixture(params=[RedisStorage, PriorityRedisStorage])
def storage(request: Any, redis_server: PrivateRedis) -> Iterator[RedisStorage]:
    storage = request.param(f"test{uuid4().hex}", url=redis_server.url)
    yield storage
    storage.flush_all()
    storage.close()


def commands_of(storage: RedisStorage) -> dict[str, int]:
    """Return how often the server has carried out each command."""
    lines = storage.link.execute("INFO", "commandstats").decode().splitlines()[1:]
    stats = (re.fullmatch(r"cmdstat_(\S+?):calls=(\d+),.*", line) for line in lines)
    return {found[1]: int(found[2]) for found in stats if found}


def keys_of(storage: RedisStorage) -> set[str]:
    found = storage.link.execute("KEYS", f"*{storage.name}*")
    return {key.decode().removeprefix("huey.").replace(f".{storage.name}", "") for key in found}


def leased(storage: RedisStorage, total: int) -> list[Delivery]:
    storage.enqueue_many([Outgoing(b"%d" % number) for number in range(total)])
    taken = storage.fetch("one", total)
    assert len(taken) == total
    return taken


# The scripts themselves.


@pytest.mark.parametrize("name", sorted(LUA))
def test_a_script_says_what_it_does_and_fits_on_a_screen(name: str) -> None:
    lines = LUA[name].splitlines()
    assert lines[0].startswith(f"-- {name}: ")
    assert len(lines) <= 41
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", sorted(LUA))
def test_a_script_makes_no_key_by_itself_and_lists_none(name: str) -> None:
    code = "\n".join(line.partition("--")[0] for line in LUA[name].splitlines())
    assert "huey" not in code
    assert not re.search(r"'(KEYS|SCAN|HGETALL|SMEMBERS)'", code)
    used = [int(number) for number in re.findall(r"KEYS\[(\d+)\]", code)]
    described = re.findall(r"(?<![\w.])(\d+)(?:-(\d+))? ", LUA[name].partition("\nlocal")[0])
    assert max(used, default=0) <= max((int(b or a) for a, b in described), default=4)


@pytest.mark.parametrize("variants", VARIANTS, ids="-".join)
def test_every_verb_is_a_script_that_the_server_understands(
    redis_server: PrivateRedis, variants: Variants
) -> None:
    storage = RedisStorage("scripts", url=redis_server.url)
    assert len(VERBS) > 20
    for verb in VERBS:
        text = source(verb, variants)
        assert storage.link.execute("SCRIPT", "LOAD", text)
        parts = re.findall(r"^-- (\w+): ", text, re.MULTILINE)
        assert len(parts) == len(set(parts))
    storage.close()


def test_only_a_batch_with_extra_effects_takes_the_longer_script(storage: RedisStorage) -> None:
    plain, with_extra, other = leased(storage, 3)
    settled: list[str] = []
    call = storage.scripts.call

    def noted(verb: str, *rest: Any) -> Any:
        settled.append(verb)
        return call(verb, *rest)

    storage.scripts.call = noted  # type: ignore[method-assign]
    effects = Effects(results=(("a", b"1"),), schedule=(Planned(b"later", 5.0),))
    assert storage.settle("one", [Settlement(plain, effects)]) == []
    chord = effects._replace(extra=Extra(members=(Member("c", 0, 1, b"v", Outgoing(b"cb")),)))
    assert storage.settle("one", [Settlement(with_extra, chord), Settlement(other, effects)]) == []
    assert settled == ["settle", "settle_extra"]
    storage.scripts.call = call  # type: ignore[method-assign]
    assert storage.enqueued_items() == [b"cb"]


# Nothing stays behind.


@pytest.mark.parametrize(
    "kind",
    [RedisStorage, PriorityRedisStorage, RedisExpireStorage, PriorityRedisExpireStorage],
)
def test_flushing_all_leaves_not_a_single_key(kind: Any, redis_server: PrivateRedis) -> None:
    storage = kind(f"test{uuid4().hex}", url=redis_server.url)
    taken = leased(storage, 8)
    extra = Extra(members=(Member("chord", 0, 2, b"v", Outgoing(b"cb")),))
    dead = DeadLetter("id", b"body", "why")
    effects = Effects((("a", b"1"),), (Outgoing(b"b"),), (Planned(b"c", 5.0),), dead, extra)
    assert storage.settle("one", [Settlement(taken[0], effects)]) == []
    assert [storage.admit("one", one, "limit", 1) for one in taken[1:4]] == [True, False, False]
    storage.begin("one", taken[4:])
    assert storage.reclaim(dead=["one"]) == 5
    storage.fetch("two", 1)
    storage.add_to_schedule(b"later", 5.0)
    storage.put_data("value", b"1")
    assert storage.put_if_empty("lock", b"1", ttl=1000.0)
    storage.put_revocation("r:1", b"1")
    storage.put_revocation("r:2", b"1", ttl=1000.0)
    assert storage.enqueue_claimed(b"x", Claim("key", "one"), ttl=1000.0) is None
    assert storage.postpone(b"y", Claim("other", "one"), 5.0) is None
    assert storage.enqueue_once(b"z", "tick", ttl=1000.0)
    assert storage.hit("window", 2, 60.0) == storage.hit("other window", 2, 60.0) == 0.0
    storage.cancel("id")
    storage.put_progress("id", b"half")
    storage.incr("counter")
    assert len(keys_of(storage)) > 20
    storage.flush_all()
    assert keys_of(storage) == set()
    storage.close()


def test_permits_that_have_ended_leave_no_key(storage: RedisStorage) -> None:
    taken = leased(storage, 9)
    assert [storage.admit("one", one, "limit", 4) for one in taken] == [True] * 4 + [False] * 5
    limited = Effects(extra=Extra(limited="limit"))
    while taken:
        held = [one for one in taken if storage.admit("one", one, "limit", 4)]
        assert storage.settle("one", [Settlement(one, limited) for one in held]) == []
        taken = storage.fetch("one", 9)
    assert storage.parked_items() == []
    assert keys_of(storage) <= {"consumers", "sequence", "bell"}


def test_windows_and_notes_of_canceled_tasks_go_by_themselves(storage: RedisStorage) -> None:
    assert storage.hit("key", 5, 30.0) == 0.0
    storage.cancel("id")
    window = storage.link.execute("PTTL", storage.keys.hits("key")) / 1000
    assert 30 < window <= 91
    assert 60 < storage.link.execute("PTTL", storage.keys.cancels) / 1000 <= 120
    # The index of windows, which is for flushing, forgets those that are gone.
    storage.link.execute("ZADD", storage.keys.windows, 1, "long gone")
    assert storage.hit("other", 5, 30.0) == 0.0
    members = storage.link.execute("ZRANGE", storage.keys.windows, 0, -1)
    assert sorted(members) == [b"key", b"other"]


def test_claims_that_have_ended_are_forgotten_though_nobody_asks_for_them(
    storage: RedisStorage,
) -> None:
    for number in range(150):
        assert storage.enqueue_claimed(b"x", Claim(f"{number}", "one"), ttl=0.001) is None
    assert storage.enqueue_claimed(b"x", Claim("for ever", "one")) is None

    def claims() -> int:
        storage.enqueue_claimed(b"x", Claim(f"more-{uuid4().hex}", "one"), ttl=0.001)
        return int(storage.link.execute("HLEN", storage.keys.claims))

    eventually(lambda: claims() <= 5, "the end of old claims")
    assert storage.enqueue_claimed(b"x", Claim("for ever", "two")) == "one"


def test_marks_that_have_ended_are_forgotten_though_nobody_asks_for_them(
    storage: RedisStorage,
) -> None:
    for number in range(150):
        storage.put_revocation(f"r:{number}", b"1", ttl=0.001)

    def marks() -> int:
        storage.put_revocation("r:last", b"1", ttl=1000.0)
        return int(storage.link.execute("ZCARD", storage.keys.revocations))

    eventually(lambda: marks() == 1, "the end of old marks")
    eventually(lambda: storage.result_store_size() == 1, "the end of their values")
    assert storage.dequeue() is None
    assert storage.has_revocations()
    assert storage.pop_revocation("r:last") == b"1"
    assert storage.dequeue() is None
    assert not storage.has_revocations()


def test_what_was_deleted_or_popped_before_its_time_is_no_longer_counted(
    storage: RedisStorage,
) -> None:
    for end in (storage.delete_data, storage.pop_data):
        assert storage.put_if_empty("lock", b"1", ttl=1000.0)
        assert storage.result_store_size() == 1
        assert end("lock")
        assert storage.result_store_size() == 0
    assert storage.put_if_empty("lock", b"1", ttl=1000.0)
    storage.put_data("lock", b"2")
    assert storage.result_store_size() == 1


# Bounded steps.


def test_a_window_of_more_hits_than_one_step_forgets_is_counted_right(
    storage: RedisStorage,
) -> None:
    for number in range(2200):
        assert storage.hit("key", 2200, 60.0, now=1000.0 + number / 100) == 0.0
    assert storage.hit("key", 2200, 60.0, now=1030.0) == 30.0
    assert storage.hit("key", 100, 60.0, now=1030.0) == pytest.approx(51.0)
    assert storage.hits("key", 60.0, now=1060.0) == 2199
    # All have left. The next hit forgets a part of them, and counts none.
    assert storage.hit("key", 1, 60.0, now=1100.0) == 0.0
    assert storage.hits("key", 60.0, now=1100.0) == 1
    assert storage.hit("key", 1, 60.0, now=1100.0) == 60.0
    assert storage.link.execute("ZCARD", storage.keys.hits("key")) < 1100


def test_a_hit_leaves_its_window_at_the_very_moment_that_was_told(storage: RedisStorage) -> None:
    for number in range(300):
        now = storage.time() + number * 1000.1
        per = 0.1 + number / 7
        assert storage.hit("key", 1, per, now=now) == 0.0
        wait = storage.hit("key", 1, per, now=now + per / 3)
        assert 0 < wait <= per
        assert storage.hit("key", 1, per, now=now + per / 3 + wait) == 0.0
        storage.forget_hits("key")


def test_one_message_of_each_of_many_keys_is_let_in_when_nobody_holds_a_permit(
    storage: RedisStorage,
) -> None:
    taken = leased(storage, 500)
    for number, one in enumerate(taken):
        assert not storage.admit("one", one, f"key-{number // 2}", 0)
    assert len(storage.parked_items()) == 500
    assert storage.parked_items(3) == [b"0", b"1", b"2"]
    assert storage.reclaim() == 0
    assert sorted(storage.enqueued_items()) == sorted(b"%d" % n for n in range(0, 500, 2))
    assert storage.parked_items() == [b"%d" % number for number in range(1, 500, 2)]
    assert storage.reclaim() == 0
    assert storage.parked_items() == []


def test_keys_that_begin_alike_do_not_take_each_other_s_messages(storage: RedisStorage) -> None:
    keys = ["", "a", "a\x00", "a\x00b", "ab", "b", "\x7f", "\u00ff", "\U0010ffff"]
    taken = leased(storage, len(keys))
    for key, one in zip(keys, taken, strict=True):
        assert not storage.admit("one", one, key, 0)
    for number in (4, 0, 8, 2, 6, 1, 3, 5, 7):
        extra = Extra(limited=keys[number])
        settlement = Settlement(Delivery(b"task"), Effects(extra=extra))
        assert storage.settle("one", [settlement, settlement]) == []
        assert storage.dequeue() == b"%d" % number
        assert storage.dequeue() is None


def test_a_reclaim_with_nothing_to_do_is_one_round_trip_of_three_commands(
    storage: RedisStorage,
) -> None:
    before = commands_of(storage)
    assert storage.reclaim() == 0
    after = commands_of(storage)
    changed = {name for name, count in after.items() if count > before.get(name, 0)}
    assert changed - {"info", "ping"} == {"time", "zrange", "exists"}


def test_a_chord_of_many_members_is_read_in_order_and_forgotten(storage: RedisStorage) -> None:
    size = 2500
    callback = Outgoing(b"callback")
    members = [Member("chord", n, size, b"%d" % n, callback) for n in reversed(range(size))]
    effects = [Effects(extra=Extra(members=(one,))) for one in members]
    assert storage.settle("one", [Settlement(Delivery(b"task"), one) for one in effects]) == []
    assert storage.chord_values("chord", size) == [b"%d" % index for index in range(size)]
    assert storage.chord_values("chord", 0) == []
    assert storage.enqueued_items() == [b"callback"]
    joined = Settlement(Delivery(b"callback"), Effects(extra=Extra(joined=("chord",))))
    assert storage.settle("one", [joined]) == []
    assert storage.dequeue() == b"callback"
    assert not {"chords", "chord.chord"} & keys_of(storage)
