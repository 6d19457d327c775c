# SPDX-License-Identifier: MIT
"""Feeds consumers with messages that were spoiled, and accounts for each: ``python -m chaos fuzz``.

A lane is a storage and a serializer. Its consumer, a process of its own, gets right and spoiled
messages mixed; a twin of it, a queue in memory without a consumer, is asked what has to become of
each: executed, kept for later, or a dead letter with a reason. At the end of each batch both have
to agree exactly, and at the end of the lane the consumer must be the same process, in good health.

This shows that no message takes a consumer down or gets lost in it, and not that the twin is
right; tests/hostile says what has to become of which message.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chaos import fuzz_app, watchdog
from chaos.fuzz_messages import Maker
from huey_green import Huey
from huey_green.message import Outgoing, Settlement
from huey_green.testing.redis import PrivateRedis
from huey_green.wire import decode_message

ROOT = Path(__file__).resolve().parents[1]

#: Storages and serializers, and which share of the messages each gets.
LANES = {
    ("list", "pickle"): 30,
    ("list", "json"): 20,
    ("list", "gzip"): 10,
    ("list", "zlib"): 10,
    ("list", "signed"): 5,
    ("zset", "pickle"): 10,
    ("zset", "json"): 10,
    ("sqlite", "pickle"): 2,
    ("sqlite", "json"): 1,
    ("file", "pickle"): 1,
    ("file", "json"): 1,
}

#: Seconds that a batch may take until all of it is accounted for.
PATIENCE = 120.0

#: One of so many messages is as it should be.
GOOD = 10

#: Address space of a consumer, and of the twin: ten bytes of pickle can ask for gigabytes (an index
#: of its memo), which then fail. Newer versions of Python refuse that by themselves.
MEMORY = 1536 * 1024 * 1024


class Fates(NamedTuple):
    """What has become of messages: by id, or by what was delivered where that has none."""

    executed: Counter[str]
    dead: Counter[str | bytes]
    later: Counter[str]
    results: Counter[str]

    def difference(self, other: Fates) -> str | None:
        """Return where these differ from others, None if they do not."""
        for name, ours, theirs in zip(self._fields, self, other, strict=True):
            missing, more = ours - theirs, theirs - ours
            if missing or more:
                return f"{name}: {_some(missing)} missing, {_some(more)} too many"
        return None

    @property
    def size(self) -> int:
        return sum(sum(counter.values()) for counter in self)


def _some(counter: Counter[Any]) -> str:
    return f"{counter.total()} (such as {next(iter(counter), None)!r:.200})"


class Tally(NamedTuple):
    """The account of one lane."""

    lane: str
    messages: int
    executed: int
    dead: int
    later: int
    reasons: Counter[str]
    seconds: float
    before: float
    after: float


class Failed(Exception):
    """Something is not accounted for, or a consumer did not live through it."""


class Twin:
    """The same application on a queue in memory, run here."""

    def __init__(self, serializer: str) -> None:
        self._executed: Counter[str] = Counter()
        self.huey = fuzz_app.make("memory", serializer, self._note)
        self.reasons: Counter[str] = Counter()

    def _note(self, id_: str) -> None:
        self._executed[id_] += 1

    def fates(self, bodies: list[bytes]) -> Fates:
        """Return what has to become of these messages and of what follows them."""
        self._executed.clear()
        huey, storage = self.huey, self.huey.storage
        for body in bodies:
            storage.enqueue(body)
        while deliveries := storage.fetch("twin", 500):
            ends = [Settlement(one, huey.executor.run(one).effects) for one in deliveries]
            assert not storage.settle("twin", ends)
        self.reasons.update(_kind_of(letter.reason) for letter in huey.dead_letters())
        fates = fates_in(huey, Counter(self._executed))
        huey.flush()
        return fates


def _kind_of(reason: str) -> str:
    """Return a reason without what differs from message to message."""
    words = reason.partition("(")[0].split()
    return " ".join(words if words[0] == "cannot" else words[:4])


def fates_in(huey: Huey, executed: Counter[str]) -> Fates:
    """Return what a storage says, beside what was executed."""
    storage = huey.storage
    later = (decode_message(huey.serializer, body).id for body in storage.scheduled_items())
    dead = (
        letter.body if letter.id.startswith("unreadable-") else letter.id
        for letter in storage.dead_letters()
        if letter.reason
    )
    return Fates(
        executed,
        Counter(dead),
        Counter(later),
        Counter(str(key) for key in storage.result_items()),
    )


class Fed:
    """A consumer that is fed, as a process of its own."""

    def __init__(self, kind: str, serializer: str, folder: Path, options: dict[str, Any]) -> None:
        self._ledger = folder / "ledger"
        self._ledger.touch()
        self._log = folder / "consumer.log"
        given = {
            "kind": kind,
            "serializer": serializer,
            "ledger": str(self._ledger),
            "options": options,
        }
        self.huey = fuzz_app.make(kind, serializer, lambda _: None, **options)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "huey_green", "chaos.fuzz_app.huey"),
                *("-w", "50", "-l", str(self._log), "-m", "0.1", "-q"),
            ],
            env={**os.environ, "CHAOS_FUZZ": json.dumps(given), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            preexec_fn=_bound_memory,
        )
        watchdog.watch(-self.process.pid)
        self._read_to = 0

    def feed(self, bodies: list[bytes], expected: Fates) -> None:
        """Enqueue messages, and see all of them come to the end that is expected."""
        self.huey.storage.enqueue_many([Outgoing(body) for body in bodies])
        ends_at = time.monotonic() + PATIENCE
        while not self._is_done(expected):
            if self.process.poll() is not None:
                raise Failed(f"the consumer ended with {self.process.returncode}: {self._said()}")
            if time.monotonic() > ends_at:
                found = self._fates()
                raise Failed(f"{expected.difference(found)}; {self._said()}")
            time.sleep(0.02)
        difference = expected.difference(self._fates())
        if difference is not None:
            raise Failed(f"{difference}; {self._said()}")
        self._read_to = self._ledger.stat().st_size
        self.huey.storage.delete_dead()
        self.huey.storage.flush_schedule()
        self.huey.storage.flush_results()

    def _is_done(self, expected: Fates) -> bool:
        storage = self.huey.storage
        if storage.queue_size() or storage.in_flight():
            return False
        return self._fates().size >= expected.size

    def _fates(self) -> Fates:
        with self._ledger.open() as ledger:
            ledger.seek(self._read_to)
            return fates_in(self.huey, Counter(line.rstrip("\n") for line in ledger))

    def memory(self) -> float:
        """Return the megabytes that the process has in memory."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return 0.0  # Not on Linux.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-1500:] if self._log.exists() else ""

    def stop(self) -> None:
        """End it as a service manager does; raises ``Failed`` when it does not end well."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise Failed(f"the consumer ended with {self.process.returncode}: {self._said()}")
        self.huey.storage.close()

    def kill(self) -> None:
        """End it in any case."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        watchdog.forget(-self.process.pid)


