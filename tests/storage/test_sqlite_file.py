# SPDX-License-Identifier: MIT
"""The file of an SQLite storage: who shares it, its options, its formats, its failures."""

import math
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from huey_green import SqliteHuey
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.message import Claim, Delivery, Effects, Extra, Member, Outgoing, Settlement
from huey_green.storage.sqlite import SqliteStorage
from huey_green.testing.concurrency import second_handle, together


@pytest.fixture
def filename(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def storage(filename: Path) -> Iterator[SqliteStorage]:
    storage = SqliteStorage("main", filename)
    yield storage
    storage.close()


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


def test_what_tasks_of_two_names_claim_note_and_limit_does_not_mix(
    storage: SqliteStorage, filename: Path
) -> None:
    other = SqliteStorage("other", filename)
    for handle, mark in ((storage, b"1"), (other, b"2")):
        assert handle.enqueue_claimed(mark, Claim("key", "one")) is None
        assert handle.postpone(mark, Claim("later", "one"), 5.0) is None
        [delivery] = handle.fetch("same", 1)
        assert handle.admit("same", delivery, "limit", 1)
        member = Member("chord", int(mark), 3, mark, Outgoing(b"callback"))
        effects = Effects(extra=Extra(members=(member,), limited="other"))
        assert handle.settle("same", [Settlement(Delivery(b""), effects)]) == []
        handle.enqueue(b"parked" + mark)
        assert not handle.admit("same", handle.fetch("same", 1)[0], "limit", 1)
        assert handle.hit("key", 1, 1000.0) == 0.0
        handle.cancel("task" + mark.decode())
        handle.put_progress("task", mark)
    assert storage.chord_values("chord", 3) == [None, b"1", None]
    assert other.chord_values("chord", 3) == [None, None, b"2"]
    storage.leave("same")
    assert (storage.parked_items(), other.parked_items()) == ([], [b"parked2"])
    storage.flush_all()
    assert other.parked_items() == [b"parked2"]
    assert other.scheduled_items() == [b"2"]
    assert other.hits("key", 1000.0) == 1
    assert other.canceled(0.0)[0] == ["task2"]
    assert other.peek_progress("task") == b"2"
    assert other.enqueue_claimed(b"", Claim("key", "two")) == "one"
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
    assert storage.describe() == f"SQLite {tmp_path / 'queue.db'}"


def test_a_missing_directory_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    storage = SqliteStorage("main", tmp_path / "missing" / "queue.db")
    with pytest.raises(ConfigurationError, match=r"no directory .*missing"):
        storage.enqueue(b"a")


# Options.

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"filename": ""}, "MemoryStorage"),
    ({"filename": ":memory:"}, "MemoryStorage"),
    ({"filename": None}, "filename=None: expected the path of a file"),
    ({"filename": 5}, "filename=5: expected the path of a file"),
    ({"name": None}, "name=None: the name of a queue is a string"),
    ({"name": Path("queue.db")}, r"filename='huey\.db'"),
    ({"cache_mb": "8"}, "cache_mb='8': expected a number of megabytes"),
    ({"cache_mb": -1}, "cache_mb=-1: expected a number of megabytes"),
    ({"cache_mb": True}, "cache_mb=True: expected a number of megabytes"),
    ({"cache_mb": None}, "cache_mb=None: expected a number of megabytes"),
    ({"timeout": "5"}, "timeout='5': expected a number of seconds"),
    ({"timeout": -0.1}, "timeout=-0.1: expected a number of seconds"),
    ({"timeout": math.nan}, "timeout=nan: expected a number of seconds"),
    ({"timeout": math.inf}, "timeout=inf: expected a number of seconds"),
    ({"fsync": "false"}, "fsync='false': expected True or False"),
    ({"fsync": None}, "fsync=None: expected True or False"),
    ({"strict_fifo": 2}, "strict_fifo=2: expected True or False"),
    ({"journal_mode": "wall"}, "journal_mode='wall': expected one of wal, delete"),
    ({"journal_mode": None}, "journal_mode=None: expected one of wal, delete"),
    ({"cache_size": 8}, "cache_size=8: neither an option of SqliteStorage"),
    ({"url": "redis://host"}, "url='redis://host': neither an option"),
    ({"database": "queue.db"}, "database='queue.db': neither an option"),
    ({"detect_types": "all"}, "detect_types='all': neither an option"),
    ({"factory": object}, "factory=.*: neither an option"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(one) for one, _ in WRONG])
def test_a_wrong_option_is_refused_where_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        SqliteStorage(**options)
    with pytest.raises(ConfigurationError, match="name" if "name" in options else message):
        SqliteHuey(**options)
    assert list(tmp_path.iterdir()) == []


