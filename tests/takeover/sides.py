# SPDX-License-Identifier: MIT
"""Both sides of a queue as processes: huey's of a release, in a venv of its own, and ours."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis

from huey_green.testing.concurrency import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: The releases that are tried, with the driver that they are known to work with.
RELEASES = {"2": ("huey==2.6.0", "redis==5.2.1"), "3": ("huey==3.5.4", "redis==6.4.0")}

#: Seconds that a process may take; only a machine in trouble needs them.
PATIENCE = 60.0


def python_of(release: str) -> str:
    """Return the interpreter of a venv with a release of huey, or skip if pip cannot install it."""
    python, failure = _made(release)
    if failure is not None:
        pytest.skip(f"pip could not install {' '.join(RELEASES[release])}: {failure}")
    return str(python)


@cache
def _made(release: str) -> tuple[Path, str | None]:
    """Make the venv of a release, once for all runs of the tests; tell why pip failed if it did."""
    pins = RELEASES[release]
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = "-".join([*pins, version]).replace("==", "-")
    folder = caches / "huey_green-tests" / name
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        # Several processes may run tests at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            venv.create(folder, with_pip=True, clear=True)
            install = [str(python), "-m", "pip", "install", "--quiet", *pins]
            made = subprocess.run(install, capture_output=True, text=True, timeout=300)
            if made.returncode != 0:
                return python, made.stderr[-500:]
            (folder / "complete").touch()
    return python, None


class Queue:
    """One queue in Redis, and the processes that work on it."""

    def __init__(self, url: str, kind: str, release: str, log: Path) -> None:
        self.url = url
        self.log = log
        self.kind = kind
        self.release = release
        self.wire = "huey" if release == "3" else "huey2"
        self.redis = redis.Redis.from_url(url)
        self.environment: dict[str, str] = {}
        #: How many tasks huey runs at once.
        self.workers = 2
        self._producers: dict[str, subprocess.Popen[str]] = {}

    def _started(self, side: str, arguments: list[str], options: Any) -> dict[str, Any]:
        python = python_of(self.release) if side == "huey" else sys.executable
        paths = [str(HERE)] if side == "huey" else [str(HERE), str(ROOT)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "LIBRARY": "huey" if side == "huey" else "huey_green",
            "KIND": self.kind,
            "REDIS_URL": self.url,
            "OPTIONS": json.dumps(options),
            **self.environment,
        }
        return {"args": [python, *arguments], "env": environment, "cwd": HERE}

    def options_of(self, side: str, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a side: ours speaks to huey unless it is told otherwise."""
        return options if side == "huey" else {"wire": self.wire, **options}

    def do(self, side: str, code: str, **options: Any) -> Any:
        """Run ``code`` in a producer of a side; return what it leaves in ``told``."""
        given = self.options_of(side, options)
        key = json.dumps([side, given, self.environment], sort_keys=True)
        if key not in self._producers:
            run = self._started(side, ["producing.py"], given)
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._producers[key] = subprocess.Popen(**run, **pipes)
        producer = self._producers[key]
        assert producer.stdin is not None
        assert producer.stdout is not None
        producer.stdin.write(json.dumps(code) + "\n")
        producer.stdin.flush()
        answer = json.loads(producer.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["told"]

    def close(self) -> None:
        """End the producers, and delete what both sides have left."""
        for producer in self._producers.values():
            producer.communicate(timeout=PATIENCE)
        names = [*self.redis.scan_iter("huey.*shopapp*"), *self.redis.scan_iter("tries-*")]
        self.redis.delete("told", *names)
        self.redis.close()

    @contextmanager
    def consumer(self, side: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Have a consumer of a side work on the queue."""
        if side == "huey":
            arguments = ["-m", "huey.bin.huey_consumer", "shop.huey", "-s", "1"]
            arguments += ["-w", str(self.workers)]
        else:
            arguments = ["-m", "huey_green", "shop.huey", "-w", "10"]
        run = self._started(side, arguments, self.options_of(side, options))
        with self.log.open("ab") as log:
            process = subprocess.Popen(**run, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def told(self) -> list[list[Any]]:
        """Return what has happened so far, in order: where, and what."""
        return [json.loads(line) for line in self.redis.lrange("told", 0, -1)]

    def has_told(self, *what: str, side: str | None = None) -> bool:
        """Say whether all of this has happened, on this side."""
        return all(
            any(text == one and side in (None, where) for where, text in self.told())
            for one in what
        )

    def wait_for(self, *what: str, side: str | None = None) -> None:
        """Wait until all of this has happened, on this side."""
        try:
            eventually(lambda: self.has_told(*what, side=side), str(what), PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}; told {self.told()}; {self.log.read_text()}") from None


MakeQueue = Callable[..., Queue]
