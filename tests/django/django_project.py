# SPDX-License-Identifier: MIT
"""A Django project in a directory of its own, and its processes: each started as people do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from huey_green.testing.concurrency import eventually

#: Seconds that a process may take to do what it was started for.
PATIENCE = 60.0

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).with_name("project")

#: Warnings are errors in all of them: gevent warns of what is imported before it patches.
PYTHON = (sys.executable, "-W", "error")

_numbers = count(1)


class Process:
    """A process of the project; all that it says is in ``said``."""

    def __init__(self, project: Project, *command: str) -> None:
        self._project = project
        self._log = project.directory / f"said-{next(_numbers)}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=project.directory,
                env=project.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str, times: int = 1) -> None:
        """Wait until it has said ``text`` so many times."""
        self.sees(lambda: self.said.count(text) >= times, f"{text!r} in the log")

    def sees(self, condition: Any, what: str) -> Any:
        """Wait for something that this process is to bring about."""

        def looked() -> Any:
            answer = condition()
            if not answer and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.said}")
            return answer

        try:
            return eventually(looked, what, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said[-3000:]}") from None

    def ends(self) -> int:
        """Wait until it has ended; return its exit status."""
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        """End it as a service manager does, and see it end well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.ends() == 0, self.said

    def kill(self) -> None:
        """End it, and what it has started, as a crash does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    def files_open(self, name: str) -> int:
        """How often it has a file of the project open; None of its threads are counted twice."""
        path = str(self._project.directory / name)
        found = 0
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found += os.readlink(link) == path
            except OSError:  # Closed meanwhile.
                continue
        return found


class Project:
    """A copy of a project; ``settings`` are put over those of project/settings.py."""

    def __init__(self, directory: Path, template: Path = TEMPLATE, **settings: Any) -> None:
        self.directory = directory
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DJANGO")},
            "PYTHONPATH": str(ROOT),
            # Files are saved again within the second by which Python would tell them apart.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        shutil.copytree(template, directory, dirs_exist_ok=True)
        self.change_settings(**settings)
        self._processes = ExitStack()

    def change_settings(self, **settings: Any) -> None:
        """Put ``settings`` over the project's own."""
        (self.directory / "options.json").write_text(json.dumps(settings))

    def close(self) -> None:
        """End all processes."""
        self._processes.close()

    def start(self, *command: str) -> Process:
        """Start Python with these arguments."""
        process = Process(self, *PYTHON, *command)
        self._processes.callback(process.kill)
        return process

    def consume(self, *options: str, manage: str = "manage.py") -> Process:
        """Start a consumer and wait until it consumes."""
        before = self._started()
        consumer = self.start(manage, "run_huey", *options)
        consumer.sees(lambda: self._started() > before, "a started consumer")
        return consumer

    def started_pids(self) -> set[int]:
        """The processes that have begun to consume."""
        return {int(path.name.partition("-")[2]) for path in self.directory.glob("started-*")}

    def _started(self) -> int:
        return len(self.started_pids())

    def manage(self, *arguments: str, status: int = 0) -> str:
        """Run manage.py to its end; return what it said."""
        return self.run("manage.py", *arguments, status=status)

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run Python to its end; return what it said."""
        done = subprocess.run(
            [*PYTHON, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * PATIENCE,  # What it waits for may take as long.
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def ask(self, code: str) -> Any:
        """Run code in a process with Django set up; return what its ``answer`` is then."""
        program = (
            "import os, json, django\n"
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\n"
            "django.setup()\n"
            f"{code}\n"
            "print('answer: ' + json.dumps(answer))\n"
        )
        said = self.run("-c", program)
        found = re.search(r"^answer: (.*)$", said, re.MULTILINE)
        assert found, said
        return json.loads(found[1])

    def call(self, *calls: str) -> list[Any]:
        """Enqueue calls of tasks of ``shop.tasks``, all before the first result is waited for."""
        return self.ask(
            "from shop.tasks import *\n"
            f"results = [{', '.join(calls)}]\n"
            f"answer = [one.get(blocking=True, timeout={PATIENCE - 5}) for one in results]"
        )

    def enqueue(self, *calls: str) -> None:
        """Enqueue calls of tasks of ``shop.tasks``."""
        self.ask(f"from shop.tasks import *\nanswer = len([{', '.join(calls)}])")

    def touch(self, name: str) -> None:
        (self.directory / name).touch()

    def exists(self, name: str) -> bool:
        return (self.directory / name).exists()

    def serve(self) -> str:
        """Start Django's web server; return its address."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        server = self.start("manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
        address = f"http://127.0.0.1:{port}"
        server.sees(lambda: _answers(port), "an answer of the web server")
        return address


def get(url: str) -> str:
    """Return what a web server answers."""
    with urlopen(url, timeout=PATIENCE) as answer:
        return answer.read().decode()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except OSError:
        return False
    return True
