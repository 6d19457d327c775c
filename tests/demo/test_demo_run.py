# SPDX-License-Identifier: MIT
"""``huey_green demo`` from its start to its end, as a process, on real storages."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from huey_green.demo import command
from huey_green.testing.redis import PrivateRedis

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 90.0


@pytest.fixture(scope="module")
def redis() -> Iterator[PrivateRedis]:
    """Return a Redis that stands for the user's own."""
    with PrivateRedis() as redis:
        yield redis


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    """Return a function that starts the demo, whose temporary files go to a place of ours."""
    demo = Demo(tmp_path)
    yield demo
    demo.end()


class Demo:
    """A running demo, and what a test may ask of it."""

    def __init__(self, temporary: Path) -> None:
        self.temporary = temporary / "temporary"
        self.temporary.mkdir()
        self.directory = temporary

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "huey_green", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        return self.process

    def finish(self, *arguments: str) -> tuple[int, str, str]:
        """Run the demo to its end; return status, output and errors."""
        output, errors = self.start(*arguments).communicate(timeout=LIMIT)
        return self.process.returncode, output, errors

    def read_until(self, pattern: str) -> str:
        """Read lines of output up to one that matches, and return them all."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if re.search(pattern, line):
                return "".join(lines)
        raise AssertionError(f"no line matches {pattern}: {lines}")

    def left(self) -> list[str]:
        """Return files and, once they had time to end, processes that the demo left behind."""
        return [*self.processes_left(), *map(str, self.temporary.iterdir())]

    def processes_left(self) -> list[str]:
        """Return its processes that do not end."""
        ends_at = time.monotonic() + 10
        while (running := self._processes()) and time.monotonic() < ends_at:
            time.sleep(0.05)
        return running

    def _processes(self) -> list[str]:
        # Each of its children has our temporary directory in its environment or command line.
        mark = str(self.temporary)
        listing = subprocess.run(
            ["ps", "axewwo", "pid=,command="], capture_output=True, text=True, check=True
        )
        return [line for line in listing.stdout.splitlines() if mark in line]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def accounted(output: str) -> tuple[int, int]:
    """Return how many pages were asked for, and how many fetched or given up."""
    found = re.search(r"(\d+) asked, (\d+) fetched, (\d+) given up", output)
    assert found, output
    asked, fetched, failed = map(int, found.groups())
    return asked, fetched + failed


def test_sixty_pages_over_a_redis_that_the_user_names(demo, redis):
    url = redis.url
    status, output, errors = demo.finish("--pages", "60", "--workers", "50", "--storage", url)
    assert (status, errors) == (0, "")
    assert accounted(output) == (60, 60)
    assert "\x1b" not in output
    [connections] = re.findall(r"connections +(\d+) to Redis", output)
    assert 1 <= int(connections) <= 5
    assert demo.left() == []
    assert keys_in(redis) == []


def test_sixty_pages_over_sqlite(demo, tmp_path):
    status, output, errors = demo.finish(
        *("--pages", "60", "--workers", "50"),
        *("--storage", f"sqlite://{tmp_path / 'queue.db'}"),
    )
    assert (status, errors) == (0, "")
    assert accounted(output) == (60, 60)
    assert "SQLite" in output
    assert demo.left() == []


def test_without_a_storage_it_brings_its_own(demo):
    status, output, errors = demo.finish("--pages", "20", "--workers", "20")
    assert (status, errors) == (0, "")
    assert accounted(output) == (20, 20)
    assert "private server" in output
    assert demo.left() == []


@pytest.mark.parametrize("moment", ["storage ", "consumer ", r"[1-9]\d* of \d+ pages"])
def test_ctrl_c_leaves_nothing_behind(demo, moment):
    process = demo.start("--pages", "2000", "--workers", "20")
    demo.read_until(moment)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, errors) == (130, "")
    assert "Interrupted" in output
    assert demo.left() == []


def test_ctrl_c_cleans_the_users_redis(demo, redis):
    process = demo.start("--pages", "2000", "--workers", "20", "--storage", redis.url)
    demo.read_until(r"[1-9]\d* of \d+ pages")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert keys_in(redis) == []


def test_a_consumer_that_dies_is_reported_with_its_log(demo):
    demo.start("--pages", "2000", "--workers", "20")
    output = demo.read_until("consumer ")
    [pid] = re.findall(r"\(pid (\d+)\)", output)
    os.kill(int(pid), signal.SIGKILL)
    _, errors = demo.process.communicate(timeout=LIMIT)
    assert demo.process.returncode == 1
    assert "the consumer has ended with status -9" in errors
    assert demo.left() == []


def test_a_demo_that_is_killed_takes_its_children_with_it(demo):
    process = demo.start("--pages", "2000", "--workers", "20")
    demo.read_until(r"[1-9]\d* of \d+ pages")
    process.kill()
    process.communicate(timeout=LIMIT)
    assert demo.processes_left() == []


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("redis://127.0.0.1:1/0", "127.0.0.1:1"),
        ("redis://127.0.0.1:notaport/0", "Port"),
        ("mysql://x", "expected redis://host:port/db or sqlite:///path"),
        ("sqlite:////nowhere/at/all.db", "/nowhere/at/all.db"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_clear_line(demo, storage, said):
    status, _, errors = demo.finish("--pages", "1", "--storage", storage)
    assert status == 1
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert demo.left() == []


def test_without_rich_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert command.main([]) == 2
    assert "pip install 'huey_green[demo]'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--pages", "0"], ["--workers", "x"], ["--nonsense"]])
def test_wrong_usage_is_told_from_trouble(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2


def keys_in(redis: PrivateRedis) -> list[object]:
    """Return what is in the user's Redis, once expiring leftovers are gone."""
    from huey_green.storage.redis.connect import Link

    link = Link(url=redis.url)
    try:
        deadline = time.monotonic() + 10
        while (keys := list(link.execute("KEYS", "*"))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return keys
    finally:
        link.close()
