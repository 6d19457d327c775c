# SPDX-License-Identifier: MIT
"""Runs functions of test modules in processes of their own, which are forked from one that has
imported already what they need: to start a process takes a hundred times as long."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]

#: None of these brings gevent in.
NEEDED = (
    "huey_green.flavours",
    "huey_green.storage.file",
    "huey_green.storage.redis",
    "huey_green.storage.sqlite",
    "huey_green.testing.concurrency",
    "pytest",
    "redis",
)


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    status: int
    stdout: str
    stderr: str


class Forker:
    """A process that forks others, and is started with the first; ``patched`` says whether by
    gevent."""

    def __init__(self, is_patched: bool) -> None:
        self._how = "patched" if is_patched else "unpatched"
        self._process: subprocess.Popen[str] | None = None

    def run(self, file: str, name: str, arguments: dict[str, Any], patience: float) -> Ended:
        """Call a function with these arguments, which travel as JSON, and wait for its end.

        Raises ``TimeoutError`` after ``patience`` seconds.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.TemporaryDirectory() as directory:
            said = [Path(directory, stream) for stream in ("stdout", "stderr")]
            asked = {
                "file": file,
                "name": name,
                "arguments": arguments,
                "said": [str(path) for path in said],
                "environment": dict(os.environ),
                "directory": str(Path.cwd()),
            }
            process.stdin.write(json.dumps(asked, default=str) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], patience)[0]:
                self._kill()
                texts = "\n".join(path.read_text() for path in said)
                raise TimeoutError(f"{name} took longer than {patience:g} s\n{texts}")
            status = process.stdout.readline()
            if not status:
                self._kill()
                raise RuntimeError("the process that forks has ended; it says why above")
            return Ended(int(status), *(path.read_text() for path in said))

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", __file__, self._how],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            atexit.register(self._kill)
        return self._process

    def _kill(self) -> None:
        """End it, and what it has forked."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self._kill)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def serve(is_patched: bool) -> None:
    """Fork a process for each line that comes, and write its exit status."""
    fork, waitpid = os.fork, os.waitpid
    if is_patched:
        from gevent import monkey

        monkey.patch_all()
        importlib.import_module("huey_green.consumer.group")
    for module in NEEDED:
        importlib.import_module(module)
    for line in sys.stdin:
        child = fork()
        if not child:
            _do(json.loads(line))
            return
        status = os.waitstatus_to_exitcode(waitpid(child, 0)[1])
        print(status, flush=True)


def _do(asked: dict[str, Any]) -> None:
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update({**asked["environment"], "PYTHONPATH": str(ROOT)})
    for number, path in enumerate((os.devnull, *asked["said"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    file = asked["file"]
    sys.argv, sys.path[0] = [file], str(Path(file).parent)
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    getattr(module, asked["name"]).__wrapped__(**asked["arguments"])


if __name__ == "__main__":
    serve(sys.argv[1] == "patched")
