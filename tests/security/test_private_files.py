# SPDX-License-Identifier: MIT
"""What the storages create in a file system is for their owner, whatever the umask."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from huey_green import FileHuey, SqliteHuey
from huey_green.storage.file import folder

#: A message that has a file of its own, in a folder.
LARGE = "x" * 100_000


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077, 0o777], ids=oct)
def umask(request):
    """Each umask in turn."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(place: Path) -> dict[str, int]:
    """Return the modes of a folder and all that is in it, by their paths from there."""
    return {
        str(one.relative_to(place)): stat.S_IMODE(one.lstat().st_mode)
        for one in [place, *place.rglob("*")]
    }


def used(huey):
    """Have a Huey leave something of each kind in its storage."""
    task = huey.task(name="any")(print)
    task("small")
    task(LARGE)
    task.schedule(("later",), delay=1000)
    huey.put("key", LARGE)
    huey.put("other", "value")
    huey.put_if_empty("ending", "value", ttl=1000)
    task("revoked").revoke()
    with huey.lock_task("lock"):
        huey.storage.incr("counter")
    delivery, *_ = huey.storage.fetch("consumer", 1)
    huey.storage.put_progress("id", b"half")
    return delivery


@pytest.mark.parametrize("levels", [0, 2])
def test_a_queue_in_files_is_its_owners_alone(umask, levels, tmp_path):
    path = tmp_path / "not" / "there" / "yet"
    huey = FileHuey("private", path=path, levels=levels)
    used(huey)
    found = modes(tmp_path / "not")
    huey.storage.close()
    assert {"there/yet/journal", "there/yet/lock", "there/yet/turn"} <= found.keys()
    assert any("results" in name for name in found)
    assert any("bodies/" in name for name in found)
    wrong = {
        name: oct(mode)
        for name, mode in found.items()
        if mode != (0o700 if (tmp_path / "not" / name).is_dir() else 0o600)
    }
    assert wrong == {}


def test_a_journal_that_is_written_anew_has_the_mode_of_the_one_before(
    umask, tmp_path, monkeypatch
):
    monkeypatch.setattr(folder, "ROOM", 0)
    huey = FileHuey("private", path=tmp_path / "queue")
    journal = tmp_path / "queue" / "journal"
    huey.put("key", "value")
    for mode in (0o600, 0o640):
        journal.chmod(mode)
        before = journal.stat().st_ino
        task = huey.task(name=f"any{mode}")(print)
        while journal.stat().st_ino == before:
            task("x" * 1000)
            huey.storage.flush_queue()
        assert stat.S_IMODE(journal.stat().st_mode) == mode
    huey.storage.close()


def test_what_a_killed_process_left_is_not_written_into(umask, tmp_path):
    huey = FileHuey("private", path=tmp_path / "queue")
    huey.put("key", "value")
    left = tmp_path / "queue" / "incoming"
    left.write_text("half")
    left.chmod(0o666)
    huey.put("other", "value")
    huey.storage.close()
    assert set(modes(tmp_path / "queue").values()) == {0o700, 0o600}


def test_a_folder_that_others_may_use_stays_as_it_is_and_its_group_is_served(umask, tmp_path):
    place = tmp_path / "queue"
    place.mkdir()
    place.chmod(0o2770)
    huey = FileHuey("shared", path=place)
    used(huey)
    huey.storage.close()
    found = modes(place)
    assert found.pop(".") == 0o2770
    assert set(found.values()) == {0o2770, 0o660}


def test_files_that_are_there_keep_their_modes(umask, tmp_path):
    huey = FileHuey("kept", path=tmp_path / "queue")
    huey.storage.incr("counter")
    huey.storage.close()
    for name in ("journal", "lock", "turn"):
        (tmp_path / "queue" / name).chmod(0o644)
    (tmp_path / "queue").chmod(0o755)
    other = FileHuey("kept", path=tmp_path / "queue")
    other.storage.incr("counter")
    other.storage.close()
    found = modes(tmp_path / "queue")
    assert found.pop(".") == 0o755
    assert {found[name] for name in ("journal", "lock", "turn")} == {0o644}


@pytest.mark.parametrize("journal_mode", ["wal", "delete", "persist"])
@pytest.mark.parametrize("named", ["path", "uri", "link"])
def test_an_sqlite_file_and_those_beside_it_are_their_owners_alone(
    umask, journal_mode, named, tmp_path
):
    place = tmp_path / "files"
    place.mkdir(mode=0o700)
    place.chmod(0o700)
    filename, options = str(place / "a queue.db"), {}
    if named == "uri":
        filename, options = f"file://{place}/a%20queue.db?mode=rwc", {"uri": True}
    elif named == "link":
        filename = str(tmp_path / "link.db")
        Path(filename).symlink_to(place / "a queue.db")
    huey = SqliteHuey("private", filename=filename, journal_mode=journal_mode, **options)
    used(huey)
    seen = modes(place)
    assert seen["a queue.db"] == 0o600
    if journal_mode == "wal":
        assert {"a queue.db-wal", "a queue.db-shm"} <= seen.keys()
    if journal_mode == "persist":
        assert "a queue.db-journal" in seen
    assert {mode for name, mode in seen.items() if name != "."} == {0o600}
    huey.storage.close()


def test_an_sqlite_file_that_is_there_keeps_its_mode_and_gives_it_to_those_beside_it(
    umask, tmp_path
):
    file = tmp_path / "queue.db"
    file.touch()
    file.chmod(0o660)
    huey = SqliteHuey("kept", filename=file)
    used(huey)
    found = modes(tmp_path)
    huey.storage.close()
    assert {mode for name, mode in found.items() if name.startswith("queue.db")} == {0o660}
    assert len(found) == 4


def test_a_uri_that_creates_no_file_is_left_to_sqlite(tmp_path):
    huey = SqliteHuey("memory", filename="file:shared?mode=memory&cache=shared", uri=True)
    assert huey.put("key", "value")
    huey.storage.close()
    assert not Path("shared").exists()
