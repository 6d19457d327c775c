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

from huey_green.message import Delivery, Effects, Extra, Outgoing, Settlement
from huey_green.storage.file import FileStorage
from huey_green.testing.concurrency import Running, eventually, together
from huey_green.testing.contract import StorageContract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def storage(folder: Path) -> Iterator[FileStorage]:
    storage = FileStorage("main", folder)
    yield storage
    storage.close()


class TestFileStorage(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path) -> Iterator[FileStorage]:
        storage = FileStorage("contract", folder)
        yield storage
        storage.close()


class TestFileStorageWithThreadLock(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path) -> Iterator[FileStorage]:
        storage = FileStorage("contract", folder, 0, True, fsync=True)
        yield storage
        storage.close()


class TestFileStorageWhoseJournalIsOftenWrittenAnew(StorageContract):
    @pytest.fixture
    def storage(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileStorage]:
        monkeypatch.setattr("huey_green.storage.file.folder.ROOM", 2_000)
        monkeypatch.setattr("huey_green.storage.file.folder.FAR_BEHIND", 500)
        monkeypatch.setattr("huey_green.storage.file.change.LARGE", 100)
        storage = FileStorage("contract", folder)
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


# Processes.

CONSUME = """
import sys
from huey_green.message import Settlement
from huey_green.storage.file import FileStorage
storage = FileStorage("main", sys.argv[1])
name = sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
while taken := storage.fetch(name, 7, wait=0.5):
    assert storage.settle(name, [Settlement(one) for one in taken]) == []
    print(*(one.body.decode() for one in taken))
storage.close()
"""

HOLD = """
import sys
from huey_green.storage.file import FileStorage
storage = FileStorage("main", sys.argv[1])
print(*(one.body.decode() for one in storage.fetch("holder", 2, lease=1000)), flush=True)
sys.stdin.readline()
"""

INCREASE = """
import sys
from huey_green.storage.file import FileStorage
storage = FileStorage("main", sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(*(storage.incr("n") for _ in range(300)))
"""


def started(*processes: "subprocess.Popen[str]") -> list[str]:
    """Let processes begin together; return what they print from then on."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


def test_two_processes_get_each_message_once(storage: FileStorage, folder: Path) -> None:
    storage.enqueue_many([Outgoing(b"%d" % number) for number in range(1000)])
    said = started(*(python(CONSUME, folder, name) for name in ("one", "two")))
    heard = Counter(word for one in said for word in one.split())
    assert heard == Counter(str(number) for number in range(1000))
    assert storage.in_flight() == []
    assert storage.queue_size() == 0


def test_counters_of_processes_add_up(folder: Path) -> None:
    said = started(*(python(INCREASE, folder) for _ in range(3)))
    assert sorted(int(word) for one in said for word in one.split()) == list(range(1, 901))


def test_what_a_killed_process_held_is_delivered_again(storage: FileStorage, folder: Path) -> None:
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b"), Outgoing(b"c")])
    with python(HOLD, folder) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "a b\n"
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert storage.reclaim() == 0
    assert storage.reclaim(dead=["holder"]) == 2
    taken = storage.fetch("heir", 5)
    assert [(one.body, one.attempt) for one in taken] == [(b"a", 2), (b"b", 2), (b"c", 1)]


def test_another_process_is_heard_while_waiting(storage: FileStorage, folder: Path) -> None:
    message = Running(lambda: storage.fetch("one", 5, wait=30))
    result = Running(lambda: storage.wait_result("answer", timeout=30))
    progress = Running(
        lambda: storage.wait_until(["p:task"], lambda: storage.peek_progress("task") == b"1", 30)
    )
    output(
        "import sys\nfrom huey_green.storage.file import FileStorage\n"
        "storage = FileStorage('main', sys.argv[1])\n"
        "storage.enqueue(b'a')\nstorage.put_data('answer', b'42', is_result=True)\n"
        "storage.put_progress('task', b'1')\nstorage.close()",
        folder,
    )
    assert bodies_of(message.result()) == [b"a"]
    assert result.result() is True
    assert progress.result() is True


def test_the_end_of_a_task_that_told_its_progress_is_heard(storage: FileStorage) -> None:
    storage.enqueue(b"a")
    [held] = storage.fetch("one", 1)
    storage.put_progress("task", b"1")
    ended = Running(
        lambda: storage.wait_until(["p:task"], lambda: storage.peek_progress("task") is None, 30)
    )
    eventually(lambda: storage._watch._waiters)
    effects = Effects(extra=Extra(progress=("task",)))
    assert storage.settle("one", [Settlement(held, effects)]) == []
    assert ended.result() is True


def test_a_new_folder_may_be_opened_by_many_at_once(folder: Path) -> None:
    script = (
        "import sys\nfrom huey_green.storage.file import FileStorage\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "FileStorage('main', sys.argv[1]).enqueue(b'a')"
    )
    started(*(python(script, folder) for _ in range(4)))
    storage = FileStorage("main", folder)
    assert storage.enqueued_items() == [b"a"] * 4
    storage.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_child_go_on_after_a_fork(folder: Path) -> None:
    # In a process of its own: forking one that has threads is a warning from Python 3.12 on.
    said = output(
        """
