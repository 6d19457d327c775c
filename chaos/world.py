# SPDX-License-Identifier: MIT
"""One run: a storage, producers, consumers, the ledger, and what is done to them."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from chaos import ledger
from chaos.account import Account, take
from chaos.jobs import KINDS as JOBS
from chaos.kinds import HUEYS
from chaos.processes import PATIENCE, Consumer, Failed, Producer, eventually
from huey_green import StorageUnavailable
from huey_green.testing.redis import PrivateRedis

#: The kinds of storage, by their names on the command line.
KINDS = tuple(HUEYS)
REDIS_KINDS = KINDS[:2]

T = TypeVar("T")


class World:
    """``chance`` decides all that is random here; ``scale`` is 1 for a short run.

    Faults and scenarios start, stop and break things through it; what they do goes on record,
    and the account at the end knows it.
    """

    #: Seconds of a lease, for all consumers that say nothing else.
    lease = 5.0

    #: The part of the usual load that is enough for a brief run.
    least_load = 0.4

    def __init__(
        self,
        kind: str,
        seed: str,
        scale: float = 1.0,
        server: PrivateRedis | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """``server`` is a Redis to use in place of one of its own; ``settings`` are added to
        those of the application: options of the Huey, sentinels, service..."""
        self.kind, self.seed, self.scale = kind, seed, scale
        self.chance = random.Random(seed)
        self.directory = Path(tempfile.mkdtemp(prefix="huey-green-chaos-"))
        self.ledger = ledger.Ledger(self.directory / "ledger", "harness")
        self._reader = ledger.Reader(self.directory / "ledger")
        #: Figures for the report, by what they are: "recovered after, s": 0.4.
        self.figures: dict[str, float] = {}
        self.consumers: list[Consumer] = []
        self.producers: list[Producer] = []
        self._names = {"consumer": 0, "producer": 0}
        self._ending = ExitStack()
        self._own_settings = dict(settings or {})
        self._server = server
        self._app: ModuleType | None = None

    # Beginning and end.

    def __enter__(self) -> World:
        settings: dict[str, Any] = {
            "kind": self.kind,
            "name": "chaos",
            "options": {},
            "scale": self.scale,
        }
        if self.kind in REDIS_KINDS and "sentinels" not in self._own_settings:
            if self._server is None:
                self._server = self._ending.enter_context(PrivateRedis(appendonly=True))
            settings["url"] = self.redis.url
        elif self.kind == "sqlite":
            settings["options"] = {"filename": str(self.directory / "queue.db")}
        elif self.kind == "file":
            settings["options"] = {"path": str(self.directory / "queue")}
        (self.directory / "settings.json").write_text(
            json.dumps({**settings, **self._own_settings})
        )
        return self

    def __exit__(self, *error: object) -> None:
        for child in [*self.producers, *self.consumers]:
            child.clear_away()
        if self._app is not None:
            self._app.huey.storage.close()
        self._ending.close()

    @property
    def redis(self) -> PrivateRedis:
        """The server of this run."""
        if self._server is None:
            raise Failed(f"a {self.kind} queue has no Redis")
        return self._server

    @property
    def app(self) -> ModuleType:
        """The application, imported into the harness; its Huey looks past all proxies."""
        if self._app is None:
            os.environ.update(CHAOS_WORLD=str(self.directory), CHAOS_WHO="harness-app")
            modules = self._own_settings.get("modules", ())
            for name in ("chaos.app", "chaos.hostile_tasks", *modules):
                sys.modules.pop(name, None)
            import chaos.app

            self._app = chaos.app
        return self._app

    @property
    def storage(self) -> Any:
        """The storage, as the harness sees it."""
        return self.app.huey.storage

    # Processes.

    def consumer(self, *options: str, start: bool = True, **extra: str) -> Consumer:
        """Start a consumer; ``extra`` are variables of its environment.

        With ``start`` it is waited for until it consumes. ``-w 20`` and a lease of ``lease``
        seconds unless ``options`` say otherwise, as the last one counts.
        """
        self._names["consumer"] += 1
        base = ["-w", "20", "-q", "--lease", f"{self.lease:g}"]
        who = f"c{self._names['consumer']}"
        consumer = Consumer(who, self.directory, self.ledger, [*base, *options], extra)
        consumer.consumes = lambda: self.count("started", by=who) > self.count("stopped", by=who)
        self.consumers.append(consumer)
        if start:
            consumer.wait_for(lambda: self.has("started", by=who), "a start")
        return consumer

    def alive(self) -> list[Consumer]:
        """Return the consumers that run; those that ended by themselves are taken out."""
        for consumer in list(self.consumers):
            if not consumer.is_alive:
                consumer.ends()
                self.consumers.remove(consumer)
        return list(self.consumers)

    def staff(self, count: int, *options: str) -> list[Consumer]:
        """See to it that so many consumers run."""
        while len(self.alive()) < count:
            self.consumer(*options)
        return self.consumers

    @contextmanager
    def producing(
        self, rate: float = 100.0, seconds: float = 0.05, count: int = 2, *kinds: str, **extra: str
    ) -> Iterator[list[Producer]]:
        """Have ``count`` producers enqueue ``rate`` jobs a second in all, of about ``seconds``.

        In a brief run there are fewer.
        """
        rate *= min(1.0, max(self.least_load, self.scale))
        producers = []
        for _ in range(count):
            self._names["producer"] += 1
            who = f"p{self._names['producer']}"
            load = (f"{self.seed}-{who}", rate / count, seconds, kinds or tuple(JOBS))
            producers.append(Producer(who, self.directory, self.ledger, load, extra))
        self.producers += producers
        for one in producers:
            one.wait_for(partial(self.has, "accepted", by=one.who), "a first job")
        try:
            yield producers
        finally:
            for one in producers:
                one.stop()

    # Looking and waiting.

    def records(self) -> list[ledger.Record]:
        """Return the ledger."""
        return self._reader.all()

    def count(self, what: str, **more: Any) -> int:
        """How many records there are of that kind, with those fields."""
        records = self._reader.of(what)
        if not more:
            return len(records)
        return sum(all(record.get(name) == more[name] for name in more) for record in records)

    def has(self, what: str, **more: Any) -> bool:
        """Whether there is such a record."""
        return self.count(what, **more) > 0

    def pause(self, least: float, most: float) -> None:
        """Let things run for a random time, in seconds."""
        time.sleep(self.chance.uniform(least, most))

    def times(self, short: int) -> int:
        """Return how often to do what a short run does ``short`` times."""
        return max(1, round(short * self.scale))

    def some(self, choices: Sequence[T]) -> Sequence[T]:
        """Return all that a run of the usual length goes through; of a brief one a few, drawn."""
        return self.chance.sample(choices, min(len(choices), self.times(len(choices))))

    def works(self, jobs: int = 10, patience: float = PATIENCE) -> None:
        """Wait until so many more executions have ended; raises ``Failed``."""
        before = self.count("ended")
        eventually(lambda: self.count("ended") >= before + jobs, f"{jobs} executions", patience)

    @contextmanager
    def outage(self, what: str) -> Iterator[None]:
        """Put on record that the storage may not answer meanwhile."""
        self.ledger.note("outage-begins", of=what)
        try:
            yield
        finally:
            self.ledger.note("outage-ends", of=what)

    def drain(self, patience: float = 120.0) -> None:
        """Have all be done that is left, and all consumers stop well.

        Raises ``Failed`` when nothing has begun for ``patience`` seconds, and something is left.
        """
        self.staff(1)
        began, gives_up_at = -1, 0.0
        while not self.is_drained():
            if (now := self.count("began")) != began:
                began, gives_up_at = now, time.monotonic() + patience
            elif time.monotonic() > gives_up_at:
                raise Failed(f"nothing was begun for {patience:g} s, and {self.waiting()} are left")
            time.sleep(0.1)
        for consumer in self.alive():
            consumer.stop()
            self.consumers.remove(consumer)

    def is_drained(self) -> bool:
        """Whether nothing waits or runs, but for periodic tasks."""
        # Looked at twice: a task that is taken back between two looks would be seen by neither.
        return self._looks_empty() and self._looks_empty()

    def _looks_empty(self) -> bool:
        try:
            return not self.waiting()
        except StorageUnavailable:
            return False

    def waiting(self) -> list[str]:
        """Return the names of the jobs that are kept in the storage, in whatever state."""
        return list(filter(None, map(self.job_of, self._bodies())))

    def _bodies(self) -> list[bytes]:
        storage = self.storage
        held = [one.body for one in storage.in_flight()]
        return [*storage.enqueued_items(), *storage.scheduled_items(), *held]

    def dead(self) -> list[str]:
        """Return the names of the jobs among the dead letters."""
        return list(
            filter(None, map(self.job_of, (one.body for one in self.storage.dead_letters())))
        )

    def job_of(self, body: bytes) -> str | None:
        """Return the name of a message's job, None for a periodic task."""
        task = self.app.huey.deserialize_task(body)
        return task.kwargs.get("job") or next((a for a in task.args if isinstance(a, str)), None)

    # The account.

    def account(self) -> Account:
        """Account for every job; see ``chaos.account``."""
        accepted = {
            record["result"]: record["job"]
            for record in self.records()
            if record["what"] == "accepted"
        }
        stored = self.storage.peek_many(list(accepted))
        values = {
            accepted[task]: self.app.huey.serializer.deserialize(body)
            for task, body in stored.items()
        }
        kept = {*self.waiting(), *self.dead()}
        ticks = {self.app.huey.deserialize_task(body).id for body in self._bodies()}
        return take(self.records(), kept, len(self.dead()), values, self.lease, ticks)