def test_the_name_comes_first_and_both_have_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = [
        SqliteStorage(),
        SqliteStorage("n"),
        SqliteStorage("n", "f.db"),
        SqliteStorage(filename="f.db", name="n"),
        SqliteStorage("n", b"f.db"),
        SqliteStorage("n", tmp_path / "f.db"),
    ]
    assert [(one.name, one.filename) for one in made] == [
        ("huey", "huey.db"),
        ("n", "huey.db"),
        *[("n", "f.db")] * 3,
        ("n", str(tmp_path / "f.db")),
    ]
    made[2].enqueue(b"a")
    assert [one.queue_size() for one in made] == [0, 0, 1, 1, 1, 1]
    for one in made:
        one.close()


def settings(handle: SqliteStorage) -> list[Any]:
    names = ("journal_mode", "synchronous", "cache_size", "busy_timeout")
    return handle._database.read(
        lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["wal", 1, -8192, 5000]),
        ({"cache_mb": 3, "fsync": True, "timeout": 2}, ["wal", 2, -3072, 2000]),
        ({"cache_mb": 0.5, "fsync": 0, "timeout": 0.25}, ["wal", 1, -512, 250]),
        ({"cache_mb": 0, "timeout": 0, "journal_mode": "DELETE"}, ["delete", 1, 0, 0]),
        ({"journal_mode": "persist", "strict_fifo": True}, ["persist", 1, -8192, 5000]),
    ],
)
def test_options_reach_the_database(
    filename: Path, options: dict[str, Any], found: list[Any]
) -> None:
    storage = SqliteStorage("main", filename, **options)
    for handle in (storage, storage.independent()):
        assert settings(handle) == found
        handle.close()


@pytest.mark.parametrize("mode", ["wal", "delete", "truncate", "persist", "memory", "off"])
def test_a_queue_works_in_every_journal_mode_and_goes_from_one_to_another(
    filename: Path, mode: str
) -> None:
    for before in ("wal", "delete"):
        first = SqliteStorage("main", filename, journal_mode=before)
        first.enqueue(before.encode())
        first.close()
        storage = SqliteStorage("main", filename, journal_mode=mode)
        assert settings(storage)[0] == mode
        with second_handle(storage) as other:
            taken = storage.fetch("one", 1) + other.fetch("two", 1)
            assert [one.body for one in taken] == [before.encode()]
            assert storage.settle("one", [Settlement(one) for one in taken]) == []
            assert storage.in_flight() == []
        storage.close()


@pytest.mark.parametrize("strict_fifo", [False, True])
def test_the_order_of_arrival_is_kept_after_deletions(filename: Path, strict_fifo: bool) -> None:
    storage = SqliteStorage("main", filename, strict_fifo=strict_fifo)
    storage.enqueue_many([Outgoing(b"a"), Outgoing(b"b")])
    last = storage.fetch("one", 2)[-1]
    assert storage.settle("one", [Settlement(last)]) == []
    storage.enqueue(b"c")
    storage.leave("one")
    storage.enqueue(b"d")
    assert storage.enqueued_items() == [b"a", b"c", b"d"]
    storage.close()


def test_arguments_for_the_connection_are_passed_on(filename: Path) -> None:
    class Counted(sqlite3.Connection):
        opened = 0

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            Counted.opened += args[0] != ":memory:"
            super().__init__(*args, **kwargs)

    storage = SqliteStorage(
        "main",
        f"file:{filename}?mode=rwc",
        uri=True,
        factory=Counted,
        cached_statements=64,
        detect_types=sqlite3.PARSE_DECLTYPES,
        # Set by us, whatever is given.
        isolation_level="EXCLUSIVE",
        check_same_thread=True,
    )
    storage.enqueue(b"a")
    other = storage.independent()
    assert other.enqueued_items() == [b"a"]
    assert Counted.opened == 2
    storage.close()
    other.close()
    assert filename.exists()


# Formats.

