# SPDX-License-Identifier: MIT
"""Pickles that do something when they are read: none takes others with it, or comes back for ever.

Who can write pickles to a queue can run code in its consumers; this is not about that, but about
what raises, exits or is too much by mistake.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.fuzz import Fed
from huey_green import Huey, MemoryHuey
from huey_green.message import Delivery, Message
from huey_green.testing.concurrency import eventually
from huey_green.wire import encode_message

PATIENCE = 60.0
GOOD = 20


class Does:
    """Executes a line of code when it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> Any:
        return exec, (self.code,)


def pickled(code: str) -> bytes:
    return pickle.dumps(("hg1", "id", "name", (Does(code),), {}, None, 0, 0, None, None, None))


#: A tuple in a tuple in a tuple..., as the key of a dict.
DEEP = b"\x80\x04})" + b"\x85" * 250_000 + b"K\x01s."

RAISING = {
    "Exception": "raise Exception",
    "a long error": "raise ValueError('x' * 10_000_000)",
    "SystemExit": "raise SystemExit(3)",
    "sys.exit": "import sys; sys.exit('bye')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "GreenletExit": "import gevent; raise gevent.GreenletExit",
    "a gevent timeout": "import gevent; raise gevent.Timeout(5)",
    "TaskInterrupted": "import huey_green; raise huey_green.TaskInterrupted",
    "TaskCanceled": "import huey_green; raise huey_green.exceptions.TaskCanceled",
    "StorageUnavailable": "import huey_green; raise huey_green.StorageUnavailable",
    "RecursionError": "f = lambda: f(); f.__globals__['f'] = f; f()",
    "MemoryError": "bytearray(1 << 50)",
}


@pytest.fixture
def feed(tmp_path: Path, options_of: Callable[[str], Any]) -> Iterator[Callable[[], Fed]]:
    """Starts a consumer, again and again if need be, of one queue."""
    started: list[Fed] = []

    def start() -> Fed:
        started.append(Fed("list", "pickle", tmp_path, options_of("list")))
        return started[-1]

    yield start
    started[-1].huey.flush()
    for fed in started:
        fed.kill()
        fed.huey.storage.close()


def good_ones(huey: Huey, start: int = 0) -> list[str]:
    ids = [f"good {number}" for number in range(start, start + GOOD)]
    for id_ in ids:
        huey.storage.enqueue(
            encode_message(huey.serializer, Message(id_, "chaos.fuzz_app.plain", (1, 2)))
        )
    return ids


def executed(folder: Path) -> list[str]:
    return (folder / "ledger").read_text().splitlines()


@pytest.mark.parametrize("name", [one for one in RAISING if one != "KeyboardInterrupt"])
def test_whatever_a_pickle_raises_it_is_a_dead_letter_that_says_so(name: str) -> None:
    huey = MemoryHuey()
    outcome = huey.executor.run(Delivery(pickled(RAISING[name]), "receipt"))
    assert outcome.effects.dead is not None
    assert len(outcome.effects.dead.reason) < 1000


def test_ctrl_c_while_a_program_reads_a_message_is_no_fault_of_the_message() -> None:
    huey = MemoryHuey()
    with pytest.raises(KeyboardInterrupt):
        huey.executor.run(Delivery(pickled("raise KeyboardInterrupt")))


def test_a_consumer_outlives_pickles_that_raise_anything(
    feed: Callable[[], Fed], tmp_path: Path
) -> None:
    fed = feed()
    ids = good_ones(fed.huey)
    for code in RAISING.values():
        fed.huey.storage.enqueue(pickled(code))
    ids += good_ones(fed.huey, GOOD)
    eventually(lambda: len(fed.huey.dead_letters()) == len(RAISING))
    eventually(lambda: len(executed(tmp_path)) == 2 * GOOD)
    assert sorted(executed(tmp_path)) == sorted(ids)
    eventually(lambda: not fed.huey.storage.in_flight())
    assert fed.process.poll() is None
    fed.stop()


@pytest.mark.parametrize(
    "body",
    [pickled("import os; os._exit(7)"), DEEP],
    ids=["os._exit", "a stack that overflows"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a crash is reported to the user")
def test_a_pickle_that_ends_the_process_does_so_a_few_times_and_is_then_a_dead_letter(
    feed: Callable[[], Fed], tmp_path: Path, body: bytes
) -> None:
    fed = feed()
    ids = good_ones(fed.huey)
    fed.huey.storage.enqueue(body)
    ids += good_ones(fed.huey, GOOD)
    ends = 0

    def is_buried() -> bool:
        nonlocal fed, ends
        if fed.process.poll() is not None:
            ends += 1
            fed = feed()
        return bool(fed.huey.dead_letters())

    eventually(is_buried, "a dead letter", 2 * PATIENCE)
    assert 1 <= ends <= fed.huey.max_deliveries + 1
    [letter] = fed.huey.dead_letters()
    assert letter.body == body
    assert "ends the process that tries to read it" in letter.reason
    eventually(lambda: set(ids) <= set(executed(tmp_path)))
    eventually(lambda: not fed.huey.storage.in_flight())
    fed.stop()