import json, os, sys
from huey_green.storage.file import FileStorage
storage = FileStorage("main", sys.argv[1])
storage.enqueue(b"before")
[mine] = storage.fetch("parent", 1)
child = os.fork()
for number in range(50):
    storage.enqueue(b"child" if child == 0 else b"parent")
    storage.fetch("child" if child == 0 else "parent", 1)
if child == 0:
    files = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
    names = [os.path.realpath(f"/proc/self/fd/{one}") for one in files]
    # The files of its own, and none that it has from the parent.
    ours = sorted(os.path.basename(one) for one in names if one.startswith(sys.argv[1]))
    assert ours in ([], ["journal", "lock", "turn"]), ours
    storage.leave("child")
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
held = [one.body.decode() for one in storage.in_flight()]
print(json.dumps(sorted(held + [one.decode() for one in storage.enqueued_items()])))
storage.close()
""",
        folder.resolve(),
    )
    assert json.loads(said) == ["before", *["child"] * 50, *["parent"] * 50]


def test_a_child_that_is_forked_while_the_lock_is_held_gets_it(folder: Path) -> None:
    said = output(
        """
import os, sys, threading
from huey_green.storage.file import FileStorage
storage = FileStorage("main", sys.argv[1])
storage.enqueue(b"a")
inside, leave = threading.Event(), threading.Event()
def hold(change):
    inside.set()
    leave.wait()
holder = threading.Thread(target=storage._work, args=(hold,))
holder.start()
inside.wait()
import warnings
warnings.simplefilter("ignore")  # Of forking while there are threads: this is about that.
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, b"started")
    os._exit(0 if storage.queue_size() == 1 else 1)
os.read(reader, 10)
leave.set()
holder.join()
_, status = os.waitpid(child, 0)
print(status, storage.queue_size())
""",
        folder,
    )
    assert said == "0 1\n"


# Threads.


def test_handles_on_one_folder_share_what_they_know_and_one_lock(
    storage: FileStorage, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(folder)
    others = [
        FileStorage("main", folder, use_thread_lock=True),
        FileStorage("other", tmp_path / "link", use_thread_lock=True),
        storage.independent(),
    ]
    handles = [storage, *others]
    together(*(lambda one=one: [one.incr("n") for _ in range(100)] for one in handles))
    assert storage.incr("n", 0) == 400
    assert len({id(one._at()) for one in handles}) == 1
    for one in others:
        one.close()


def test_the_last_handle_that_is_closed_closes_the_files(folder: Path) -> None:
    def open_files() -> int:
        if not os.path.exists("/proc/self/fd"):
            return 0
        names = [f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd")]
        return sum(os.path.realpath(one).startswith(str(folder.resolve())) for one in names)

    one, two = FileStorage("main", folder), FileStorage("main", folder)
    one.enqueue(b"a")
    assert two.queue_size() == 1
    one.close()
    assert two.queue_size() == 1
    two.close()
    assert open_files() == 0
    assert one.queue_size() == 1
    one.close()
    assert open_files() == 0


def test_one_who_waits_leads_and_another_takes_over(storage: FileStorage) -> None:
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


# gevent.

LOCKED = """
from gevent import monkey
monkey.patch_all()
import fcntl, os, sys
import gevent
from huey_green.storage.file import FileStorage

storage = FileStorage("main", sys.argv[1], use_thread_lock=%s)
other = storage.independent()
storage.enqueue(b"a")
lock = os.open(os.path.join(sys.argv[1], "lock"), os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.001)

ticker = gevent.spawn(tick)
writers = [gevent.spawn(one.enqueue, b"b") for one in (storage, other, storage)]
# Ends only because the hub goes on while the writers wait for the lock.
while ticks < 50:
    gevent.sleep(0.001)
