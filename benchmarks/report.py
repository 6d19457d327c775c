# SPDX-License-Identifier: MIT
"""Figures, their goals, and how both are shown: a plain table to read, JSON to keep."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from statistics import median
from typing import Any

import huey_green

#: Distributions whose version changes the figures.
DISTRIBUTIONS = ("huey_green", "gevent", "greenlet", "redis", "hiredis", "psutil")


@dataclass(frozen=True)
class Goal:
    """A bound for a figure's median or, ``of="ratio"``, for its ratio to the floor."""

    bound: float
    at_least: bool = False
    of: str = "value"

    def __str__(self) -> str:
        what = "x floor" if self.of == "ratio" else ""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{' ' * bool(what)}{what}"

    def is_met(self, figure: Figure) -> bool:
        value = figure.ratio if self.of == "ratio" else figure.median
        if value is None:
            return False
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Figure:
    """One thing measured once a round, and what it is compared with.

    ``floor`` holds the floor's samples of the same rounds; ``notes`` are further columns.
    """

    label: str
    unit: str
    samples: Sequence[float]
    floor: Sequence[float] = ()
    goals: Sequence[Goal] = ()
    notes: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios, so that a slow minute slows both sides of one."""
        if not self.floor:
            return None
        return median(ours / floor for ours, floor in zip(self.samples, self.floor, strict=True))

    def as_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "unit": self.unit,
            "median": self.median,
            "samples": list(self.samples),
            "floor_samples": list(self.floor),
            "ratio": self.ratio,
            "goals": [{"goal": str(goal), "met": goal.is_met(self)} for goal in self.goals],
            "notes": dict(self.notes),
        }


@dataclass(frozen=True)
class Table:
    """The figures of one workload."""

    workload: str
    title: str
    figures: Sequence[Figure]

    def as_json(self) -> dict[str, Any]:
        figures = [figure.as_json() for figure in self.figures]
        return {"workload": self.workload, "title": self.title, "figures": figures}

    def as_text(self) -> str:
        return f"{self.workload}: {self.title}\n\n{_aligned(self._rows())}\n"

    def as_markdown(self) -> str:
        """Return the figures as a table of Markdown."""
        header, *rows = self._rows()
        # A column without a word in it says nothing.
        kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
        lines = [
            [header[index] for index in kept],
            ["---" if index in (0, len(header) - 1) else "---:" for index in kept],
            *([row[index] for index in kept] for row in rows),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _rows(self) -> list[list[str]]:
        columns = list(dict.fromkeys(name for figure in self.figures for name in figure.notes))
        rows = [["", "median", "low", "high", "unit", "x floor", *columns, "goal"]]
        for figure in self.figures:
            ratio = figure.ratio
            rows.append(
                [
                    figure.label,
                    number(figure.median),
                    number(min(figure.samples)),
                    number(max(figure.samples)),
                    figure.unit,
                    "" if ratio is None else f"{ratio:.2f}",
                    *(_cell(figure.notes.get(name, "")) for name in columns),
                    ", ".join(_judged(goal, figure) for goal in figure.goals),
                ]
            )
        return rows


def number(value: float) -> str:
    """Return ``value`` with three or four digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _judged(goal: Goal, figure: Figure) -> str:
    return f"{goal} ({'met' if goal.is_met(figure) else 'MISSED'})"


def _aligned(rows: list[list[str]]) -> str:
    """Lay rows out in columns: text to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    to_the_left = {0, rows[0].index("unit"), len(widths) - 1}
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index in to_the_left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def surroundings(redis_version: str) -> dict[str, Any]:
    """Return what the figures depend on: the machine, its load now, and versions."""
    return {
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load": list(os.getloadavg()),
        },
        "versions": {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "redis-server": redis_version,
            **{name: _version(name) for name in DISTRIBUTIONS},
        },
        "command": ["python", "-m", "benchmarks", *sys.argv[1:]],
    }


def describe(surroundings: Mapping[str, Any]) -> str:
    """Return the surroundings in two lines."""
    machine, versions = surroundings["machine"], surroundings["versions"]
    load = " ".join(f"{value:.2f}" for value in machine["load"])
    return (
        f"{machine['cores']} cores, {machine['processor']}, {machine['system']}, load {load}\n"
        + ", ".join(f"{name} {version}" for name, version in versions.items())
    )


def _version(distribution: str) -> str:
    if distribution == "huey_green":
        return huey_green.__version__  # Which need not be installed.
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # Not Linux.
    return platform.processor() or "unknown processor"
