# SPDX-License-Identifier: MIT
"""The report as Markdown, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import charts
from benchmarks.peers.catalogue import FLOOR, OURS, Entry
from benchmarks.peers.workloads import Contest
from benchmarks.report import Table, number

_METHOD = """\
Every peer has a venv of its own at pinned versions, and its worker and its producer are processes
of their own. All use one private redis-server on loopback TCP without persistence, and take
turns: in each round everybody once. A figure is the median of the rounds, beside the lowest and
the highest; a ratio is the median of the rounds' ratios. "ours is" tells how many times better
huey_green is than the row. A task tells that it ran through a byte of shared memory; what is lost
or runs twice is reported. The clock runs from when a tenth of the no-ops has run, or the first
sleep began, until the last task has run. Memory is the peak, of several processes the sum of what
is theirs (PSS)."""

#: Said of a machine on which more processes wanted a core than there are cores.
_BUSY = """\
**The machine was busy with other work**: no time here is what a quiet machine needs, and those who
make many round trips lose more by it than those who make few. CPU seconds say more."""


def peers_report(
    around: Mapping[str, Any], tables: Sequence[Table], contest: Contest, charts: str = ""
) -> str:
    """Return the whole report; ``charts`` is where they are, seen from it, with a slash."""
    machine, versions = around["machine"], around["versions"]
    load = " ".join(f"{value:.2f}" for value in machine["load"])
    lines = [
        "# huey_green beside its peers",
        "",
        f"{machine['cores']} cores, {machine['processor']}, {machine['system']}, load at the"
        f" beginning {load}. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        "",
        f"`{' '.join(around['command'])}`: {contest.amount.rounds} rounds.",
        "",
        _METHOD,
        "",
        *([_BUSY, ""] if machine["load"][0] > machine["cores"] else []),
    ]
    for table in tables:
        title = table.title[0].upper() + table.title[1:]
        lines += [f"## {title}", ""]
        if charts:
            lines += [f"![{title}]({charts}{table.workload}.svg)", ""]
        lines += [table.as_markdown(), ""]
    lines += ["## How each was started", "", *_configured(contest.entries), ""]
    lines += ["## Versions", ""]
    lines += [f"- {name}: {', '.join(found)}" for name, found in around["peers"].items()]
    if contest.failures:
        lines += ["", "## Failures", ""]
        for what, who, why in contest.failures:
            lines += [f"- {who}, {what}: {why.splitlines()[0]}"]
    return "\n".join(lines) + "\n"


def _configured(entries: Sequence[Entry]) -> list[str]:
    lines = ["| variant | delivery | how | command |", "| --- | --- | --- | --- |"]
    for entry in entries:
        command = " ".join(entry.variant.command)
        lines.append(
            f"| {entry.name} | {entry.variant.delivery} | {entry.variant.how} | `{command}` |"
        )
    return lines


def chart(table: Table, entries: Sequence[Entry]) -> str:
    """Return the table's figures as an SVG."""
    peers = {entry.name: entry.peer.name for entry in entries}
    colours = {OURS: charts.OURS, FLOOR: charts.FLOOR}
    bars = [
        charts.Bar(
            figure.label,
            figure.median,
            number(figure.median),
            colours.get(peers.get(figure.label, ""), charts.THEIRS),
        )
        for figure in table.figures
    ]
    unit = table.figures[0].unit if table.figures else ""
    better = "more" if unit.endswith("/s") else "less"
    return charts.bar_chart(table.title, f"{unit}, {better} is better", bars)
