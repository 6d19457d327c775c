# SPDX-License-Identifier: MIT
"""What happened, in a place that no fault of a run reaches: files that are only appended to.

Each process has a file of its own. A record is one write of one line, which outlives a kill -9
of its writer. Moments are of the machine's monotonic clock, the same for all processes here.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
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


class Reader:
    """Reads the ledger of a run while it is being written; what was read once is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[str, int] = defaultdict(int)
        self._records: dict[str, list[Record]] = defaultdict(list)

    def all(self) -> list[Record]:
        """Return all records, in the order in which they were made."""
        self._look()
        records = [record for several in self._records.values() for record in several]
        return sorted(records, key=lambda record: float(record["at"]))

    def of(self, what: str) -> list[Record]:
        """Return the records of one kind, those of one process in their order."""
        self._look()
        return self._records[what]

    def _look(self) -> None:
        if not self._directory.exists():
            return
        for entry in os.scandir(self._directory):
            if entry.stat().st_size > self._read[entry.path]:
                self._read_on(entry.path)

    def _read_on(self, path: str) -> None:
        with open(path, "rb") as file:
            file.seek(self._read[path])
            lines = file.read().split(b"\n")
        lines.pop()  # It may be half-written.
        self._read[path] += sum(map(len, lines)) + len(lines)
        for line in lines:
            record = json.loads(line)
            self._records[record["what"]].append(record)
