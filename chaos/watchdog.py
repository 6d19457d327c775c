# SPDX-License-Identifier: MIT
"""Ends the processes of a run when the harness has gone, also by a ``kill -9``.

It is a process of its own, for what is to end may be suspended, or hold its interpreter's lock. It
is told who runs, and who has ended and whose number may be another's by now.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Any

#: Reads "+ NUMBER" and "- NUMBER"; at the end of its input it kills those that are left. A
#: number below zero is that of a process group.
_SCRIPT = """
running=
while read -r sign number; do
  left=
  for one in $running; do
    [ "$one" = "$number" ] || left="$left $one"
  done
  [ "$sign" = + ] && left="$left $number"
  running=$left
done
for one in $running; do
  kill -9 "$one"
done
"""


class Watchdog:
    """Watches processes on behalf of this one; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._watched: set[int] = set()

    def watch(self, number: int) -> None:
        """End a process, or below zero a process group, when this process has ended."""
        with self._lock:
            self._watched.add(number)
            self._say(f"+ {number}")

    def forget(self, number: int) -> None:
        """Let it be: it has ended. Saying so again is no harm."""
        with self._lock:
            if number in self._watched:
                self._watched.remove(number)
                self._say(f"- {number}")

    def _say(self, line: str) -> None:
        if self._process is None:
            # A session of its own: what ends us at the terminal must not end it before us.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
                bufsize=1,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")


_watchdog = Watchdog()
watch, forget = _watchdog.watch, _watchdog.forget


def run_watched(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """As ``subprocess.run``, of text, but the process does not outlive this one."""
    with subprocess.Popen(command, text=True, **options) as process:
        watch(process.pid)
        try:
            said, complained = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            forget(process.pid)
    return subprocess.CompletedProcess(command, process.returncode, said, complained)
