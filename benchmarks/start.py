# SPDX-License-Identifier: MIT
"""How long the command takes to start: the import, ``--help``, and until a first task has run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.contestants import Ours
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, ROOT, Bench, ChildFailed, Scale

#: Milliseconds.
IMPORT_GOAL = Goal(60)
HELP_GOAL = Goal(120)

#: Times that each is started in one round; the fastest counts, for the others waited for a core.
TIMES = 5


def run(bench: Bench, scale: Scale) -> list[Table]:
    def python(*arguments: str) -> Callable[[], float]:
        return lambda: min(_run(arguments) for _ in range(TIMES)) * 1000

    measures: dict[str, tuple[Callable[[], float], list[Goal]]] = {
        "python, nothing": (python("-c", ""), []),
        "python, import huey_green": (python("-c", "import huey_green"), []),
        "import RedisHuey, a task enqueued": (python("-c", _producer(bench)), []),
        "huey_green --help": (python("-m", "huey_green", "--help"), [HELP_GOAL]),
        "until a first task has run": (lambda: _first_task(bench) * 1000, []),
    }
    samples: dict[str, list[float]] = {label: [] for label in measures}
    for _ in range(scale.rounds):
        for label, (measure, _goals) in measures.items():
            samples[label].append(measure())
    bare, imported = samples["python, nothing"], samples["python, import huey_green"]
    alone = [with_it - without for with_it, without in zip(imported, bare, strict=True)]
    figures = [Figure("import huey_green alone", "ms", alone, goals=[IMPORT_GOAL])]
    figures += [
        Figure(label, "ms", samples[label], goals=goals) for label, (_, goals) in measures.items()
    ]
    title = f"from the command's start, python's own included, {scale.rounds} rounds"
    return [Table("start", title, figures)]


def _producer(bench: Bench) -> str:
    return (
        "from huey_green import RedisHuey\n"
        f"huey = RedisHuey('benchmark', url={bench.url!r})\n"
        "huey.task(name='noop')(lambda: None)()"
    )


def _run(arguments: tuple[str, ...]) -> float:
    began_at = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began_at


def _first_task(bench: Bench) -> float:
    """Return the seconds from starting a consumer until a task that waited for it has run."""
    bench.clear()
    ours = Ours(bench)
    ours.app.noop()
    began_at = time.perf_counter()
    with ours.start() as child:
        while ours.left(1):
            child.check()
            if time.perf_counter() - began_at > PATIENCE:
                raise ChildFailed(f"no task ran within {PATIENCE:g} s")
            time.sleep(0.001)
        took = time.perf_counter() - began_at
        child.stop()
    return took
