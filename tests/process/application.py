# SPDX-License-Identifier: MIT
"""An application whose tasks keep a ledger, and what can be asked of it from outside."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from consumer_process import ConsumerProcess

KINDS = ("list", "zset", "sqlite", "file")


class Application:
    """An application in a directory of its own: its tasks, its ledger and its consumers."""

    def __init__(self, directory: Path, kind: str, **options: Any) -> None:
        self.directory = directory
        self.kind = kind
        settings = {"kind": kind, "name": f"test{uuid4().hex}", "options": options}
        (directory / "settings.json").write_text(json.dumps(settings))
        shutil.copy(Path(__file__).with_name("ledger_app.py"), directory / "app.py")
        self.tasks = _load(directory / "app.py")
        self.huey = self.tasks.huey
        self._consumers = ExitStack()

    def consume(self, *options: str, **how: str) -> ConsumerProcess:
        """Start a consumer and wait until it consumes."""
        consumer = self.start(*options, **how)
        consumer.wait_for(lambda: self.times("started", consumer.pid), "a started consumer")
        return consumer

    def start(self, *options: str, **how: str) -> ConsumerProcess:
        """Start a consumer."""
        consumer = ConsumerProcess(self.directory, *options, **how)
        self._consumers.callback(consumer.kill)
        return consumer

    def ledger(self) -> list[str]:
        # Up to the last line that is whole: somebody may be writing the next one.
        return (self.directory / "ledger").read_text().rpartition("\n")[0].splitlines()

    def times(self, *words: Any) -> int:
        """How often a line stands in the ledger."""
        return self.ledger().count(" ".join(str(word) for word in words))

    def noted(self, word: str) -> Counter[str]:
        """What follows ``word`` in the ledger, and how often."""
        lines = (line.split() for line in self.ledger())
        return Counter(line[1] for line in lines if line[0] == word)

    def waiting(self) -> list[str]:
        """The first argument of every task that is kept in the storage, in whatever state."""
        storage = self.huey.storage
        bodies = [*storage.enqueued_items(), *storage.scheduled_items()]
        bodies += [one.body for one in storage.in_flight()]
        bodies += [one.body for one in storage.dead_letters()]
        return [str(self.huey.deserialize_task(body).args[0]) for body in bodies]

    def is_drained(self) -> bool:
        # Looked at twice: a task that is taken back between two looks would be seen by neither.
        return self._looks_empty() and self._looks_empty()

    def _looks_empty(self) -> bool:
        storage = self.huey.storage
        return not (storage.in_flight() or storage.queue_size() or storage.schedule_size())

    def drain(self, *options: str, patience: float = 30.0) -> None:
        """Have a fresh consumer run all that is left; it ends well."""
        consumer = self.consume(*options)
        consumer.wait_for(self.is_drained, "an empty storage", patience)
        consumer.stop()

    def close(self) -> None:
        self._consumers.close()
        self.huey.storage.close()


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "app" not in sys.modules
    return module


#: Makes an application on a kind of storage; its consumers end with the test.
Make = Callable[..., Application]