assert not any(one.ready() for one in writers)
fcntl.flock(lock, fcntl.LOCK_UN)
os.close(lock)
gevent.joinall(writers, raise_error=True)
ticker.kill()
assert storage.enqueued_items() == [b"a", b"b", b"b", b"b"]
storage.close()
other.close()
print("ticked")
"""

KILLED = """
from gevent import monkey
monkey.patch_all()
import fcntl, os, sys
import gevent
from huey_green.message import Settlement
from huey_green.storage.file import FileStorage

storage = FileStorage("main", sys.argv[1])
storage.enqueue(b"a")
storage.enqueue(b"b")
lock = os.open(os.path.join(sys.argv[1], "lock"), os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
fetcher = gevent.spawn(storage.fetch, "one", 1)
gevent.sleep(0.05)
try:
    with gevent.Timeout(0.05):
        storage.enqueue(b"c")
except gevent.Timeout:
    pass
fetcher.kill()
fcntl.flock(lock, fcntl.LOCK_UN)
os.close(lock)
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
import os, sys
import gevent
from huey_green.storage.file import FileStorage

storage = FileStorage("main", sys.argv[1])
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
tasks = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 3
assert tasks <= 4, tasks
other.close()
storage.close()
print("woken")
"""

FORKED = """
from gevent import monkey
monkey.patch_all()
import os, sys
import gevent
from gevent.os import fork_gevent
from huey_green.storage.file import FileStorage

storage = FileStorage("main", sys.argv[1])
storage.enqueue(b"a")
assert storage.queue_size() == 1
# Not os.fork(): the event loop of gevent 26.9 sometimes misses that such a child has ended.
child = fork_gevent()
if child == 0:
    storage.enqueue(b"b")
    assert [one.body for one in storage.fetch("child", 1)] == [b"a"]
    os._exit(0)
waitpid = monkey.get_original("os", "waitpid")
while (ended := waitpid(child, os.WNOHANG)) == (0, 0):
    gevent.sleep(0.005)
assert ended == (child, 0), ended
assert storage.enqueued_items() == [b"b"]
storage.close()
print("forked")
"""

COMPETING = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
from huey_green.message import Outgoing, Settlement
from huey_green.storage.file import FileStorage

handles = [FileStorage("main", sys.argv[1], use_thread_lock=True) for _ in range(2)]
seen = []

def produce(n):
    for number in range(n, 500, 5):
        handles[number % 2].enqueue(b"%d" % number)

def consume(n):
    handle = handles[n % 2]
    while len(seen) < 500:
        taken = handle.fetch(f"consumer-{n}", 7, wait=0.05)
        assert handle.settle(f"consumer-{n}", [Settlement(one) for one in taken]) == []
        seen.extend(int(one.body) for one in taken)

gevent.joinall([gevent.spawn(f, n) for n in range(5) for f in (produce, consume)], raise_error=True)
assert sorted(seen) == list(range(500))
for handle in handles:
    handle.close()
print("each once")
"""


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (LOCKED % False, "ticked"),
        (LOCKED % True, "ticked"),
        (KILLED, "consistent"),
        (WAITING, "woken"),
        (FORKED, "forked"),
        (COMPETING, "each once"),
    ],
)
def test_the_event_loop_goes_on(folder: Path, script: str, expected: str) -> None:
    assert output(script, folder).strip() == expected


def test_an_unpatched_process_imports_neither_gevent_nor_sqlite(folder: Path) -> None:
    said = output(
        "import sys\nfrom huey_green.storage import FileStorage\n"
        "storage = FileStorage('main', sys.argv[1])\nstorage.enqueue(b'a')\n"
        "storage.close()\nprint({'gevent', 'sqlite3'} & set(sys.modules))",
        folder,
    )
    assert said == "set()\n"


# Much.


def test_a_hundred_thousand_messages_are_worked_off_in_batches(
    storage: FileStorage, folder: Path
) -> None:
    total = 100_000
    for start in range(0, total, 500):
        storage.enqueue_many([Outgoing(b"%d" % n, n % 7) for n in range(start, start + 500)])
    other = FileStorage("main", folder)
    seen: list[int] = []
    while taken := other.fetch("one", 500):
        assert other.settle("one", [Settlement(one) for one in taken]) == []
        seen += [int(one.body) for one in taken]
    assert seen == sorted(range(total), key=lambda n: (-(n % 7), n))
    assert storage.queue_size() == 0
    assert storage.in_flight() == []
    other.close()
