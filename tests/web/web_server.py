# SPDX-License-Identifier: MIT
"""Real web servers as processes, and visitors who ask them for something all the time."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

import psutil
import redis

from huey_green.testing.concurrency import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: Seconds that a server may take to do what it was asked for; none that works comes near.
PATIENCE = 40.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Site:
    """A queue of its own on a Redis, and the servers of one application, which end with it."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.name = f"site{uuid.uuid4().hex[:8]}"
        self.redis_url = url
        self.redis = redis.Redis.from_url(url)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
            "PYTHONUNBUFFERED": "1",
            "SITE_REDIS": url,
            "SITE_NAME": self.name,
        }
        self._servers: list[Server] = []

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.kill()
        self.redis.close()

    def serve(self, *command: str) -> Server:
        """Start a server, and wait until it answers."""
        server = self.start(*command)
        server.sees(self._answers, "an answer")
        return server

    def start(self, *command: str) -> Server:
        server = Server(self, len(self._servers), command)
        self._servers.append(server)
        return server

    def pywsgi(self, options: str = "{}") -> Server:
        program = str(HERE / "pywsgi_server.py")
        return self.serve(sys.executable, "-W", "error", program, str(self.port), options)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/pid"))
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, path: str) -> str:
        """Return what the site answers."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def written(self, what: str) -> list[int]:
        """Return what tasks wrote down: ``began``, ``ended``, ``held``."""
        found: list[bytes] = self.redis.lrange(f"{self.name}-{what}", 0, -1)
        return [int(one) for one in found]

    def counted(self, what: str) -> Counter[int]:
        return Counter(self.written(what))

    def is_done(self, numbers: set[int]) -> bool:
        """Say whether all of these notes have ended, and nothing is left in the queue."""
        in_flight = self.redis.keys(f"huey.*inflight*{self.name}*")
        return numbers <= set(self.written("ended")) and not self.redis.exists(
            f"huey.redis.{self.name}", *in_flight
        )

    def connections(self) -> set[int]:
        """Return the ids of all connections to Redis."""
        return {int(one["id"]) for one in self.redis.client_list()}


class Server:
    """A web server; all that it says is in ``said``."""

    def __init__(self, site: Site, number: int, command: tuple[str, ...]) -> None:
        self._site = site
        self._log = site.directory / f"server-{number}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=site.directory,
                env=site.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str, times: int = 1) -> None:
        self.sees(lambda: self.said.count(text) >= times, f"{text!r} {times} times in the log")

    def sees(self, condition: object, what: str) -> None:
        """Wait for something that this server is to bring about."""
        assert callable(condition)

        def looked() -> bool:
            if condition():
                return True
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}")
            return False

        try:
            eventually(looked, what, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said[-4000:]}") from None

    def workers(self) -> set[int]:
        """Return the pids of the processes that the server has forked."""
        return {one.pid for one in psutil.Process(self.process.pid).children()}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Wait until it has ended; return its exit status."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self.said[-4000:]}") from None

    def stop(self) -> str:
        """End it in good order; return what it said."""
        self.signal(signal.SIGTERM)
        assert self.ends() == 0, self.said[-4000:]
        return self.said

    def kill(self) -> None:
        """End it and all that it has forked, as a crash does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


class Visitors:
    """Threads that ask for ``/note`` all the time, each time on a new connection.

    ``accepted`` are the notes that the site has taken, ``refused`` what went wrong.
    """

    def __init__(self, site: Site, visitors: int = 4) -> None:
        self._site = site
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self.accepted: set[int] = set()
        self.refused: list[str] = []
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def come(self, more: int) -> None:
        """Wait until the site has taken so many more notes."""
        wanted = len(self.accepted) + more
        eventually(lambda: len(self.accepted) >= wanted, f"{more} more requests", PATIENCE)

    def _visit(self) -> None:
        while not self._leave.is_set():
            with self._lock:
                number = next(self._numbers)
            connection = http.client.HTTPConnection("127.0.0.1", self._site.port, timeout=PATIENCE)
            try:
                connection.request("GET", f"/note?n={number}", headers={"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(f"status {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.refused.append(repr(error))
                self._leave.wait(0.01)
            else:
                with self._lock:
                    self.accepted.add(number)
            finally:
                connection.close()
            self._leave.wait(0.002)
