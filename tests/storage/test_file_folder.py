# SPDX-License-Identifier: MIT
"""The folder of a file storage: what is in it, who may use it, what can be wrong with it."""

import errno
import fcntl
import logging
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.message import Claim, Effects, Outgoing, Planned, Settlement
from huey_green.storage.file import FileStorage, journal, lock
from huey_green.testing.concurrency import Running, eventually

LARGE = bytes(range(256)) * 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def storage(folder: Path) -> Iterator[FileStorage]:
    storage = FileStorage("main", folder)
    yield storage
    storage.close()


def files(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


# What is in it.


def test_nothing_is_created_before_it_is_used(folder: Path) -> None:
    storage = FileStorage("main", folder)
    assert not folder.exists()
    assert storage.queue_size() == 0
    assert files(folder) == ["journal", "lock", "turn"]
    storage.close()


def test_one_folder_is_one_queue_whatever_its_name(storage: FileStorage, folder: Path) -> None:
    other = FileStorage("other", folder)
    storage.enqueue(b"a")
    storage.put_data("key", b"1")
    assert other.dequeue() == b"a"
    assert other.pop_data("key") == b"1"
    other.close()


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_results_are_kept_in_levels_of_directories(folder: Path, levels: int) -> None:
    storage = FileStorage("main", folder, levels=levels)
    for number in range(40):
        storage.put_data(f"key-{number}", b"%d" % number)
    results = list((folder / "results").rglob("*"))
    names = [one.relative_to(folder / "results").parts for one in results if one.is_file()]
    assert len(names) == 40
    assert {len(parts) for parts in names} == {levels + 1}
    assert all("".join(parts[:-1]) == parts[-1][:levels] for parts in names)
    assert storage.result_items() == {f"key-{n}": b"%d" % n for n in range(40)}
    storage.close()


def test_other_levels_than_those_of_the_folder_are_refused(
    storage: FileStorage, folder: Path
) -> None:
    storage.put_data("key", b"1")
    other = FileStorage("main", folder, levels=3)
    with pytest.raises(ConfigurationError, match=r"levels=3: .* kept in 2 levels"):
        other.peek_data("key")
    assert storage.peek_data("key") == b"1"
    other.close()


def test_the_folder_stays_the_same_where_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = FileStorage("main", "queue")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    storage.enqueue(b"a")
    assert (tmp_path / "queue" / "journal").exists()
    assert storage.describe() == f"files in {tmp_path / 'queue'}"
    storage.close()


def test_a_folder_that_is_deleted_is_created_again_empty(
    storage: FileStorage, folder: Path
) -> None:
    other = storage.independent()
    storage.enqueue(b"a")
    storage.put_data("key", b"1")
    [held] = other.fetch("one", 1)
    shutil.rmtree(folder)
    assert storage.queue_size() == 0
    assert other.peek_data("key") is None
    storage.enqueue(b"b")
    taken = other.fetch("one", 5)
    assert [one.body for one in taken] == [b"b"]
    # No receipt of before fits.
    assert storage.settle("one", [Settlement(held)]) == [Settlement(held)]
    assert storage.settle("one", [Settlement(taken[0])]) == []
    other.close()


def test_a_folder_that_is_deleted_does_not_end_a_wait(storage: FileStorage, folder: Path) -> None:
    waiting = Running(lambda: storage.fetch("one", 5, wait=30))
    eventually(lambda: storage._watch._leader)
    shutil.rmtree(folder)
    with_other = storage.independent()
    with_other.enqueue(b"a")
    assert [one.body for one in waiting.result()] == [b"a"]
    with_other.close()


def test_new_files_are_for_their_owner_alone(storage: FileStorage, folder: Path) -> None:
    storage.enqueue(LARGE)
    storage.put_data("key", b"1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {stat.S_IMODE((folder / name).stat().st_mode) for name in files(folder)}
    assert modes == {0o600}


def test_a_folder_that_a_group_may_write_to_is_shared_with_it(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)
    before = os.umask(0o002)
    try:
        storage = FileStorage("main", folder)
        storage.enqueue(LARGE)
        storage.put_data("key", b"1")
        storage.close()
    finally:
        os.umask(before)
    for one in folder.rglob("*"):
        assert stat.S_IMODE(one.stat().st_mode) & 0o660 == 0o660, one
    assert stat.S_IMODE(folder.stat().st_mode) == 0o770


def test_large_data_has_files_of_its_own_that_go_with_it(
    storage: FileStorage, folder: Path
) -> None:
    storage.enqueue_many([Outgoing(LARGE + b"1"), Outgoing(LARGE + b"2"), Outgoing(LARGE + b"3")])
    storage.add_to_schedule(LARGE, 5.0)
    storage.put_progress("task", LARGE)
    storage.put_progress("task", LARGE)
    assert len(list((folder / "bodies").iterdir())) == 5
    assert (folder / "journal").stat().st_size < 2000
    first, second = storage.fetch("one", 2)
    assert (first.body, second.body) == (LARGE + b"1", LARGE + b"2")
    results = Effects(results=(("key", LARGE), ("small", b"1")))
    storage.settle("one", [Settlement(first, results), Settlement(second)])
    assert storage.peek_many(["key", "small"]) == {"key": LARGE, "small": b"1"}
    assert storage.dequeue() == LARGE + b"3"
    assert storage.promote(now=10.0).moved == 1
    assert storage.dequeue() == LARGE
    assert len(list((folder / "bodies").iterdir())) == 1
    storage.flush_all()
    assert list((folder / "bodies").iterdir()) == []


def test_the_journal_does_not_grow_for_ever(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huey_green.storage.file.folder.ROOM", 20_000)
    storage.enqueue_many([Outgoing(b"%d" % n, -1) for n in range(100)])
    for number in range(2000):
        storage.enqueue(b"x" * 100)
        storage.settle("one", [Settlement(one) for one in storage.fetch("one", 1)])
        if number % 100 == 0:
            storage.put_data("key", b"%d" % number)
    assert (folder / "journal").stat().st_size < 60_000
    assert storage.enqueued_items() == [b"%d" % n for n in range(100)]


def test_a_journal_that_is_mostly_needed_is_let_be(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huey_green.storage.file.folder.ROOM", 20_000)
    storage.enqueue(b"a")
    before = (folder / "journal").stat().st_ino
    for _ in range(300):
        storage.enqueue(b"x" * 100)
        storage.queue_size()
    assert (folder / "journal").stat().st_ino == before


def test_numbers_are_not_used_again_after_the_journal_was_written_anew(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim("key", "one")
    storage.postpone(b"a", claim, at=5.0)
    storage.enqueue(b"b")
    held = storage.fetch("one", 1)
    assert storage.read_schedule(10.0) == [b"a"]
    storage.release("one", held)
    assert storage.dequeue() == b"b"
    with monkeypatch.context() as patch:
        patch.setattr("huey_green.storage.file.folder.ROOM", 0)
        storage.queue_size()
    storage.enqueue(b"c")
    assert storage.fetch("one", 1)[0].receipt != held[0].receipt
    # The claim stands for a message that is gone, and not for the next one.
    storage.add_to_schedule(b"other", 5.0)
    assert storage.postpone(b"new", Claim("key", "two"), at=5.0) is None
    assert storage.scheduled_items() == [b"other", b"new"]


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "path is missing"),
        ({"path": ""}, "path is missing"),
        ({"path": 5}, "path=5: expected the path of a folder"),
        ({"name": Path("queue")}, "The folder is the second argument"),
        ({"path": "queue", "levels": -1}, "levels=-1: expected a whole number from 0"),
        ({"path": "queue", "levels": 17}, "levels=17"),
        ({"path": "queue", "levels": True}, "levels=True"),
        ({"path": "queue", "levels": "2"}, "levels='2'"),
        ({"path": "queue", "use_thread_lock": "no"}, "use_thread_lock='no': expected True or"),
        ({"path": "queue", "timeout": -1}, "timeout=-1: expected a number of seconds"),
        ({"path": "queue", "timeout": float("inf")}, "timeout=inf"),
        ({"path": "queue", "fsync": None}, "fsync=None"),
        ({"path": "queue", "level": 3}, "level=3: no option of FileStorage, which has path"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FileStorage(**options)


def test_options_go_on_to_another_handle(folder: Path) -> None:
    storage = FileStorage("main", os.fsencode(folder), 3, True, timeout=2, fsync=True)
    for handle in (storage, storage.independent()):
        assert (handle.name, handle.path, handle.levels) == ("main", str(folder), 3)
        assert handle.use_thread_lock
        assert (handle._options.timeout, handle._options.fsync) == (2, True)


def test_with_fsync_what_is_written_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        real(fd)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("the names of open files are not told here")
    storage = FileStorage("main", folder, levels=0, fsync=True)
    storage.queue_size()
    monkeypatch.setattr(os, "fsync", fsync)
    storage.enqueue(b"a")
    assert synced == ["journal"]
    storage.put_data("key", b"1")
    assert synced == ["journal", "incoming", "results"]
    storage.close()


def test_a_system_without_file_locks_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    with pytest.raises(ConfigurationError, match="use SqliteStorage"):
        FileStorage("main", folder)


def test_a_file_system_without_locks_serves_one_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ConfigurationError, match=r"has no locks .*use_thread_lock=True"):
        FileStorage("main", folder).queue_size()
    storage = FileStorage("main", folder, use_thread_lock=True)
    storage.enqueue(b"a")
    assert storage.queue_size() == 1
    storage.close()


# Errors.


@pytest.mark.parametrize("use_thread_lock", [False, True])
def test_a_lock_that_is_not_let_go_is_told(folder: Path, use_thread_lock: bool) -> None:
    storage = FileStorage("main", folder, 2, use_thread_lock, timeout=0.05)
    storage.enqueue(b"a")
    for name in ("lock", "turn"):
        fd = os.open(folder / name, os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(StorageUnavailable, match=r"stayed locked for 0\.05 s by another proc"):
            storage.enqueue(b"b")
        os.close(fd)
    assert storage.enqueued_items() == [b"a"]
    storage.close()


def test_a_thread_that_does_not_let_go_is_told(folder: Path) -> None:
    one, two = FileStorage("main", folder), FileStorage("main", folder, timeout=0.05)
    with one._at()._lock.held(1, True), pytest.raises(StorageUnavailable, match="by a thread of"):
        two.queue_size()
    assert two.queue_size() == 0
    one.close()
    two.close()


def test_a_path_that_is_a_file_is_told(folder: Path) -> None:
    storage = FileStorage("main", folder)
    folder.touch()
    with pytest.raises(StorageUnavailable, match="is no folder: name another path"):
        storage.ping()
    with pytest.raises(ConfigurationError, match="expected a folder, and that is a file"):
        FileStorage("main", folder)
    below = FileStorage("main", folder / "below")
    with pytest.raises(StorageUnavailable, match="is no folder: name another path"):
        below.ping()


def test_a_journal_of_something_else_is_left_alone(storage: FileStorage, folder: Path) -> None:
    folder.mkdir()
    (folder / "journal").write_bytes(b"something else" * 20)
    with pytest.raises(StorageUnavailable, match="damaged, or no journal of huey_green"):
        storage.queue_size()
    assert (folder / "journal").read_bytes() == b"something else" * 20


def test_a_journal_of_a_later_format_is_refused(storage: FileStorage, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "FORMAT", 99)
        storage.enqueue(b"a")
    with pytest.raises(ConfigurationError, match="format 99"):
        storage.enqueue(b"b")


def test_a_full_disk_keeps_nothing_of_the_call_and_works_again(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.enqueue(b"a")

    def write_at(fd: int, data: bytes, offset: int) -> None:
        os.pwrite(fd, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("huey_green.storage.file.disk.write_at", write_at)
        with pytest.raises(StorageUnavailable, match="no room left: free some space"):
            storage.enqueue_many([Outgoing(b"b"), Outgoing(b"c")])
    assert storage.enqueued_items() == [b"a"]
    storage.enqueue(b"d")
    assert storage.enqueued_items() == [b"a", b"d"]


def test_a_result_that_cannot_be_put_in_place_is_put_there_later(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    storage.enqueue(b"a")
    [held] = storage.fetch("one", 1)

    def replace(source: str, target: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("huey_green.storage.file.disk.os.replace", replace)
        settlement = Settlement(held, Effects(results=(("key", b"1"),)))
        # It counts: to settle it again would be refused.
        assert storage.settle("one", [settlement]) == []
        with pytest.raises(StorageUnavailable, match="look at the disk"):
            storage.peek_data("key")
    assert storage.peek_data("key") == b"1"
    assert storage.in_flight() == []
    assert "look at the disk" in caplog.text


# The loss of power, after which the system has started anew.


def restarted(folder: Path, cut: int = 0, head: bytes | None = None) -> FileStorage:
    """Return a handle after the loss of power, with ``cut`` bytes that did not reach the disk."""
    path = folder / "journal"
    content = bytearray(path.read_bytes())
    if cut:
        content[-cut:] = bytes(cut)
    fields = journal._read_head(bytes(content[: journal.HEAD_SIZE]), "journal")
    assert fields is not None
    content[: journal.HEAD_SIZE] = fields._replace(boot=b"before..").packed()
    if head is not None:
        content[20 : 20 + len(head)] = head
    path.unlink()
    path.write_bytes(content)
    return FileStorage("main", folder)


def test_what_the_power_took_is_left_out_and_the_rest_stays(
    storage: FileStorage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage.enqueue(b"a")
    storage.enqueue(b"b")
    # One that only enqueues notices it too, before it writes behind what is damaged.
    after = restarted(folder, cut=10)
    with caplog.at_level(logging.WARNING, "huey_green"):
        after.enqueue(b"c")
    assert "bytes were lost with the power" in caplog.text
    assert after.enqueued_items() == [b"a", b"c"]
    after.close()


def test_nothing_is_lost_where_all_was_written(
    storage: FileStorage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage.enqueue(b"a")
    after = restarted(folder)
    assert after.enqueued_items() == [b"a"]
    assert caplog.text == ""
    after.close()


def test_a_head_that_was_half_written_is_made_anew(storage: FileStorage, folder: Path) -> None:
    storage.enqueue(b"a")
    storage.settle(
        "one",
        [
            Settlement(one, Effects((("key", b"1"),), (Outgoing(b"b"),), (Planned(b"c", 5.0),)))
            for one in storage.fetch("one", 1)
        ],
    )
    after = restarted(folder, head=struct.pack("<Q", 12345))
    assert after.enqueued_items() == [b"b"]
    assert after.scheduled_items() == [b"c"]
    assert after.result_items() == {"key": b"1"}
    after.close()


def test_a_value_that_was_half_written_is_none(storage: FileStorage, folder: Path) -> None:
    storage.put_data("key", b"value")
    [path] = [one for one in (folder / "results").rglob("*") if one.is_file()]
    for size in range(path.stat().st_size):
        os.truncate(path, size)
        assert storage.peek_data("key") is None
        assert storage.result_items() == {}
    assert storage.put_if_empty("key", b"other")
    assert storage.peek_data("key") == b"other"


def test_a_journal_that_was_damaged_later_is_told(storage: FileStorage, folder: Path) -> None:
    storage.enqueue(b"a" * 100)
    content = bytearray((folder / "journal").read_bytes())
    content[-50] ^= 1
    (folder / "journal").write_bytes(content)
    with pytest.raises(StorageUnavailable, match="is damaged at byte"):
        storage.enqueued_items()


def test_a_missing_body_does_not_keep_back_the_other_messages(
    storage: FileStorage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage.enqueue(LARGE)
    storage.enqueue(b"a")
    shutil.rmtree(folder / "bodies")
    assert [one.body for one in storage.fetch("one", 2)] == [b"", b"a"]
    assert "is missing" in caplog.text


def test_what_a_killed_process_left_half_written_is_ignored_and_removed(
    storage: FileStorage, folder: Path
) -> None:
    storage.enqueue(LARGE)
    storage.put_data("key", b"1")
    storage.close()
    for name in ("incoming", "journal.next", "bodies/orphan", "trash-1/a/b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"half of it")
    other = FileStorage("main", folder)
    assert other.queue_size() == 1
    assert other.result_items() == {"key": b"1"}
    assert not (folder / "trash-1").exists()
    assert [one for one in files(folder) if one[0] in "ijt"] == ["journal", "turn"]
    assert len(list((folder / "bodies").iterdir())) == 1
    other.close()
