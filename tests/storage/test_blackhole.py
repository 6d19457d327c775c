# SPDX-License-Identifier: MIT
import inspect
import subprocess
import sys
from typing import Any

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
from huey_green.storage import BaseStorage, BlackHoleStorage
from huey_green.testing.concurrency import Running, eventually


@pytest.fixture
def storage() -> BlackHoleStorage:
    return BlackHoleStorage()


def assert_empty(storage: BaseStorage) -> None:
    assert storage.queue_size() == storage.schedule_size() == storage.result_store_size() == 0
    assert storage.enqueued_items() == storage.scheduled_items() == storage.parked_items() == []
    assert storage.dequeue() is None
    assert storage.fetch("one", 5) == storage.fetch("one", 5, lease=None) == []
    assert storage.read_schedule(1e12) == []
    assert storage.promote() == (0, None)
    assert storage.reclaim() == storage.requeue_dead() == 0
    assert storage.result_items() == storage.peek_many(["key"]) == storage.consumers() == {}
    assert storage.peek_data("key") is storage.pop_data("key") is None
    assert not storage.has_data_for_key("key")
    assert not storage.has_revocations()
    assert storage.in_flight() == storage.dead_letters() == []
    assert storage.chord_values("chord", 2) == [None, None]
    assert storage.canceled(0.0)[0] == []
    assert storage.peek_progress("task") is None
    assert storage.hits("key", 60.0) == 0


def test_what_is_written_is_gone(storage: BlackHoleStorage) -> None:
    everything = Effects(
        (("key", b"1"),),
        (Outgoing(b"a"),),
        (Planned(b"b", 1.0),),
        DeadLetter("id", b"c", "why"),
        Extra((Member("chord", 0, 1, b"1", Outgoing(b"d")),), ("chord",), (Claim("key", "me"),)),
    )
    storage.enqueue(b"a", priority=5)
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b")])
    storage.add_to_schedule(b"a", 1.0)
    storage.put_data("key", b"1", is_result=True)
    storage.put_revocation("key", b"1", ttl=60.0)
    storage.put_progress("task", b"1")
    storage.cancel("task")
    assert storage.settle("one", [Settlement(Delivery(b"a", "receipt"), everything)]) == []
    storage.release("one", [Delivery(b"a", "receipt"), Delivery(b"b")])
    assert_empty(storage)


def test_what_must_be_the_first_is_so_every_time(storage: BlackHoleStorage) -> None:
    for _ in range(2):
        assert storage.put_if_empty("key", b"1", ttl=60.0)
        assert storage.enqueue_once(b"a", "key", ttl=60.0)
        assert storage.enqueue_claimed(b"a", Claim("key", "me")) is None
        assert storage.postpone(b"a", Claim("key", "me"), at=1.0) is None
        assert storage.admit("one", Delivery(b"a", "receipt"), "key", 1)
        assert storage.hit("key", 1, 60.0) == 0.0
        assert storage.incr("key", 5) == 5
    assert_empty(storage)


def test_what_is_not_there_is_not_deleted(storage: BlackHoleStorage) -> None:
    storage.put_data("key", b"1")
    assert not storage.delete_data("key")
    assert not storage.delete_if("key", b"1")
    assert not storage.remove_scheduled(b"a")
    assert storage.pop_revocation("key") is None
    assert storage.delete_dead() == 0
    storage.drop_claims([Claim("key", "me")])
    storage.forget_hits("key")
    storage.delete_counter("key")
    storage.flush_all()
    assert not storage.wait_result("key", timeout=0.01)


def test_every_method_of_the_contract_can_be_called(storage: BlackHoleStorage) -> None:
    arguments: dict[str, Any] = {
        "data": b"",
        "timestamp": 1.0,
        "key": "key",
        "value": b"",
        "keys": ["key"],
        "messages": [],
        "deliveries": [],
        "settlements": [],
        "claims": [],
        "is_ready": lambda: True,
        "told": lambda: None,
        "consumer": "one",
        "consumers": ["one"],
        "limit": 1,
        "lease": 1.0,
        "ttl": 1.0,
        "timeout": 0.0,
        "claim": Claim("key", "me"),
        "at": 1.0,
        "delivery": Delivery(b""),
        "chord": "chord",
        "size": 1,
        "task_id": "task",
        "since": 0.0,
        "per": 1.0,
    }
    for name, method in inspect.getmembers(storage, inspect.ismethod):
        if not name.startswith("_"):
            needed = [
                arguments[one.name]
                for one in inspect.signature(method).parameters.values()
                if one.default is one.empty
            ]
            method(*needed) if name != "wait_result" else method("key", timeout=0.0)


def test_an_interrupt_ends_a_fetch_that_waits(storage: BlackHoleStorage) -> None:
    waiting = Running(lambda: storage.fetch("one", 5, wait=600))

    def interrupted() -> bool:
        storage.interrupt("one")
        return waiting.ended

    eventually(interrupted, "the end of the wait")
    assert waiting.result() == []


WAITING = """
from gevent import monkey
monkey.patch_all()
import gevent
from huey_green.storage import BlackHoleStorage

storage = BlackHoleStorage()
fetcher = gevent.spawn(storage.fetch, "one", 5, wait=600)
ticks = 0
while ticks < 50:
    gevent.sleep(0.001)
    ticks += 1
assert not fetcher.ready()
storage.interrupt("one")
assert fetcher.get() == []
print("ticked")
"""


def test_the_event_loop_goes_on_while_a_fetch_waits() -> None:
    command = [sys.executable, "-W", "error", "-c", WAITING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "ticked"
