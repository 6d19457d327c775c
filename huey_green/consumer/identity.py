# SPDX-License-Identifier: MIT
"""The name of a consumer, from which a neighbour on the same host can tell that it has died."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

_UNKNOWN = "-"


def consumer_name() -> str:
    """Return a name for a consumer in this process: host, boot, process namespace, pid, start.

    Unique to each consumer that ever was. A pid counts only in its own namespace, as in a
    container, and only together with the moment its process started.
    """
    pid = os.getpid()
    place = f"{_clean(socket.gethostname())}:{_boot_id()}:{_pid_namespace()}"
    return f"{place}:{pid}:{_start_time(pid)}:{secrets.token_hex(3)}"


def died_here(names: list[str]) -> list[str]:
    """Return those consumers whose process was on this host and is gone."""
    place = consumer_name().rsplit(":", 3)[0]
    return [name for name in names if name.rpartition(":")[0] and _is_dead(name, place)]


def _is_dead(name: str, place: str) -> bool:
    parts = name.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != place or _UNKNOWN in place.split(":"):
        return False
    pid_text, start = parts[1], parts[2]
    return pid_text.isdigit() and _start_time(int(pid_text)) != start


def _clean(text: str) -> str:
    return text.replace(":", "_").replace(" ", "_") or _UNKNOWN


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return _UNKNOWN


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return _UNKNOWN


def _start_time(pid: int) -> str:
    """Return when a process started, in ticks since boot; "gone" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "gone"
    except OSError:
        return _UNKNOWN
    # The second field is the command in parentheses and may hold blanks.
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] in "ZX" else fields[19]
