# SPDX-License-Identifier: MIT
"""What happened, in a place that no fault of a run reaches: files that are only appended to.

Each process has a file of its own. A record is one write of one line, which outlives a kill -9
of its writer. Moments are of the machine's monotonic clock, the same for all processes here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: One line of the ledger: at least "at" (seconds) and "what".
Record = dict[str, Any]


class Ledger:
    """The file of one process; ``writer`` names who writes."""

    def __init__(self, directory: Path, writer: str) -> None:
        directory.mkdir(exist_ok=True)
        path = directory / f"{writer}.{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._writer = writer

    def note(self, what: str, **more: Any) -> None:
        """Write a record down."""
        record = {"at": time.monotonic(), "what": what, "by": self._writer, **more}
        os.write(self._file, json.dumps(record).encode() + b"\n")


def read(directory: Path) -> list[Record]:
    """Return all records of a run, in the order in which they were made."""
    records = [record for path in directory.glob("*.jsonl") for record in _records(path)]
    return sorted(records, key=lambda record: float(record["at"]))


def _records(path: Path) -> Iterator[Record]:
    for line in path.read_bytes().split(b"\n")[:-1]:  # The last one may be half-written.
        yield json.loads(line)
