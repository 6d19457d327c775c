# SPDX-License-Identifier: MIT
"""Whatever a run comes upon is a verdict, so that the next one follows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaos.processes import Failed
from chaos.registry import Entry
from chaos.run import Verdict, run
from chaos.watchdog import run_watched
from chaos.world import World


def judged(deed: Callable[[World], None], make: Callable[..., Any] = World) -> Verdict:
    return run(Entry("one", deed, ("sqlite",), is_fault=False, make=make), "sqlite", "1", 1.0)


def mistakes(world: World) -> None:
    world.figures["steps"] = 1
    raise LookupError("a mistake in the harness")


def test_a_mistake_in_a_scenario_is_a_verdict_with_its_traceback_and_the_folder() -> None:
    verdict = judged(mistakes)
    assert not verdict.is_good
    assert verdict.failure is not None
    assert "LookupError: a mistake in the harness" in verdict.failure
    assert "in mistakes" in verdict.failure
    assert verdict.figures == {"steps": 1}
    assert verdict.directory is not None
    assert (verdict.directory / "settings.json").exists()
    shutil.rmtree(verdict.directory)


def test_what_a_run_is_expected_to_come_upon_is_told_in_a_line() -> None:
    def fails(world: World) -> None:
        raise Failed("not within a second")

    verdict = judged(fails)
    assert verdict.failure == "not within a second"
    assert verdict.directory is not None
    shutil.rmtree(verdict.directory)


@pytest.mark.parametrize("when", ["made", "entered"])
def test_a_world_that_cannot_begin_is_a_verdict_too(when: str) -> None:
    @contextmanager
    def entered(*_: Any) -> Iterator[World]:
        raise OSError("no room")
        yield

    def make(*args: Any) -> Any:
        if when == "made":
            raise OSError("no room")
        return entered(*args)

    verdict = judged(lambda world: None, make)
    assert verdict.failure is not None
    assert "OSError: no room" in verdict.failure
    assert not verdict.is_good
    assert verdict.directory is None


def test_a_run_that_is_stopped_stops() -> None:
    folders = []

    def interrupted(world: World) -> None:
        folders.append(world.directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(interrupted)
    shutil.rmtree(folders[0])


#: A run to its end imports the application, which is for a process of its own.
PROGRAM = """
import json, sys
from contextlib import contextmanager

from chaos.registry import Entry
from chaos.run import run
from chaos.world import World

@contextmanager
def leaving_badly(*_):
    with World("sqlite", "1") as world:
        yield world
    raise OSError("no room")

make = {"well": World, "badly": leaving_badly}[sys.argv[1]]
entry = Entry("one", lambda world: None, ("sqlite",), is_fault=False, make=make)
verdict = run(entry, "sqlite", "1", 1.0)
print(json.dumps([verdict.is_good, verdict.failure, str(verdict.directory or "")]))
"""


def ended(how: str) -> Any:
    command = [sys.executable, "-c", PROGRAM, how]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = run_watched(command, env=environment, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def test_a_run_in_which_all_is_well_leaves_no_folder() -> None:
    assert ended("well") == [True, None, ""]


def test_a_world_that_ends_badly_is_a_verdict_and_its_folder_is_kept() -> None:
    is_good, failure, directory = ended("badly")
    assert not is_good
    assert "OSError: no room" in failure
    assert (Path(directory) / "settings.json").exists()
    shutil.rmtree(directory)