def _bound_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


def run_lane(
    lane: tuple[str, str], messages: int, seed: str, batch: int, options: dict[str, Any]
) -> Tally:
    """Feed one consumer; return the account. Raises ``Failed``."""
    kind, serializer = lane
    twin = Twin(serializer)
    maker = Maker(f"{seed} {kind} {serializer}", twin.huey.serializer)
    executed = dead = later = fed = 0
    before = 0.0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        consumer = Fed(kind, serializer, Path(folder), options)
        try:
            while fed < messages:
                count = min(batch, messages - fed)
                bodies = [maker.bad() if i % GOOD else maker.good() for i in range(count)]
                expected = twin.fates(bodies)
                consumer.feed(bodies, expected)
                fed += count
                executed += expected.executed.total()
                dead += expected.dead.total()
                later += expected.later.total()
                if before == 0.0:
                    before = consumer.memory()
            after = consumer.memory()
            consumer.stop()
        finally:
            consumer.kill()
    seconds = time.monotonic() - started
    name = f"{kind} {serializer}"
    return Tally(name, fed, executed, dead, later, twin.reasons, seconds, before, after)


@contextmanager
def places() -> Iterator[Any]:
    """Lend a function that says where the storage of a kind is."""
    with PrivateRedis(download=True) as server, tempfile.TemporaryDirectory() as folder:

        def options_of(kind: str, number: int) -> dict[str, Any]:
            if kind == "sqlite":
                return {"filename": f"{folder}/{number}.db"}
            if kind == "file":
                return {"path": f"{folder}/{number}"}
            return {"url": f"{server.url.partition('?')[0]}?db={number % 16}"}

        yield options_of


def main(argv: list[str]) -> int:
    """Run the lanes and print the account; 0 when each message is accounted for."""
    parser = argparse.ArgumentParser(prog="python -m chaos fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="in all (default: 20000)")
    parser.add_argument("--seed", default="0", help="the same seed makes the same messages")
    parser.add_argument("--batch", type=int, default=2000, help="at a time (default: 2000)")
    parser.add_argument("--only", default="", help="lanes with this word in their name")
    given = parser.parse_args(argv)
    # For the twin: each bad message is worth an error and a traceback.
    logging.disable(logging.CRITICAL)
    sys.tracebacklimit = 0
    _bound_memory()
    lanes = {lane: share for lane, share in LANES.items() if given.only in " ".join(lane)}
    total = Counter[str]()
    with places() as options_of:
        for number, (lane, share) in enumerate(lanes.items()):
            count = max(1, given.messages * share // sum(lanes.values()))
            try:
                tally = run_lane(lane, count, given.seed, given.batch, options_of(lane[0], number))
            except Failed as error:
                print(f"{' '.join(lane)}: NOT ACCOUNTED FOR, --seed {given.seed}: {error}")
                return 1
            _print(tally)
            total.update(messages=tally.messages, executed=tally.executed, dead=tally.dead)
            total.update(later=tally.later)
    print(
        f"{total['messages']:,} messages: {total['executed']:,} runs of tasks, {total['dead']:,} "
        f"dead letters, {total['later']:,} kept for later; every one is accounted for"
    )
    return 0


def _print(tally: Tally) -> None:
    print(
        f"{tally.lane:14} {tally.messages:>9,} messages  {tally.executed:>9,} runs  "
        f"{tally.dead:>9,} dead  {tally.later:>8,} later  {tally.seconds:7.1f} s  "
        f"{tally.before:6.1f} MB -> {tally.after:6.1f} MB",
        flush=True,
    )
    for reason, count in tally.reasons.most_common(4):
        print(f"{'':16}{count:>8,}  {reason} ...")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
