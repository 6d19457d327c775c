# SPDX-License-Identifier: MIT
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from huey_green import clock
from huey_green.message import Delivery, Effects, Extra, Outgoing, Settlement
from huey_green.storage.base import CANCEL_KEPT
from huey_green.storage.sqlite import SqliteStorage
from huey_green.testing.concurrency import Running, eventually, together
from huey_green.testing.contract import StorageContract


@pytest.fixture
def filename(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def storage(filename: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage("main", filename)
    yield storage
    storage.close()


class TestSqliteStorage(StorageContract):
    @pytest.fixture
    def storage(self, filename: Path) -> Iterator[SqliteStorage]:
        storage = SqliteStorage("contract", filename)
        yield storage
        storage.close()


class TestSqliteStorageWithoutWal(StorageContract):
    @pytest.fixture
    def storage(self, filename: Path) -> Iterator[SqliteStorage]:
        storage = SqliteStorage("contract", filename, journal_mode="truncate", timeout=30)
        yield storage
        storage.close()


def python(script: str, *args: object) -> "subprocess.Popen[str]":
    """Start a Python process that treats warnings as errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(script: str, *args: object) -> str:
    with python(script, *args) as process:
        said, _ = process.communicate()
    assert process.returncode == 0
    return said


def bodies_of(deliveries: list[Delivery]) -> list[bytes]:
    return [one.body for one in deliveries]


def test_notes_of_canceled_tasks_are_kept_for_a_while(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(clock, "wall", lambda: now)
    storage.cancel("a")
    now += CANCEL_KEPT - 1
    storage.cancel("b")
    assert storage.canceled(0.0) == (["a", "b"], now)
    assert storage.canceled(1000.5) == (["b"], now)
    now += 2
    storage.cancel("c")
    assert sorted(storage.canceled(0.0)[0]) == ["b", "c"]


def test_messages_of_many_keys_are_listed_in_the_order_of_parking_whatever_the_clock(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [b"%d" % number for number in range(6)]
    storage.enqueue_many([Outgoing(body) for body in bodies])
    for delivery in storage.fetch("one", 6):
        assert not storage.admit("one", delivery, f"key-{int(delivery.body) % 2}", 0)
    assert storage.parked_items() == bodies
    past = clock.wall() - 1000
    monkeypatch.setattr(clock, "wall", lambda: past)
    storage.enqueue(b"6")
    assert not storage.admit("one", storage.fetch("one", 1)[0], "key-0", 0)
    freed = [Settlement(Delivery(b""), Effects(extra=Extra(limited="key-0")))]
    for _ in range(4):
        assert storage.settle("one", freed) == []
    assert bodies_of(storage.fetch("one", 9)) == [b"0", b"2", b"4", b"6"]


def test_hits_that_have_left_their_window_are_deleted(storage: SqliteStorage) -> None:
    for number in range(50):
        assert storage.hit(f"key-{number}", 1, 10.0, now=1000.0 + number) == 0.0
    assert storage.hit("other", 1, 10.0, now=1045.0) == 0.0
    assert storage._count("green_hit WHERE queue = ?") == 11


# Processes.

CONSUME = """
import sys
from huey_green.message import Settlement
from huey_green.storage.sqlite import SqliteStorage
storage = SqliteStorage("main", sys.argv[1], timeout=30)
name = sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
while taken := storage.fetch(name, 7, wait=0.5):
    assert storage.settle(name, [Settlement(one) for one in taken]) == []
    print(*(one.body.decode() for one in taken))
storage.close()
"""

CONSUME_LIMITED = """
import sys
from huey_green.message import Effects, Extra, Settlement
from huey_green.storage.sqlite import SqliteStorage
storage = SqliteStorage("main", sys.argv[1], timeout=30)
name, limit = sys.argv[2], int(sys.argv[3])
effects = Effects(extra=Extra(limited="key"))
most = 0
while storage.incr("ended", 0) < 100:
    admitted = []
    for delivery in storage.fetch(name, 5, wait=0.05):
        if storage.admit(name, delivery, "key", limit):
            most = max(most, storage.incr("running"))
            admitted.append(delivery)
    for delivery in admitted:
        storage.incr("running", -1)
        assert storage.settle(name, [Settlement(delivery, effects)]) == []
        storage.incr("ended")
storage.close()
print(most)
"""

HOLD = """
import os, sys
from huey_green.storage.sqlite import SqliteStorage
storage = SqliteStorage("main", sys.argv[1])
print(*(one.body.decode() for one in storage.fetch("holder", 2, lease=1000)), flush=True)
sys.stdin.readline()
"""


def test_two_processes_get_each_message_once(storage: SqliteStorage, filename: Path) -> None:
    consumers = [python(CONSUME, filename, name) for name in ("one", "two")]
    for process in consumers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    storage.enqueue_many([Outgoing(b"%d" % number) for number in range(1000)])
    heard: Counter[str] = Counter()
    for process in consumers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in consumers:
        said, _ = process.communicate()
        assert process.returncode == 0
        heard.update(said.split())
    assert heard == Counter(str(number) for number in range(1000))
    assert storage.in_flight() == []


def test_three_processes_together_keep_to_a_limit(storage: SqliteStorage, filename: Path) -> None:
    storage.enqueue_many([Outgoing(b"%d" % number) for number in range(100)])
    consumers = [python(CONSUME_LIMITED, filename, name, 4) for name in ("one", "two", "three")]
    said = [process.communicate()[0] for process in consumers]
    assert [process.returncode for process in consumers] == [0, 0, 0]
    assert max(map(int, said)) <= 4
    assert storage.incr("ended", 0) == 100
    assert storage.parked_items() == []
    assert storage.in_flight() == []


def test_the_permit_of_a_killed_process_is_free_again(
    storage: SqliteStorage, filename: Path
) -> None:
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b"), Outgoing(b"c")])
    with python(HOLD, filename) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "a b\n"
        held = {one.body: Delivery(one.body, one.receipt) for one in storage.in_flight()}
        assert storage.admit("holder", held[b"a"], "key", 1)
        [delivery] = storage.fetch("one", 1)
        assert not storage.admit("one", delivery, "key", 1)
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert storage.reclaim() == 0
    assert storage.parked_items() == [b"c"]
    assert storage.reclaim(dead=["holder"]) == 2
    taken = storage.fetch("heir", 5)
    assert [(one.body, one.attempt) for one in taken] == [(b"a", 2), (b"b", 2), (b"c", 1)]
    assert [storage.admit("heir", one, "key", 1) for one in taken[::2]] == [True, False]


def test_a_new_file_may_be_opened_by_many_at_once(filename: Path) -> None:
    handles = [SqliteStorage("main", filename, timeout=30) for _ in range(8)]
    sends = [lambda handle=handle: handle.enqueue(b"a") for handle in handles]
    together(*sends)
    assert handles[0].queue_size() == 8
    for handle in handles:
        handle.close()


def test_what_a_killed_process_held_is_delivered_again(
    storage: SqliteStorage, filename: Path
) -> None:
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b"), Outgoing(b"c")])
    with python(HOLD, filename) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "a b\n"
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert storage.reclaim() == 0
    assert storage.reclaim(dead=["holder"]) == 2
    taken = storage.fetch("heir", 5)
    assert [(one.body, one.attempt) for one in taken] == [(b"a", 2), (b"b", 2), (b"c", 1)]


def test_another_process_is_heard_while_waiting(storage: SqliteStorage, filename: Path) -> None:
    message = Running(lambda: storage.fetch("one", 5, wait=30))
    result = Running(lambda: storage.wait_result("answer", timeout=30))
    output(
        "import sys\nfrom huey_green.storage.sqlite import SqliteStorage\n"
        "storage = SqliteStorage('main', sys.argv[1])\n"
        "storage.enqueue(b'a')\nstorage.put_data('answer', b'42', is_result=True)\n"
        "storage.close()",
        filename,
    )
    assert bodies_of(message.result()) == [b"a"]
    assert result.result() is True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_child_go_on_after_a_fork(filename: Path) -> None:
    # In a process of its own: forking one that has threads is a warning from Python 3.12 on.
    said = output(
        """
import json, os, sys
from huey_green.storage.sqlite import SqliteStorage
storage = SqliteStorage("main", sys.argv[1])
storage.enqueue(b"before")
child = os.fork()
storage.enqueue(b"child" if child == 0 else b"parent")
if child == 0:
    files = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")
             if os.path.exists(f"/proc/self/fd/{one}")] if os.path.exists("/proc/self/fd") else []
    # One connection of its own, and nothing that it has from the parent.
    assert sum(name.endswith("queue.db") for name in files) in (0, 1), files
    storage.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
print(json.dumps(sorted(body.decode() for body in storage.enqueued_items())))
storage.close()
""",
        filename,
    )
    assert json.loads(said) == ["before", "child", "parent"]


def test_many_short_threads_do_not_leave_many_connections(storage: SqliteStorage) -> None:
    for number in range(50):
        Running(lambda number=number: storage.enqueue(b"%d" % number)).result()
    assert storage.queue_size() == 50
    assert len(storage._database._connections) < 10


# gevent.

LOCKED = """
from gevent import monkey
monkey.patch_all()
import sqlite3, sys
import gevent
from huey_green.storage.sqlite import SqliteStorage

storage = SqliteStorage("main", sys.argv[1], timeout=30)
storage.enqueue(b"a")
lock = sqlite3.connect(sys.argv[1], isolation_level=None)
lock.execute("BEGIN IMMEDIATE")
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.001)

