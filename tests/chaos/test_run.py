# SPDX-License-Identifier: MIT
"""Whatever a run comes upon is a verdict, so that the next one follows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chaos.processes import Failed
from chaos.registry import Entry
from chaos.run import Verdict, run
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


@pytest.mark.parametrize("when", ["made", "entered", "left"])
def test_a_world_that_breaks_is_a_verdict_too(when: str) -> None:
    @contextmanager
    def entered(*_: Any) -> Iterator[World]:
        if when == "entered":
            raise OSError("no room")
        with World("sqlite", "1") as world:
            yield world
        raise OSError("no room")

    def make(*args: Any) -> Any:
        if when == "made":
            raise OSError("no room")
        return entered(*args)

    verdict = judged(lambda world: None, make)
    assert verdict.failure is not None
    assert "OSError: no room" in verdict.failure
    assert not verdict.is_good
    assert (verdict.directory is not None) == (when == "left")
    if verdict.directory is not None:
        shutil.rmtree(verdict.directory)


def test_a_run_that_is_stopped_stops() -> None:
    folders = []

    def interrupted(world: World) -> None:
        folders.append(world.directory)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(interrupted)
    shutil.rmtree(folders[0])


def test_a_run_in_which_all_is_well_leaves_no_folder() -> None:
    folders = []
    verdict = judged(lambda world: folders.append(world.directory))
    assert verdict.is_good, verdict
    assert not folders[0].exists()
