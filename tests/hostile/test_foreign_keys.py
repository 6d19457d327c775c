# SPDX-License-Identifier: MIT
"""What is found under our keys and is not ours: said clearly, and waited for like an outage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.fuzz import Fed
from huey_green import Huey, PriorityRedisHuey, RedisHuey, TaskException, chord
from huey_green.exceptions import StorageUnavailable, UnreadableMessage, UnreadableValue
from huey_green.message import Delivery, Settlement
from huey_green.testing.concurrency import eventually


def declare(huey: Huey) -> Any:
    @huey.task()
    def add(a: Any, b: Any = 0) -> Any:
        return a

    return add


def refusals(huey: Huey) -> int:
    """Return how often the server has refused a command because of a key's kind."""
    found = huey.storage.link.execute("INFO", "errorstats").decode()
    return int(found.partition("errorstat_WRONGTYPE:count=")[2].split()[0])


@pytest.mark.parametrize("kind", ["list", "zset"])
@pytest.mark.parametrize("spoil", ["SET", "SADD"])
def test_a_queue_whose_key_holds_something_else_is_named(
    make_huey: Callable[..., Huey], kind: str, spoil: str
) -> None:
    huey = make_huey(kind)
    add = declare(huey)
    key = huey.storage.keys.queue
    huey.storage.link.execute(spoil, key, "x")
    says = rf"something else under our keys: {key} is no {kind.upper()}\. Another program"
    for call in (
        lambda: add(1),
        lambda: huey.enqueue_many([add.s(1)]),
        lambda: len(huey),
        huey.dequeue,
        huey.pending,
        lambda: huey.storage.fetch("one", 10),
        lambda: huey.storage.fetch("one", 10, wait=5.0),
        lambda: huey.storage.release("one", [Delivery(b"x")]),
    ):
        with pytest.raises(StorageUnavailable, match=says):
            call()
    huey.storage.link.execute("DEL", key)
    add(1)
    assert len(huey.storage.fetch("one", 10)) == 1


def test_a_queue_of_another_kind_of_storage_is_named(redis_server: Any) -> None:
    first = RedisHuey("two kinds", url=redis_server.url)
    declare(first)(1)
    second = PriorityRedisHuey("two kinds", url=redis_server.url)
    with pytest.raises(StorageUnavailable, match=r"huey\.redis\.twokinds is no ZSET"):
        declare(second)(1)
    first.flush()
    first.storage.close()
    second.storage.close()


@pytest.mark.parametrize(
    "attribute",
    ["schedule", "results", "dead", "dead_index", "attempts", "consumers", "claims", "chords"],
)
def test_a_consumer_takes_nothing_while_a_key_is_of_another_kind(
    make_huey: Callable[..., Huey], attribute: str
) -> None:
    # To settle would fail half-way, and what a script has done stays done.
    huey = make_huey()
    declare(huey)(1)
    key = getattr(huey.storage.keys, attribute)
    huey.storage.link.execute("SET", key, "x")
    with pytest.raises(StorageUnavailable, match=f"{key} is no"):
        huey.storage.fetch("one", 10)
    assert len(huey) == 1
    huey.storage.link.execute("DEL", key)
    assert len(huey.storage.fetch("one", 10)) == 1


def end_waits(huey: Huey) -> None:
    """Have consumers that wait for the queue ask again, which they do every 30 seconds."""
    ask = huey.storage.link.execute
    for line in ask("CLIENT", "LIST").decode().splitlines():
        client = dict(part.partition("=")[::2] for part in line.split())
        if client["cmd"] == "blmove":
            ask("CLIENT", "UNBLOCK", client["id"])