ticker = gevent.spawn(tick)
writer = gevent.spawn(storage.enqueue, b"b")
# Ends only because the hub goes on while the writer waits for the lock.
while ticks < 50:
    gevent.sleep(0.001)
assert not writer.ready()
lock.execute("ROLLBACK")
lock.close()
writer.get()
ticker.kill()
assert storage.enqueued_items() == [b"a", b"b"]
storage.close()
print("ticked")
"""

KILLED = """
from gevent import monkey
monkey.patch_all()
import sqlite3, sys
import gevent
from huey_green.message import Settlement
from huey_green.storage.sqlite import SqliteStorage

storage = SqliteStorage("main", sys.argv[1], timeout=30)
storage.enqueue(b"a")
storage.enqueue(b"b")
lock = sqlite3.connect(sys.argv[1], isolation_level=None)
lock.execute("BEGIN IMMEDIATE")
fetcher = gevent.spawn(storage.fetch, "one", 1)
gevent.sleep(0.05)
try:
    with gevent.Timeout(0.05):
        storage.enqueue(b"c")
except gevent.Timeout:
    pass
fetcher.kill()
lock.execute("ROLLBACK")
lock.close()
# The killed fetch went on and leased a message; the next one hands it out.
taken = storage.fetch("one", 1)
assert [one.body for one in taken] == [b"a"], taken
taken += storage.fetch("one", 5)
taken += storage.fetch("one", 5)
assert [(one.body, one.attempt) for one in taken] == [(b"a", 1), (b"b", 1), (b"c", 1)], taken
assert storage.settle("one", [Settlement(one) for one in taken]) == []
assert storage.in_flight() == []
storage.close()
print("consistent")
"""

WAITING = """
from gevent import monkey
monkey.patch_all()
import sys, threading
import gevent
from huey_green.storage.sqlite import SqliteStorage

