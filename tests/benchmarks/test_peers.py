# SPDX-License-Identifier: MIT
"""The contest with peers: who takes part, what is counted, what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("psutil")
pytest.importorskip("redis")

from benchmarks import charts
from benchmarks.peers.arena import Tally
from benchmarks.peers.catalogue import PEERS, chosen

ROOT = Path(__file__).resolve().parents[2]


def test_all_peers_of_the_issue_can_be_asked_for() -> None:
    names = {peer.name for peer in PEERS}
    assert {"huey", "celery", "dramatiq", "arq", "taskiq", "saq", "rq", "floor"} <= names


def test_every_requirement_is_pinned() -> None:
    for peer in PEERS:
        for requirement in peer.requirements:
            assert "==" in requirement


def test_a_peer_means_its_variants_and_quick_the_first_of_them() -> None:
    names = [entry.name for entry in chosen(["celery"], quick=False)]
    assert {"floor", "huey_green", "celery-gevent", "celery-gevent-late"} <= set(names)
    assert [entry.name for entry in chosen(["celery"], quick=True)] == [
        "floor",
        "huey_green",
        "celery-gevent",
    ]
    assert "celery-prefork" in [entry.name for entry in chosen(["celery-prefork"], quick=True)]


def test_an_unknown_peer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no such peer: cellery; there are .*celery"):
        chosen(["cellery"], quick=False)


def test_a_tally_tells_lost_from_doubled(tmp_path: Path) -> None:
    tally = Tally(tmp_path, 4)
    with open(tally.path, "r+b") as file:
        file.write(bytes([1, 0, 2, 1]))
    assert (tally.ran(), tally.doubled()) == (3, 1)


def test_a_chart_is_well_formed_whatever_its_labels_are() -> None:
    bars = [charts.Bar("<a> & b", 2.0, "2"), charts.Bar("none", 0.0, "0")]
    root = ElementTree.fromstring(charts.bar_chart("a < b", "tasks/s", bars))
    assert root.tag.endswith("svg")
    assert "<a> & b" in [element.text for element in root.iter()]


def test_the_contest_of_ours_and_the_floor_writes_a_report_and_charts(tmp_path: Path) -> None:
    report, kept, drawn = tmp_path / "report.md", tmp_path / "kept.json", tmp_path / "charts"
    command = [sys.executable, "-m", "benchmarks", "--peers", "floor", "--tasks", "60"]
    done = subprocess.run(
        [*command, "--report", str(report), "--json", str(kept), "--charts", str(drawn)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = report.read_text()
    assert str(tmp_path) not in written
    for words in ("## No-op, no results", "x floor", "| huey_green |", "(charts/noop.svg)"):
        assert words in written
    tables = {table["workload"]: table for table in json.loads(kept.read_text())["tables"]}
    assert {"noop", "results", "pickup", "roundtrip", "enqueue"} <= tables.keys()
    for table in tables.values():
        assert "huey_green" in [figure["label"] for figure in table["figures"]]
        ElementTree.parse(drawn / f"{table['workload']}.svg")
