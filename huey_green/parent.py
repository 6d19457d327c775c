# SPDX-License-Identifier: MIT
"""What a consumer process knows of the one that started it with ``--processes``."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Where a child finds what it has to know; taken out at once, so that what a task starts does not
#: believe that it is one.
VARIABLE = "HUEY_GREEN_PARENT"

#: What a child says: it consumes; it wants another one in its place, and goes on until then.
READY, SPENT = b"r", b"s"


@dataclass
class Parent:
    """The parent, as its child sees it."""

    pid: int
    #: File descriptors of the pipes for what this child says and for the lines of its log.
    control: int
    log: int
    #: Whether log lines may be coloured, and are to be few: others say the same.
    coloured: bool
    brief: bool

    @property
    def is_gone(self) -> bool:
        """Whether it has ended: then nobody watches this process any more."""
        return os.getppid() != self.pid

    def tell(self, what: bytes) -> None:
        """Say ``READY`` or ``SPENT``."""
        if not self.is_gone:
            os.write(self.control, what)

    @property
    def output(self) -> _ToPipe:
        """Where the lines of the log go."""
        return _ToPipe(self.log)

    def as_text(self) -> str:
        """Return it for the environment of a child."""
        return f"{self.pid} {self.control} {self.log} {int(self.coloured)} {int(self.brief)}"


class _ToPipe:
    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, text: str) -> None:
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        while left:
            left = left[os.write(self._number, left) :]

    def close(self) -> None:
        """It stays open until the process ends."""


#: The parent of this process; None where nobody watches it.
present: Parent | None = None


def find() -> None:
    """Look for a parent in the environment."""
    global present
    text = os.environ.pop(VARIABLE, "")
    if text:
        pid, control, log, coloured, brief = map(int, text.split())
        for number in (control, log):
            os.set_inheritable(number, False)
        present = Parent(pid, control, log, bool(coloured), bool(brief))
