# SPDX-License-Identifier: MIT
"""A change is made whole or not at all, wherever its process ends and whatever fails."""

import errno
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from file_crashes import (
    CALLS,
    Killed,
    faulty,
    litter,
    populate,
    reopened,
    rewriting,
    seen,
    small_files,
)

from huey_green.exceptions import StorageUnavailable

KILLING = Path(__file__).with_name("killing.py")


@pytest.fixture(autouse=True)
def _small_files() -> Iterator[None]:
    with small_files():
        yield


class Crashes:
    """A populated folder, and copies of it in which one call goes wrong."""

    def __init__(
        self,
        path: Path,
        name: str,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._around = around
        self._original = path / "original"
        self._copies = path / "copies"
        self._call = CALLS[name]
        storage = reopened(self._original)
        self._held = populate(storage)
        self.before = seen(storage)
        _, self.after, self.count = self.crash(sys.maxsize, Killed())
        assert self.count
        assert self.after != self.before

    def crash(self, at: int, error: BaseException, torn: bool = False) -> tuple[bool, object, int]:
        """Return whether the call raised at operation ``at``, what is seen then, and the count."""
        path = self._copies / "queue"
        shutil.copytree(self._original, path)
        storage = reopened(path)
        with faulty(at, error, torn) as faults, self._around():
            try:
                self._call(storage, self._held)
                raised = False
            except (Killed, StorageUnavailable):
                raised = True
        if isinstance(error, Killed):
            storage = reopened(path)
        found = seen(storage)
        assert litter(path) == set()
        shutil.rmtree(self._copies)
        return raised, found, faults.count

    def kill_everywhere(self) -> None:
        for at in range(1, self.count + 1):
            for torn in (False, True):
                raised, found, _ = self.crash(at, Killed(), torn)
                assert raised
                assert found in (self.before, self.after), f"operation {at} of {self.count}"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_killed_between_two_file_operations_is_made_whole_or_not_at_all(
    tmp_path: Path, name: str
) -> None:
    Crashes(tmp_path, name).kill_everywhere()


@pytest.mark.parametrize("name", ["settle", "fetch", "flush_all"])
def test_so_is_one_that_is_killed_while_the_journal_is_written_anew(
    tmp_path: Path, name: str
) -> None:
    Crashes(tmp_path, name, rewriting).kill_everywhere()


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_fails_changes_nothing_and_one_that_does_not_changes_all(
    tmp_path: Path, name: str
) -> None:
    crashes = Crashes(tmp_path, name)
    outcomes = set()
    for at in range(1, crashes.count + 1):
        raised, found, _ = crashes.crash(at, OSError(errno.ENOSPC, "No space left on device"))
        assert found == (crashes.before if raised else crashes.after), f"operation {at}"
        outcomes.add(raised)
    assert True in outcomes


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_lost_or_doubled_when_processes_are_killed_at_any_moment(
    tmp_path: Path, workers: int
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    command = [sys.executable, "-W", "error", KILLING, tmp_path / "queue", seed, workers, 60]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] == 60 * workers
    assert told["ended"] == 1
