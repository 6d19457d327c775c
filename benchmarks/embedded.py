# SPDX-License-Identifier: MIT
"""What a consumer inside a web server costs the requests: their time, with and without one.

The server is gevent.pywsgi in a process of its own, the visitors are in another one and ask with
pauses, so that the time of a request is not that of a queue before the server.
"""

from __future__ import annotations

import json
import time
from statistics import quantiles

from benchmarks.app import App, build
from benchmarks.report import Figure, Goal, Table
from benchmarks.runner import PATIENCE, Bench, Child, Scale

#: Of p99, beside the server without a consumer.
GOAL = Goal(3.0, of="ratio")

#: Requests for each sample of a scale: there is a visitor's pause between two.
REQUESTS = 4

#: Rounds of ``burn`` that take about a millisecond, and seconds of a nap.
BURN, NAP = 45_000, 0.05

#: What there is to do: tasks for each request, more than can be done in that time.
NOOPS, NAPS, BURNS = 40, 10, 4

ALONE = "no consumer"
ROWS = {
    ALONE: ("none", ""),
    "idle": ("embedded", ""),
    "no-ops": ("embedded", "noop"),
    "naps of 50 ms": ("embedded", "nap"),
    "1 ms of Python": ("embedded", "burn"),
    "1 ms of Python, not embedded": ("plain", "burn"),
}


def run(bench: Bench, scale: Scale) -> list[Table]:
    requests = REQUESTS * scale.samples
    p50: dict[str, list[float]] = {label: [] for label in ROWS}
    p99: dict[str, list[float]] = {label: [] for label in ROWS}
    rate: dict[str, float] = {}
    for _ in range(scale.rounds):
        for label, (kind, task) in ROWS.items():
            bench.clear()
            seconds, rate[label] = _serve(bench, kind, task, requests)
            cuts = quantiles(seconds, n=100, method="inclusive")
            p50[label].append(cuts[49] * 1000)
            p99[label].append(cuts[98] * 1000)
    figures = []
    for label, (kind, _) in ROWS.items():
        beside = label != ALONE
        notes = {"tasks/s": round(rate[label])}
        goals = [GOAL] if kind == "embedded" else []
        figures += [
            Figure(f"{label}, p50", "ms", p50[label], p50[ALONE] if beside else (), notes=notes),
            Figure(f"{label}, p99", "ms", p99[label], p99[ALONE] if beside else (), goals),
        ]
    return [Table("embedded", f"{requests:,} requests, {scale.rounds} rounds", figures)]


def _serve(bench: Bench, kind: str, task: str, requests: int) -> tuple[list[float], float]:
    """Return the seconds of all requests, and the tasks that ran in a second meanwhile."""
    app = build(bench.url, "list", results=True)
    total = _fill(app, task, requests)
    port_file, answers = bench.directory / "port", bench.directory / "answers"
    for file in (port_file, answers):
        file.unlink(missing_ok=True)
    serving = ("-m", "benchmarks.serving", bench.url, str(port_file), kind)
    with Child("the web server", serving) as server:
        _wait_for(port_file.exists, server)
        began_at = time.perf_counter()
        visiting = ("-m", "benchmarks.visiting", port_file.read_text(), str(requests), str(answers))
        with Child("the visitors", visiting) as visitors:
            _wait_for(answers.exists, server, visitors)
        took = time.perf_counter() - began_at
        ran = total - len(app.huey)
        server.stop()
    return json.loads(answers.read_text()), ran / took


def _fill(app: App, task: str, requests: int) -> int:
    """Enqueue what there is to do; return how many tasks that are."""
    if not task:
        return 0
    one, count, arguments = {
        "noop": (app.noop, NOOPS * requests, ()),
        "nap": (app.nap, NAPS * requests, (NAP,)),
        "burn": (app.burn, BURNS * requests, (BURN,)),
    }[task]
    one.map([arguments] * count)
    return count


def _wait_for(condition: object, *children: Child) -> None:
    assert callable(condition)
    ends_at = time.monotonic() + 4 * PATIENCE
    while not condition():
        if time.monotonic() > ends_at:
            raise children[-1].failure("did not come to its end")
        for child in children:
            child.check()
        time.sleep(0.01)
