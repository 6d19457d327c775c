# SPDX-License-Identifier: MIT
"""The command: ``python -m chaos [NAME...]``; see ``python -m chaos --help``."""

from __future__ import annotations

import argparse
import importlib
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from chaos.registry import ENTRIES, Entry
from chaos.run import Verdict, run, run_mixed, run_tour
from chaos.watchdog import run_watched
from chaos.world import KINDS

#: Modules that fill the registry, those that take long first.
MODULES = (
    "sentinel",
    "cluster",
    "network",
    "outages",
    "herd",
    "recovery",
    "clocks",
    "hostile",
    "stops",
    "crews",
    "kills",
)

#: Faults that are committed in one world, with --brief.
TOUR = 5

#: Commands of their own: they take the rest of the line.
COMMANDS = ("soak", "fuzz")

#: How many times more a run does with --long than without, and with --brief.
LONG, BRIEF = 20.0, 0.2

SCALES = {"long": LONG, "brief": BRIEF}

#: Seconds that one world lasts in a mixed run.
MIXED = 60.0


def main(argv: list[str]) -> int:
    """Run what the command line names; 0 when every account was balanced, else 1."""
    if argv and argv[0] in COMMANDS:
        code: int = importlib.import_module(f"chaos.{argv[0]}").main(argv[1:])
        return code
    for module in MODULES:
        importlib.import_module(f"chaos.{module}")
    parser = _parser()
    options = parser.parse_args(argv)
    if options.list:
        _list()
        return 0
    unknown = [name for name in options.names if name not in ENTRIES]
    if unknown:
        parser.error(f"no {', '.join(unknown)}; python -m chaos --list shows what there is")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    print(f"seed {options.seed}: --seed {options.seed} makes the same choices again", flush=True)
    if options.jobs > 1:
        good = _run_at_once(options)
    else:
        good = True
        for verdict in _verdicts(options):
            _print(verdict)
            good = good and verdict.is_good
    print("all is accounted for" if good else "NOT ALL IS WELL: see above")
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos",
        description="Break what can break under a running queue, and account for every task. "
        "Starts a Redis and all processes of its own, and touches nothing else.",
        epilog=f"Further commands: {', '.join(f'python -m chaos {name}' for name in COMMANDS)}; "
        "each has a --help.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults and scenarios; all")
    parser.add_argument("--list", action="store_true", help="show what there is")
    parser.add_argument(
        "--kind", action="append", choices=KINDS, help="a kind of storage; may be repeated; all"
    )
    parser.add_argument("--seed", default=str(random.randrange(10**6)), help="replays choices")
    parser.add_argument(
        "--faults", type=int, metavar="COUNT", help="how often each fault is committed in a run"
    )
    parser.set_defaults(scale=1.0)
    scales = parser.add_mutually_exclusive_group()
    scales.add_argument(
        "--long",
        action="store_const",
        dest="scale",
        const=LONG,
        help=f"do everything {LONG:g} times as often",
    )
    scales.add_argument(
        "--brief",
        action="store_const",
        dest="scale",
        const=BRIEF,
        help="do what is done again and again once or twice, and several faults in one run",
    )
    parser.add_argument(
        "--one-kind",
        action="store_true",
        help="run each on one of its kinds of storage, drawn by the seed, and not on all",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="mix all faults (or those named) at random, and the scenarios between, so long",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="COUNT", help="so many runs at once; not --minutes"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folders of good runs, too")
    return parser


def _list() -> None:
    for entry in sorted(ENTRIES.values(), key=lambda entry: (not entry.is_fault, entry.name)):
        what = "fault" if entry.is_fault else "scenario"
        print(f"{entry.name:24} {what:9} {','.join(entry.kinds):24} {entry.what}")


def _chosen(options: argparse.Namespace) -> list[Entry]:
    return [ENTRIES[name] for name in options.names or ENTRIES]


def _kinds(options: argparse.Namespace, entry: Entry, chance: random.Random) -> list[str]:
    kinds = [kind for kind in entry.kinds if kind in (options.kind or KINDS)]
    return [chance.choice(kinds)] if options.one_kind and kinds else kinds


def _verdicts(options: argparse.Namespace) -> Iterator[Verdict]:
    chance = random.Random(options.seed)
    chosen = _chosen(options)
    if options.minutes:
        yield from _mixed(options, chosen, chance)
        return
    for entries, kind in _runs(options, chance):
        if len(entries) > 1:
            yield run_tour(entries, kind, options.seed, options.keep)
            continue
        scale = options.scale
        if options.faults and entries[0].is_fault:
            scale = options.faults / entries[0].repeat
        yield run(entries[0], kind, options.seed, scale, options.keep)


def _runs(options: argparse.Namespace, chance: random.Random) -> list[tuple[list[Entry], str]]:
    """Return what to run on which kind: a scenario, a fault, or several faults in turn."""
    runs = [
        ([entry], kind) for entry in _chosen(options) for kind in _kinds(options, entry, chance)
    ]
    if options.scale != BRIEF:
        return runs
    faults: dict[str, list[Entry]] = defaultdict(list)
    for entries, kind in runs:
        faults[kind] += [entry for entry in entries if entry.is_fault]
    tours = [
        (some[at : at + TOUR], kind)
        for kind, some in faults.items()
        for at in range(0, len(some), TOUR)
    ]
    return [one for one in runs if not one[0][0].is_fault] + tours


def _run_at_once(options: argparse.Namespace) -> bool:
    """Do each run in a process of its own, several at once; say whether all were good."""
    chance = random.Random(options.seed)
    passed_on = ["--seed", options.seed]
    passed_on += ["--faults", str(options.faults)] if options.faults else []
    passed_on += [f"--{name}" for name, scale in SCALES.items() if options.scale == scale]
    passed_on += ["--keep"] if options.keep else []

    def done(one: tuple[list[Entry], str]) -> bool:
        names, kind = [entry.name for entry in one[0]], one[1]
        command = [sys.executable, "-m", "chaos", *names, "--kind", kind, *passed_on]
        ended = run_watched(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = ended.stdout.splitlines()
        print("\n".join(said[1:-1] if ended.returncode == 0 else [*said[1:], ended.stderr]))
        sys.stdout.flush()
        return ended.returncode == 0

    with ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(done, _runs(options, chance))))


def _mixed(
    options: argparse.Namespace, chosen: list[Entry], chance: random.Random
) -> Iterator[Verdict]:
    ends_at, number = time.monotonic() + options.minutes * 60, 0
    while (left := ends_at - time.monotonic()) > 0:
        kind = chance.choice(options.kind or KINDS)
        number += 1
        seed = f"{options.seed}.{number}"
        faults = [entry for entry in chosen if entry.is_fault and kind in entry.kinds]
        scenarios = [entry for entry in chosen if not entry.is_fault and kind in entry.kinds]
        if scenarios and (not faults or chance.random() < 0.3):
            yield run(chance.choice(scenarios), kind, seed, 1.0, options.keep)
        elif faults:
            yield run_mixed(faults, kind, seed, min(MIXED, left), options.keep)


def _print(verdict: Verdict) -> None:
    word = "ok" if verdict.is_good else "FAILED"
    print(f"\n{word}: {verdict.name} on {verdict.kind}, {verdict.seconds:.1f} s", flush=True)
    for line in verdict.account.lines() if verdict.account else ():
        print(f"  {line}")
    for name, value in verdict.figures.items():
        print(f"  {name}: {value:.3f}")
    if verdict.failure:
        print(f"  {verdict.failure}")
    if verdict.directory:
        print(f"  ledger and logs: {verdict.directory}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
