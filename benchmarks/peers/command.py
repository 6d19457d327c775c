# SPDX-License-Identifier: MIT
"""``python -m benchmarks peers [--peers huey,celery,...] [--workloads noop,...] [--quick]``.

A peer that cannot be installed, or that fails, is reported, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.peers import markdown
from benchmarks.peers.arena import Arena
from benchmarks.peers.catalogue import PEERS, Entry, chosen
from benchmarks.peers.venvs import NoVenv, venv, versions
from benchmarks.peers.workloads import FULL, QUICK, WORKLOADS, Amount, Contest
from benchmarks.runner import bench


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    entries, missing = _installed(options.entries)
    with bench() as redis:
        around = report.surroundings(redis.redis.info("server")["redis_version"])
        print(report.describe(around) + "\n", flush=True)
        contest = Contest(Arena(redis), entries, _amount(options), _progress)
        contest.failures += missing
        tables = []
        for name in options.workloads:
            for table in WORKLOADS[name](contest):
                if table is not None:
                    print(table.as_text(), flush=True)
                    tables.append(table)
    for what, who, why in contest.failures:
        print(f"FAILED: {who}, {what}: {why}\n")
    around["peers"] = {
        entry.peer.name: versions(venv(entry.peer)) for entry in entries if entry.peer.is_a_guest
    }
    _write(options, around, tables, contest)
    return 1 if contest.failures else 0


def _installed(entries: list[Entry]) -> tuple[list[Entry], list[tuple[str, str, str]]]:
    """Make the venvs; return who can take part, and why the others cannot."""
    able, missing = [], {}
    for entry in entries:
        try:
            if entry.peer.is_a_guest and entry.peer.name not in missing:
                venv(entry.peer)
        except NoVenv as error:
            missing[entry.peer.name] = str(error)
        if entry.peer.name not in missing:
            able.append(entry)
    return able, [("installation", name, why) for name, why in missing.items()]


def _write(
    options: argparse.Namespace,
    around: dict[str, Any],
    tables: list[report.Table],
    contest: Contest,
) -> None:
    if options.json:
        kept = {
            **around,
            "tables": [table.as_json() for table in tables],
            "failures": contest.failures,
        }
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if options.report:
        # Where it is written to is nobody's business.
        around = {**around, "command": _told(options)}
        charts = os.path.relpath(options.charts, options.report.parent) if options.charts else ""
        text = markdown.peers_report(around, tables, contest, f"{charts}/" if charts else "")
        options.report.write_text(text, encoding="utf-8")
    if options.charts:
        options.charts.mkdir(parents=True, exist_ok=True)
        for table in tables:
            chart = markdown.chart(table, contest.entries)
            (options.charts / f"{table.workload}.svg").write_text(chart, encoding="utf-8")


def _told(options: argparse.Namespace) -> list[str]:
    """Return the command without the files it writes."""
    rest = ["--quick"] if options.quick else []
    if options.rounds:
        rest += ["--rounds", str(options.rounds)]
    workloads = ",".join(options.workloads)
    return ["python", "-m", "benchmarks", "--peers", options.peers, "--workloads", workloads, *rest]


def _amount(options: argparse.Namespace) -> Amount:
    amount = QUICK if options.quick else FULL
    if options.tasks:  # For the tests: this many of everything.
        few = options.tasks
        amount = Amount(1, 1.0, few, 30.0, few, few, [(0.01, 10, 5)])
    if options.rounds:
        amount = Amount(**{**vars(amount), "rounds": options.rounds})
    return amount


def _progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    every = ",".join(peer.name for peer in PEERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument(
        "--peers", default=every, metavar="NAMES", help=f"peers or variants of them: {every}"
    )
    parser.add_argument(
        "--workloads", default=",".join(WORKLOADS), metavar="NAMES", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes: the main variants")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contestant")
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="write a Markdown report")
    parser.add_argument("--charts", type=Path, metavar="DIR", help="write charts as SVG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument("--tasks", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.workloads = options.workloads.split(",")
    if unknown := sorted(set(options.workloads) - set(WORKLOADS)):
        parser.error(f"no such workload: {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    try:
        options.entries = chosen(options.peers.split(","), options.quick)
    except ValueError as error:
        parser.error(str(error))
    for path in (options.report, options.json):
        if path and not path.parent.is_dir():
            parser.error(f"there is no directory {path.parent}")
    return options