FIRST_FORMAT = (
    """
    CREATE TABLE green_format (version INTEGER NOT NULL)
    """,
    """
    INSERT INTO green_format (version) VALUES (1)
    """,
    """
    CREATE TABLE green_message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        priority REAL NOT NULL,
        consumer TEXT,
        lease INTEGER NOT NULL DEFAULT 0,
        begun INTEGER NOT NULL DEFAULT 0,
        history TEXT NOT NULL DEFAULT '[]',
        body BLOB NOT NULL
    )
    """,
    """
    CREATE INDEX green_message_ready ON green_message (queue, priority DESC, id)
    WHERE consumer IS NULL
    """,
    """
    CREATE INDEX green_message_held ON green_message (queue, consumer)
    WHERE consumer IS NOT NULL
    """,
    """
    CREATE TABLE green_consumer (
        queue TEXT NOT NULL,
        consumer TEXT NOT NULL,
        lease_ends_at REAL NOT NULL,
        PRIMARY KEY (queue, consumer)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_schedule (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        at REAL NOT NULL,
        body BLOB NOT NULL
    )
    """,
    """
    CREATE INDEX green_schedule_due ON green_schedule (queue, at, id)
    """,
    """
    CREATE TABLE green_value (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        expires_at REAL,
        revocation INTEGER NOT NULL DEFAULT 0,
        value BLOB NOT NULL,
        PRIMARY KEY (queue, key)
    )
    """,
    """
    CREATE INDEX green_value_expiring ON green_value (queue, expires_at)
    WHERE expires_at IS NOT NULL
    """,
    """
    CREATE INDEX green_value_revocation ON green_value (queue) WHERE revocation = 1
    """,
    """
    CREATE TABLE green_counter (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (queue, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_once (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (queue, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_dead (
        queue TEXT NOT NULL,
        id TEXT NOT NULL,
        died_at REAL NOT NULL,
        letter BLOB NOT NULL,
        PRIMARY KEY (queue, id)
    )
    """,
)


def of_the_first_format(filename: Path) -> None:
    """Write a file as it was before there were parked messages, claims and chords."""
    with sqlite3.connect(filename) as db:
        for statement in FIRST_FORMAT:
            db.execute(statement)
        db.execute("INSERT INTO green_consumer VALUES ('main', 'old', 1.0)")
        db.executemany(
            "INSERT INTO green_message (queue, priority, consumer, lease, body)"
            " VALUES ('main', ?, ?, ?, ?)",
            [(0, "old", 1, b"held"), (0, None, 0, b"ready"), (5, None, 0, b"urgent")],
        )
        db.execute("INSERT INTO green_schedule (queue, at, body) VALUES ('main', 5.0, x'70')")
        db.execute(
            "INSERT INTO green_value (queue, key, revocation, value)"
            " VALUES ('main', 'r:1', 1, x'75')"
        )
        db.execute("INSERT INTO green_counter VALUES ('main', 'n', 7)")
    db.close()


def shape(filename: Path) -> tuple[set[Any], set[Any], list[Any]]:
    """Return the columns, the indexes and the version of a file."""
    db = sqlite3.connect(filename)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {(t, *row[1:]) for t in tables for row in db.execute(f"PRAGMA table_info({t})")}
    indexes = set(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    version = db.execute("SELECT version FROM green_format").fetchall()
    db.close()
    return columns, indexes, version


def test_a_file_of_the_first_format_is_brought_up_to_the_present_one(
    storage: SqliteStorage, filename: Path, tmp_path: Path
) -> None:
    of_the_first_format(filename)
    assert storage.enqueued_items() == [b"urgent", b"ready"]
    new = SqliteStorage("main", tmp_path / "new.db")
    new.enqueue(b"a")
    assert shape(filename) == shape(tmp_path / "new.db")
    new.close()
    [urgent] = storage.fetch("one", 1)
    assert storage.has_revocations()
    assert not storage.admit("one", urgent, "key", 0)
    assert storage.parked_items() == [b"urgent"]
    assert storage.settle("old", [Settlement(Delivery(b"held", "1:1"))]) == []
    assert storage.scheduled_items() == [b"p"]
    assert storage.remove_scheduled(b"p")
    assert storage.pop_revocation("r:1") == b"u"
    assert storage.incr("n") == 8
    storage.enqueue(b"next")
    assert storage.reclaim() == 0
    assert storage.enqueued_items() == [b"urgent", b"ready", b"next"]


def test_a_file_of_the_first_format_may_be_opened_by_many_at_once(filename: Path) -> None:
    of_the_first_format(filename)
    handles = [SqliteStorage("main", filename, timeout=30) for _ in range(8)]
    sends = [lambda handle=handle: handle.enqueue(b"a") for handle in handles]
    together(*sends)
    assert handles[0].queue_size() == 10
    for handle in handles:
        handle.close()


@pytest.mark.parametrize("version", [0, 99])
def test_a_file_of_an_unknown_format_is_refused(
    storage: SqliteStorage, filename: Path, version: int
) -> None:
    storage.enqueue(b"a")
    storage.close()
    with sqlite3.connect(filename) as db:
        db.execute("UPDATE green_format SET version = ?", (version,))
    db.close()
    with pytest.raises(ConfigurationError, match=f"format {version}"):
        storage.enqueue(b"b")


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
