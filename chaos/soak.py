# SPDX-License-Identifier: MIT
"""Long runs: ``python -m chaos soak``. What grows is found, and fails the run.

Two million short tasks of all kinds go through one consumer. After each tenth the producer
pauses until all is done, and everything is counted: memory, open files, threads, greenlets,
objects, connections, keys. What there is at the end is compared with what there was after the
first tenth. With other options it is idle, or the storage is away, or consumers come and go.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from chaos import soak_cycles
from chaos.processes import Failed
from chaos.soak_run import Load
from chaos.soak_verdict import MB, Row, compare, compare_runs, grown_types, table
from chaos.world import KINDS, REDIS_KINDS, World
from huey_green.testing.redis import PrivateRedis

#: Parts of a run, unless another number is given; the first one warms up.
PARTS = 10

#: Seconds that one task may take on a machine in trouble, all in all, and any part of a run.
PER_TASK, AT_LEAST = 0.05, 300.0

#: Seconds after which an idle consumer has let go of what it kept in case more would come.
SETTLED = 35.0

#: Tasks that are enqueued for each outage, and seconds into them after which the server is gone.
PER_OUTAGE, OUTAGE_WITHIN = 3000, 2.0

Course = Callable[[Load, argparse.Namespace], list[dict[str, Any]]]


def main(argv: list[str]) -> int:
    """Soak as the command line says; 0 when nothing grew and every task ran, else 1."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if options.cycles:
        return _report(soak_cycles.run(options.cycles), [], [], options)
    course = _idle if options.idle else _outages if options.outages else _load
    with ExitStack() as stack:
        # Every write of an outage's server has to be found again; in all others none is kept.
        keeps = bool(options.outages)
        is_redis = options.kind in REDIS_KINDS
        server = stack.enter_context(PrivateRedis(appendonly=keeps)) if is_redis else None
        world = stack.enter_context(World(options.kind, options.seed, server=server))
        load = Load(world, options.workers, options.width)
        _say(options, f"seed {options.seed}; in {world.directory}")
        try:
            with load.sampled():
                looks = course(load, options)
        except Failed as error:
            print(f"FAILED: {error}")
            return 1
        more = soak_cycles.RESOLVERS if options.outages else 0
        rows = compare(looks[0], looks[-1], options.workers, more)
        if not options.outages:
            rows += compare_runs(
                looks[-1]["consumer"]["began"], load.done["least"], load.done["most"]
            )
        else:
            # What a caller had no answer to may stay in the store.
            rows = [row for row in rows if not row.what.startswith(("kept", "storage"))]
        load.consumer.send(signal.SIGTERM)
        load.consumer.ends()
        code = _report(rows, looks, load.samples, options)
    if code == 0:
        shutil.rmtree(world.directory)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos soak",
        description="Run many short tasks of all kinds through one consumer, and see to it that "
        "nothing grows. Starts a Redis and all processes of its own.",
    )
    parser.add_argument("--tasks", type=int, default=2_000_000, help="how many (2,000,000)")
    parser.add_argument(
        "--parts", type=int, default=PARTS, help="looks at everything: one after each part (10)"
    )
    parser.add_argument("--kind", choices=KINDS, default="list", help="kind of storage (list)")
    parser.add_argument("--workers", type=int, default=200, help="-w of the consumer (200)")
    parser.add_argument(
        "--width", type=int, default=48, help="callers at once: the backlog's bound (48)"
    )
    parser.add_argument("--seed", default=str(random.randrange(10**6)), help="replays choices")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--idle", type=float, metavar="SECONDS", help="after the tasks, nothing for so long"
    )
    parser.add_argument(
        "--outages", type=int, metavar="COUNT", help="restart Redis so often under load"
    )
    parser.add_argument(
        "--cycles", type=int, metavar="COUNT", help="start and stop embedded consumers so often"
    )
    return parser


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        print(text, flush=True)


def _look(load: Load, options: argparse.Namespace) -> dict[str, Any]:
    look = load.quiet()
    consumer, producer = (look[who]["outside"] for who in ("consumer", "producer"))
    _say(
        options,
        f"{look['tasks']:>9,} tasks, {look['seconds']:6.0f} s: consumer "
        f"{consumer['rss'] / MB:.1f} MB, {consumer['fds']} fds, {consumer['threads']} threads; "
        f"producer {producer['rss'] / MB:.1f} MB; {sum(look['connections'].values())} connections; "
        f"storage {look['storage']['bytes'] / MB:.1f} MB",
    )
    return look


def _patience(tasks: int) -> float:
    return AT_LEAST + tasks * PER_TASK


def _load(load: Load, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Nothing but tasks."""
    looks = []
    for part in range(1, options.parts + 1):
        wanted = options.tasks * part // options.parts - load.done["tasks"]
        load.run(max(0, wanted), _patience(wanted))
        looks.append(_look(load, options))
    return looks


def _idle(load: Load, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Some tasks, and then none for a long time."""
    load.run(options.tasks, _patience(options.tasks))
    time.sleep(SETTLED)
    looks = [_look(load, options)]
    for _ in range(3):
        time.sleep(options.idle / 3)
        looks.append(_look(load, options))
    return looks


def _outages(load: Load, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The server is gone again and again while tasks are enqueued and run."""
    load.run(PER_OUTAGE, _patience(PER_OUTAGE))
    looks = [_look(load, options)]
    for number in range(options.outages):
        load.ask("run", PER_OUTAGE, True)
        load.world.pause(0.0, OUTAGE_WITHIN)
        load.world.redis.kill()
        load.world.pause(0.0, OUTAGE_WITHIN)
        load.world.redis.start()
        load.done = load.answer(_patience(PER_OUTAGE))
        if number % max(1, options.outages // PARTS) == 0:
            looks.append(_look(load, options))
    # Once more without one: all connections are open again that a load needs.
    load.run(PER_OUTAGE, _patience(PER_OUTAGE))
    return [*looks, _look(load, options)]


def _report(
    rows: list[Row],
    looks: list[dict[str, Any]],
    samples: list[dict[str, Any]],
    options: argparse.Namespace,
) -> int:
    good = all(row.is_good for row in rows)
    if options.json:
        found = [{**row._asdict(), "good": row.is_good} for row in rows]
        print(json.dumps({"good": good, "rows": found, "looks": looks, "samples": samples}))
        return 0 if good else 1
    if samples:
        highest = {
            who: max(sample[who]["rss"] for sample in samples) for who in ("consumer", "producer")
        }
        peaks = ", ".join(f"{who} {size / MB:.1f} MB" for who, size in highest.items())
        print(f"highest of {len(samples)} samples: {peaks}")
    print("\n".join(table(rows)))
    for who in ("consumer", "producer") if looks and not good else ():
        print(f"objects of the {who}, by type:")
        print("\n".join(f"  {line}" for line in grown_types(looks[0][who], looks[-1][who])))
    print("nothing grew" if good else "SOMETHING GREW, or a task did not run as often as it had to")
    return 0 if good else 1
