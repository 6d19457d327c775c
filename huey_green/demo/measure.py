# SPDX-License-Identifier: MIT
"""What the consumer uses, asked of the system and of the storage, never of the consumer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def memory_peak(pid: int) -> int | None:
    """Return the largest resident memory so far of a process in bytes; None when unknown.

    Where the system keeps no such figure (macOS) it is the memory of this moment.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return _memory_now(pid)
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _memory_now(pid: int) -> int | None:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=5).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return int(answer) * 1024 if answer.strip() else None


def redis_connections(url: str, client_name: str) -> int | None:
    """Return how many connections to Redis carry a name; None when Redis does not tell."""
    listing = _ask_redis(url, "CLIENT", "LIST")
    if listing is None:
        return None
    return sum(f"name={client_name}" in line.split() for line in listing.splitlines())


def redis_version(url: str) -> str:
    """Return the version of a Redis server, or ``""`` when it does not tell."""
    information = _ask_redis(url, "INFO", "server") or ""
    for line in information.splitlines():
        if line.startswith("redis_version:"):
            return line.partition(":")[2].strip()
    return ""


def _ask_redis(url: str, *command: str) -> str | None:
    # Here and not above: the driver is optional, and SQLite is measured without it.
    from huey_green.storage.redis.connect import Link

    link = Link(url=url)
    try:
        answer = link.execute(*command)
    except Exception:  # A server may forbid these commands; the figure is then left out.
        return None
    finally:
        link.close()
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)


def open_files(pid: int, path: str) -> int | None:
    """Return how often a process has an SQLite database (or its -wal, -shm) open, None if unknown.

    A link in /proc is read for each open file; other systems do not have it.
    """
    folder = Path(f"/proc/{pid}/fd")
    database = os.path.realpath(path)
    try:
        links = list(folder.iterdir())
    except OSError:
        return None
    targets = [_target(link) for link in links]
    return sum(target in (database, f"{database}-wal", f"{database}-shm") for target in targets)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # Closed since it was listed.
        return ""
