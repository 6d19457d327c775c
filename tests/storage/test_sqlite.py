# SPDX-License-Identifier: MIT
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.message import Delivery, Outgoing, Settlement
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


# The file.


def test_queues_of_two_names_share_a_file_and_nothing_else(
    storage: SqliteStorage, filename: Path
) -> None:
    other = SqliteStorage("other", filename)
    for handle, mark in ((storage, b"1"), (other, b"2")):
        handle.enqueue(b"message" + mark)
        handle.add_to_schedule(b"planned" + mark, 5.0)
        handle.put_data("key", b"value" + mark)
        handle.enqueue_once(b"once" + mark, "key", ttl=1000)
        handle.incr("n", int(mark))
    other.put_revocation("r", b"")
    assert storage.peek_data("key") == b"value1"
    assert other.incr("n") == 3
    [first, second] = storage.fetch("same", 9)
    assert (first.body, second.body) == (b"message1", b"once1")
    assert not storage.has_revocations()
    theirs = [Settlement(first)]
    assert other.settle("same", theirs) == theirs
    assert other.reclaim(dead=["same"]) == 0
    storage.flush_all()
    assert storage.queue_size() == storage.schedule_size() == storage.result_store_size() == 0
    assert other.enqueued_items() == [b"message2", b"once2"]
    assert other.scheduled_items() == [b"planned2"]
    assert other.result_items() == {"key": b"value2", "r": b""}
    other.close()


def test_the_files_are_private(storage: SqliteStorage, filename: Path) -> None:
    storage.enqueue(b"a")
    files = sorted(filename.parent.iterdir())
    assert [path.name for path in files] == ["queue.db", "queue.db-shm", "queue.db-wal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_file_that_exists_keeps_its_mode(storage: SqliteStorage, filename: Path) -> None:
    filename.touch()
    filename.chmod(0o640)
    storage.enqueue(b"a")
    assert stat.S_IMODE(filename.stat().st_mode) == 0o640


def test_a_closed_database_is_one_whole_file(storage: SqliteStorage, filename: Path) -> None:
    storage.enqueue(b"a")
    storage.close()
    assert [path.name for path in filename.parent.iterdir()] == ["queue.db"]


def test_nothing_is_opened_before_it_is_used(filename: Path) -> None:
    SqliteStorage("main", filename)
    assert not filename.exists()


def test_the_file_stays_the_same_where_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = SqliteStorage("main", "queue.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    storage.enqueue(b"a")
    storage.close()
    assert (tmp_path / "queue.db").exists()
    assert storage.describe() == "SQLite queue.db"


def test_a_missing_directory_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    storage = SqliteStorage("main", tmp_path / "missing" / "queue.db")
    with pytest.raises(ConfigurationError, match=r"no directory .*missing"):
        storage.enqueue(b"a")


@pytest.mark.parametrize("filename", ["", ":memory:"])
def test_a_database_in_memory_is_refused(filename: str) -> None:
    with pytest.raises(ConfigurationError, match="MemoryStorage"):
        SqliteStorage("main", filename)


def test_an_unknown_journal_mode_is_refused(filename: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected one of wal, delete"):
        SqliteStorage("main", filename, journal_mode="wall")


def test_a_file_of_a_later_format_is_refused(storage: SqliteStorage, filename: Path) -> None:
    storage.enqueue(b"a")
    storage.close()
    with sqlite3.connect(filename) as db:
        db.execute("UPDATE green_format SET version = 99")
    db.close()
    with pytest.raises(ConfigurationError, match="format 99"):
        storage.enqueue(b"b")


@pytest.mark.parametrize(("fsync", "synchronous"), [(False, 1), (True, 2)])
def test_options_reach_the_database(filename: Path, fsync: bool, synchronous: int) -> None:
    storage = SqliteStorage("main", filename, cache_mb=3, fsync=fsync, timeout=2, uri=False)
    for handle in (storage, storage.independent()):
        found = handle._database.read(
            lambda db: [
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "cache_size", "busy_timeout")
            ]
        )
        assert found == ["wal", synchronous, -3072, 2000]
        handle.close()


def test_arguments_for_the_connection_are_passed_on(filename: Path) -> None:
    storage = SqliteStorage("main", f"file:{filename}?mode=rwc", uri=True)
    storage.enqueue(b"a")
    storage.close()
    assert filename.exists()


# Errors.


def test_a_locked_database_is_told_from_a_broken_one(filename: Path) -> None:
    storage = SqliteStorage("main", filename, timeout=0.05)
    storage.enqueue(b"a")
    db = sqlite3.connect(filename, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match=r"queue\.db stayed locked for 0\.05 s"):
        storage.enqueue(b"b")
    assert storage.enqueued_items() == [b"a"]  # Readers are not kept out.
    db.execute("ROLLBACK")
    db.close()
    storage.enqueue(b"c")
    assert storage.enqueued_items() == [b"a", b"c"]
    storage.close()


def test_a_new_database_that_stays_locked_is_unavailable(filename: Path) -> None:
    db = sqlite3.connect(filename, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    storage = SqliteStorage("main", filename, timeout=0.05)
    with pytest.raises(StorageUnavailable, match="stayed locked"):
        storage.queue_size()
    db.execute("ROLLBACK")
    db.close()
    assert storage.queue_size() == 0
    storage.close()


def test_a_file_that_is_no_database_is_unavailable(filename: Path) -> None:
    filename.write_bytes(b"something else, long enough to be read as a header" * 20)
    storage = SqliteStorage("main", filename)
    with pytest.raises(StorageUnavailable, match="no SQLite database"):
        storage.ping()


def test_a_directory_is_unavailable(tmp_path: Path) -> None:
    storage = SqliteStorage("main", tmp_path)
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        storage.ping()


def test_a_full_database_keeps_nothing_of_the_call_and_works_again(
    storage: SqliteStorage, filename: Path
) -> None:
    storage.enqueue(b"a")
    # As a full disk would: no page more than there are now.
    storage._database.read(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StorageUnavailable, match="no room left"):
        storage.enqueue_many([Outgoing(b"b"), Outgoing(bytes(10**6))])
    assert storage.enqueued_items() == [b"a"]
    storage.enqueue(b"c")
    assert storage.enqueued_items() == [b"a", b"c"]


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