def test_a_consumer_reports_it_once_and_goes_on_when_it_is_over(
    tmp_path: Path, options_of: Callable[[str], Any]
) -> None:
    fed = Fed("list", "pickle", tmp_path, options_of("list"))
    huey = fed.huey
    key = huey.storage.keys.queue
    log = tmp_path / "consumer.log"
    task = huey.registry.tasks["chaos.fuzz_app.plain"]
    try:
        huey.enqueue(task((1,)))
        eventually((tmp_path / "ledger").read_text)
        huey.storage.link.execute("SET", key, "x")
        end_waits(huey)
        said = f"{key} is no LIST"
        eventually(lambda: said in log.read_text())
        # It asks again and again, and does not say so again and again.
        before = refusals(huey)
        eventually(lambda: refusals(huey) >= before + 4)
        assert log.read_text().count(said) == 1
        assert "Traceback" not in log.read_text()
        huey.storage.link.execute("DEL", key)
        huey.enqueue(task((2,)))
        eventually(lambda: len((tmp_path / "ledger").read_text().splitlines()) == 2)
        fed.stop()
    finally:
        huey.flush()
        fed.kill()


# Values that were spoiled.


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x80\x05\x95", b"c\n\n"])
def test_a_result_that_was_spoiled_says_so(make_huey: Callable[..., Huey], data: bytes) -> None:
    huey = make_huey()
    result = declare(huey)(1)
    huey.storage.put_data(result.id, data, is_result=True)
    with pytest.raises(UnreadableValue, match=r"the stored value, \d+ bytes .*cannot be deser"):
        result.get(preserve=True)
    with pytest.raises(UnreadableMessage):
        huey.result(result.id, preserve=True)
    huey.put("key", 1)
    huey.storage.put_data("key", data)
    with pytest.raises(UnreadableValue):
        huey.get("key", peek=True)


@pytest.mark.parametrize("kind", ["list", "sqlite", "file"])
def test_a_chord_with_a_spoiled_value_is_a_dead_letter_and_its_result_says_so(
    make_huey: Callable[..., Huey], kind: str
) -> None:
    huey = make_huey(kind)
    add = declare(huey)
    whole = huey.enqueue(chord([add.s(1), add.s(2)], add.s()))
    for _ in range(2):
        [delivery] = huey.storage.fetch("one", 1)
        effects = huey.executor.run(delivery).effects
        [member] = effects.extra.members
        spoiled = member._replace(value=b"garbage")
        effects = effects._replace(extra=effects.extra._replace(members=(spoiled,)))
        huey.storage.settle("one", [Settlement(delivery, effects)])
    [delivery] = huey.storage.fetch("one", 1)
    outcome = huey.executor.run(delivery)
    assert outcome.effects.dead is not None
    assert "the stored value, 7 bytes" in outcome.effects.dead.reason
    huey.storage.settle("one", [Settlement(delivery, outcome.effects)])
    with pytest.raises(TaskException, match="the stored value, 7 bytes"):
        whole.get()


def test_what_is_no_message_on_the_schedule_becomes_a_dead_letter(
    make_huey: Callable[..., Huey],
) -> None:
    huey = make_huey("zset")
    huey.storage.link.execute("ZADD", huey.storage.keys.schedule, "-inf", b"garbage", "1", b"")
    assert huey.scheduled() == []
    assert huey.storage.promote(priority_of=lambda body: None).moved == 2
    for delivery in huey.storage.fetch("one", 10):
        assert huey.executor.run(delivery).effects.dead is not None


@pytest.mark.parametrize("record", [b"", b"garbage", b"7\nbody", b'{"id": \nbody', b"[" * 5000])
def test_a_spoiled_record_of_a_dead_letter_hides_no_other_one(
    make_huey: Callable[..., Huey], record: bytes
) -> None:
    huey = make_huey()
    declare(huey)
    huey.storage.enqueue(b"not a message")
    [delivery] = huey.storage.fetch("one", 1)
    effects = huey.executor.run(delivery).effects
    huey.storage.settle("one", [Settlement(delivery, effects)])
    keys, ask = huey.storage.keys, huey.storage.link.execute
    ask("HSET", keys.dead, "spoiled", record)
    ask("ZADD", keys.dead_index, 1, "spoiled")
    good, spoiled = huey.dead_letters()
    assert "is not a message" in good.reason or "cannot be" in good.reason
    assert (spoiled.id, spoiled.body) == ("spoiled", record)
    assert spoiled.reason == "the record of a dead letter cannot be read"
    assert huey.requeue_dead() == 1
    assert [letter.id for letter in huey.dead_letters()] == ["spoiled"]
    assert huey.delete_dead() == 1
    assert huey.dead_letters() == []
