# SPDX-License-Identifier: MIT
"""The regression check lets noise pass, and nothing that costs twice as much."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("psutil")
pytest.importorskip("redis")

from benchmarks import check, instructions


def test_a_doubled_cost_misses_its_bound_and_noise_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded = {"doubled": 1.5, "noisy": 1.5}
    missed = check._judge("cost", {"doubled": 3.0, "noisy": 2.0}, recorded, check._tolerance)
    assert missed == 1
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "MISSED" in lines["doubled"]
    assert "MISSED" not in lines["noisy"]


def test_what_was_recorded_and_is_no_longer_measured_is_a_miss() -> None:
    assert check._judge("time", {}, {"gone": 1.0}, check._tolerance) == 1


def test_every_bound_is_closer_than_a_doubling() -> None:
    assert check.TOLERANCE < 2
    assert check.COUNT_TOLERANCE < 2


def test_the_best_round_counts() -> None:
    rounds = iter([{"one": (9.0, 3.0)}, {"one": (4.0, 2.0)}])
    probe = check.Probe(lambda: next(rounds))
    probe.measure_again()
    probe.measure_again()
    assert probe.ratios() == {"one": 2.0}


def test_each_path_that_is_counted_has_a_record() -> None:
    recorded = json.loads(check.RECORD.read_text())
    paths = instructions._paths().keys() - {instructions.YARDSTICK, instructions.NOTHING}
    assert paths == recorded["instructions"].keys()
    assert recorded["timed"]


def test_without_valgrind_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert instructions.counted() is None
