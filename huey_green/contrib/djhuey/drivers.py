# SPDX-License-Identifier: MIT
"""Database drivers in a process where a call that blocks stops all tasks.

psycopg 3, PyMySQL and the like wait on sockets, which gevent has patched. psycopg2 has a hook for
that, sqlite3 waits for its locks in C and is taught to wait outside, and of the rest a line in
the log says that it blocks.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.db import connections
from gevent.socket import wait_read, wait_write

from huey_green.contrib.djhuey.patient import PatientConnection

log = logging.getLogger("huey_green.consumer")


def make_cooperative() -> None:
    """See to the drivers of all databases in the settings; before the first connection."""
    for alias in connections:
        vendor, driver = connections[alias].vendor, _driver_of(alias)
        if vendor == "sqlite":
            connections.settings[alias]["OPTIONS"].setdefault("factory", PatientConnection)
        elif driver == "psycopg2":
            _teach_psycopg2()
        elif driver == "MySQLdb":
            log.warning(
                "the database %r is reached with mysqlclient, which blocks: while one task waits "
                "for it, no other runs. PyMySQL does not: pymysql.install_as_MySQLdb()",
                alias,
            )


def _driver_of(alias: str) -> str:
    return str(getattr(getattr(connections[alias], "Database", None), "__name__", ""))


def _teach_psycopg2() -> None:
    """Have psycopg2 wait as the rest does, unless the project has seen to it (psycogreen)."""
    extensions = sys.modules["psycopg2.extensions"]
    if extensions.get_wait_callback() is None:
        extensions.set_wait_callback(_wait)


def _wait(connection: Any, timeout: float | None = None) -> None:
    psycopg2, extensions = sys.modules["psycopg2"], sys.modules["psycopg2.extensions"]
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        if state == extensions.POLL_READ:
            wait_read(connection.fileno(), timeout=timeout)
        elif state == extensions.POLL_WRITE:
            wait_write(connection.fileno(), timeout=timeout)
        else:
            raise psycopg2.OperationalError(f"psycopg2 waits in a state of its own: {state!r}")