storage = SqliteStorage("main", sys.argv[1])
other = storage.independent()
fetcher = gevent.spawn(storage.fetch, "one", 5, wait=30)
waiters = [gevent.spawn(storage.wait_result, f"key-{n}", 30) for n in range(200)]
gevent.sleep(0.05)
other.enqueue(b"a")
assert [one.body for one in fetcher.get()] == [b"a"]
for n in range(200):
    (storage if n % 2 else other).put_data(f"key-{n}", b"1", is_result=True)
assert all(one.get() for one in waiters)
interrupted = gevent.spawn(storage.fetch, "one", 5, wait=600)
while not interrupted.ready():
    storage.interrupt("one")
    gevent.sleep(0.001)
# One native thread for each handle, however many wait.
from gevent import monkey
import os
tasks = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 3
assert tasks <= 4, tasks
other.close()
storage.close()
print("woken")
"""


@pytest.mark.parametrize(
    ("script", "expected"), [(LOCKED, "ticked"), (KILLED, "consistent"), (WAITING, "woken")]
)
def test_the_event_loop_goes_on(filename: Path, script: str, expected: str) -> None:
    assert output(script, filename).strip() == expected


def test_an_unpatched_process_does_not_import_gevent(filename: Path) -> None:
    said = output(
        "import sys\nfrom huey_green.storage.sqlite import SqliteStorage\n"
        "storage = SqliteStorage('main', sys.argv[1])\nstorage.enqueue(b'a')\n"
        "storage.close()\nprint('gevent' in sys.modules)",
        filename,
    )
    assert said == "False\n"


def test_one_who_waits_leads_and_another_takes_over(storage: SqliteStorage) -> None:
    first = Running(lambda: storage.wait_result("first", timeout=30))
    eventually(lambda: storage._watch._leader)
    second = Running(lambda: storage.wait_result("second", timeout=30))
    with_other = storage.independent()
    with_other.put_data("first", b"1", is_result=True)
    assert first.result() is True
    with_other.put_data("second", b"1", is_result=True)
    assert second.result() is True
    assert storage._watch._leader is None
    assert storage._watch._waiters == {}
    with_other.close()
