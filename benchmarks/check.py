# SPDX-License-Identifier: MIT
"""``python -m benchmarks check``: has anything become twice as expensive? In under a minute.

What is measured are ratios: to the bare loop in the same run, which a slow machine slows as well
(CPU seconds more than time, which is also that of whoever else has the cores), and of
instructions to those of a yardstick (``benchmarks.instructions``), which no noise touches.
They are compared with ``ratios.json``, recorded with ``--record``. Bounds are wide: a ratio
passes until it is ``TOLERANCE`` times worse than the recorded one, so that a doubled cost in CPU
does not. Contestants take turns, the best round of each counts (noise only ever slows), and where
a bound is missed there are more rounds, as far as time allows, before that is said.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import instructions
from benchmarks.contestants import Floor, Ours, push_floor_messages
from benchmarks.keys import QUEUE_KEY, new_message
from benchmarks.latency import floor_round_trips, our_round_trips
from benchmarks.runner import Bench, bench, drain

RECORD = Path(__file__).with_name("ratios.json")

#: How many times worse than recorded is still taken for noise: of CPU seconds, of instructions,
#: and of time. A doubled cost is 2 of the first two; time shows what waits, and is noisy.
TOLERANCE = 1.8
COUNT_TOLERANCE = 1.5
TIME_TOLERANCE = 3.0

#: How the names of those end.
TIME = ", time"

#: Seconds after which no further round begins, and rounds at the least and at the most.
BUDGET = 30.0
FEWEST, MOST = 2, 6

#: No-ops in a backlog, enqueued one by one and in bulk, and round trips.
TASKS = 15_000
CALLS = 1_000
IN_BULK = 4_000
TRIPS = 60

#: Times that what takes a moment is repeated in one round.
REPEATED = 3

#: What ours and the floor cost in one round, by the name of what is compared.
Costs = Mapping[str, tuple[float, float]]


@dataclass
class Probe:
    """One measurement that takes its turn, and what it found so far; less is better."""

    measure: Callable[[], Costs]
    ours: dict[str, list[float]] = field(default_factory=dict)
    floor: dict[str, list[float]] = field(default_factory=dict)

    def measure_again(self) -> None:
        for name, (ours, floor) in self.measure().items():
            self.ours.setdefault(name, []).append(ours)
            self.floor.setdefault(name, []).append(floor)

    def ratios(self) -> dict[str, float]:
        """Return the least of ours to the least of the floor's."""
        return {name: min(self.ours[name]) / min(self.floor[name]) for name in self.ours}


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    began_at = time.monotonic()
    recorded: dict[str, dict[str, float]] = json.loads(RECORD.read_text(encoding="utf-8"))
    counts = instructions.counted()
    with bench() as redis:
        probes = _probes(redis)
        for number in range(MOST):
            if number and time.monotonic() - began_at > BUDGET:
                break
            for probe in probes:
                if number < FEWEST or options.record or _is_bad(probe, recorded["timed"]):
                    probe.measure_again()
    timed = {name: ratio for probe in probes for name, ratio in probe.ratios().items()}
    if options.record:
        kept = {"timed": timed, "instructions": counts or recorded["instructions"]}
        rounded = {
            part: {name: round(value, 3) for name, value in values.items()}
            for part, values in kept.items()
        }
        RECORD.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    missed = _judge("cost beside the floor", timed, recorded["timed"], _tolerance)
    if counts is None:
        print("instructions: not counted, there is no valgrind on PATH")
    else:
        beside = "instructions beside the yardstick"
        missed += _judge(beside, counts, recorded["instructions"], lambda _: COUNT_TOLERANCE)
    print(f"\n{time.monotonic() - began_at:.0f} s; {missed or 'no'} bounds missed")
    return 1 if missed and not options.record else 0


def _is_bad(probe: Probe, recorded: Mapping[str, float]) -> bool:
    found = probe.ratios()
    known = found.keys() & recorded.keys()
    return any(found[name] > recorded[name] * _tolerance(name) for name in known)


def _tolerance(name: str) -> float:
    return TIME_TOLERANCE if name.endswith(TIME) else TOLERANCE


def _judge(
    title: str,
    found: Mapping[str, float],
    recorded: Mapping[str, float],
    tolerance: Callable[[str], float],
) -> int:
    """Print a line for each; return how many are out of bounds."""
    print(f"{title} (recorded, bound):")
    missed = 0
    for name, value in found.items():
        if name not in recorded:
            print(f"  {name:28} {value:7.2f}  (not recorded: --record does)")
            continue
        bound = recorded[name] * tolerance(name)
        verdict = "" if value <= bound else "  MISSED"
        missed += value > bound
        print(f"  {name:28} {value:7.2f}  ({recorded[name]:.2f}, {bound:.2f}){verdict}")
    for name in sorted(set(recorded) - set(found)):
        print(f"  {name:28} is recorded and was not measured: MISSED")
        missed += 1
    return missed


def _probes(redis: Bench) -> list[Probe]:
    app = Ours(redis).app

    def drained(results: bool) -> Costs:
        name = "no-op, results" if results else "no-op"
        runs = []
        for contestant in (Ours(redis, results=results), Floor(redis, results=results)):
            redis.clear()
            if isinstance(contestant, Floor):
                contestant.fill(TASKS)
            else:
                contestant.app.noop.map([()] * TASKS)
            runs.append(drain(redis, contestant, TASKS))
        ours, floor = runs
        return {
            name + TIME: (ours.seconds, floor.seconds),
            f"{name}, CPU": (ours.cpu + ours.redis_cpu, floor.cpu + floor.redis_cpu),
        }

    def enqueued() -> Costs:
        redis.clear()
        return {
            "enqueue one by one, CPU": (
                _cpu(lambda: [app.noop() for _ in range(CALLS)]),
                _cpu(lambda: [redis.redis.lpush(QUEUE_KEY, new_message()) for _ in range(CALLS)]),
            ),
            "enqueue in bulk, CPU": (
                _cpu(lambda: app.noop.map([()] * IN_BULK)),
                _cpu(lambda: push_floor_messages(redis.redis, IN_BULK)),
            ),
        }

    def answered() -> Costs:
        redis.clear()
        ours = median(our_round_trips(redis, "list", TRIPS))
        redis.clear()
        return {"round trip" + TIME: (ours, median(floor_round_trips(redis, TRIPS)))}

    return [
        Probe(lambda: drained(results=False)),
        Probe(lambda: drained(results=True)),
        Probe(enqueued),
        Probe(answered),
    ]


def _cpu(work: Callable[[], object]) -> float:
    """Return the fewest CPU seconds of this process in which ``work`` is done."""
    seconds = []
    for _ in range(REPEATED):
        began_at = time.process_time()
        work()
        seconds.append(time.process_time() - began_at)
    return min(seconds)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks check", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} anew")
    return parser.parse_args(arguments)
