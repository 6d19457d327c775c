# SPDX-License-Identifier: MIT
"""An application in a folder of its own, and the commands on it, each in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from huey_green import terminal

SOURCE = """\
import time
from huey_green import SqliteHuey, crontab, every

huey = SqliteHuey("shop", filename="queue.db")


@huey.task(retries=3, retry_delay=5, priority=2)
def add(a, b):
    return a + b


@huey.task()
def fail(why="why not"):
    raise ValueError(why)


@huey.task()
def sleep(seconds):
    time.sleep(seconds)


@huey.periodic_task(crontab(minute="*/5"))
def tick():
    pass


def on_mondays(moment):
    return moment.weekday() == 0


@huey.periodic_task(on_mondays)
def weekly():
    pass
"""

_numbers = count(1)


class Said(NamedTuple):
    """What came of a command."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class App:
    """``huey`` in a module that is called ``name``, and the commands on it."""

    def __init__(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.name = name
        self.path = f"{name}.huey"
        self._capsys = capsys

    @property
    def module(self) -> Any:
        return import_module(self.name)

    @property
    def huey(self) -> Any:
        return self.module.huey

    def run(self, *words: str) -> Said:
        """Carry out a command, in which APP stands for the import path; return what came of it."""
        self._capsys.readouterr()
        argv = [self.path if word == "APP" else word for word in words]
        try:
            status = terminal.main(argv)
        except SystemExit as end:  # That is how argparse ends.
            status = int(end.code or 0)
        return Said(status, *self._capsys.readouterr())


Make = Callable[..., App]


@pytest.fixture
def make_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Make]:
    """Makes an application; without ``source`` one with a few tasks on SQLite."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(source: str = SOURCE) -> App:
        name = f"terminal_app_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        app = App(name, capsys)
        made.append(app)
        return app

    yield make
    for app in made:
        module = sys.modules.pop(app.name, None)
        if hasattr(module, "huey"):
            module.huey.storage.close()


@pytest.fixture
def app(make_app: Make) -> App:
    return make_app()
