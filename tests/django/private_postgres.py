# SPDX-License-Identifier: MIT
"""A PostgreSQL of one's own, for tests: private, empty, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

#: Seconds that the server may take to start or to stop.
PATIENCE = 60

#: Ends a server whose owner is gone: reads a pipe that nobody writes to, until it closes.
_WATCHDOG = 'read _; "$1" -D "$2" -m immediate -w stop; rm -rf "$3"'

#: Connections that it takes: fewer than the workers that tests start.
MAX_CONNECTIONS = 120


def why_none() -> str | None:
    """Return why there is no PostgreSQL to test with, None if there is one."""
    if _folder() is None:
        return "there is no PostgreSQL: no initdb on PATH or in /usr/lib/postgresql"
    if find_spec("psycopg") is None:
        return "psycopg is not installed"
    return None


def _folder() -> Path | None:
    """Return where the programs of PostgreSQL are."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return found[0].parent if found else None


class PrivatePostgres:
    """A server on a free port of 127.0.0.1. A context manager; it ends with this process, even if
    that is killed."""

    def __enter__(self) -> PrivatePostgres:
        folder = _folder()
        assert folder is not None
        self._pg_ctl = str(folder / "pg_ctl")
        self._directory = tempfile.mkdtemp(prefix="huey-green-postgres-")
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._data = os.path.join(self._directory, "data")
        initdb = [str(folder / "initdb"), "-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8"]
        self._run(*initdb, "--locale=C", "-D", self._data)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
            f"-c fsync=off -c max_connections={MAX_CONNECTIONS}"
        )
        log = os.path.join(self._directory, "log")
        self._run(self._pg_ctl, "-D", self._data, "-l", log, "-w", "-o", options, "start")
        self._watchdog = subprocess.Popen(
            ["sh", "-c", _WATCHDOG, "sh", self._pg_ctl, self._data, self._directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
            start_new_session=True,
        )
        return self

    def __exit__(self, *error: Any) -> None:
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait(PATIENCE)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            user=self._user,
            cwd=self._directory,
            # A log of its own: the server would keep a pipe open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}"

    @contextmanager
    def database(self, **options: Any) -> Iterator[dict[str, Any]]:
        """Make a database; yield it as settings.DATABASES has it."""
        name = f"test{uuid4().hex}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "USER": "shop",
            "NAME": name,
            "OPTIONS": {"application_name": "shop", **options},
        }
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def connect(self, name: str) -> Any:
        """Return a connection of the test's own, which is in no transaction."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="shop", dbname=name, autocommit=True
        )
