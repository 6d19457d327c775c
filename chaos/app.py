# SPDX-License-Identifier: MIT
"""The application under test. Producers and consumers import it; each task writes down when it
begins and how it ends. Where and how is in ``settings.json`` of the folder $CHAOS_WORLD."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos import clockwork, jobs
from chaos.kinds import HUEYS
from chaos.ledger import Ledger
from chaos.observed import observed_storage
from huey_green import Huey, TaskInterrupted, chord, every
from huey_green.signals import SIGNAL_INTERRUPTED

clockwork.install()

WORLD = Path(os.environ["CHAOS_WORLD"])
SETTINGS = json.loads((WORLD / "settings.json").read_text())

#: Who this process is in the ledger.
WHO = os.environ.get("CHAOS_WHO", f"pid{os.getpid()}")
if "CHAOS_CREW" in os.environ:
    WHO = f"{WHO}.{os.getpid()}"  # One of several children.

ledger = Ledger(WORLD / "ledger", WHO)

if HOST := os.environ.get("CHAOS_HOST"):
    # A consumer on this host cannot tell that one on another has died: its lease has to end.
    identity: Any = importlib.import_module("huey_green.consumer.identity")
    identity._boot_id = lambda: HOST


def _make_huey() -> Huey:
    options = dict(SETTINGS["options"])
    if "url" in SETTINGS:
        options["url"] = os.environ.get("CHAOS_URL", SETTINGS["url"])
    if "sentinels" in SETTINGS:
        options["connection_pool"] = _sentinel_pool()
    observed = observed_storage(SETTINGS["kind"], _note_tick)
    return HUEYS[SETTINGS["kind"]](SETTINGS["name"], storage_class=observed, **options)


def _note_tick(key: str, body: bytes) -> None:
    ledger.note("tick", key=key, id=huey.deserialize_task(body).id)


def _sentinel_pool() -> Any:
    from redis.sentinel import Sentinel, SentinelConnectionPool

    where = [tuple(one) for one in SETTINGS["sentinels"]]
    sentinel = Sentinel(where, socket_timeout=1.0, socket_connect_timeout=1.0)
    return SentinelConnectionPool(
        SETTINGS["service"], sentinel, socket_timeout=2.0, socket_connect_timeout=1.0
    )


huey = _make_huey()


#: The clock that decides what is due: the server's, which is the machine's; with SQLite and files
#: that of the process.
storage_time = clockwork.true_time if SETTINGS["kind"] in ("list", "zset") else time.time


@contextmanager
def execution(job: str, part: str = "") -> Iterator[str]:
    """Write down that a part of a job begins here, and how it ends; yields the run's name."""
    run = f"{WHO}/{time.monotonic_ns()}"
    ledger.note("began", job=job, part=part, run=run, wall=storage_time())
    how = "failed"
    try:
        yield run
        how = "ended"
    except TaskInterrupted:
        how = "left"
        raise
    finally:
        ledger.note(how, job=job, part=part, run=run)


class Expected(Exception):
    """What tasks raise on purpose."""


@huey.task()
def plain(job: str, seconds: float) -> str:
    with execution(job):
        time.sleep(seconds)
    return job


@huey.task(at_most_once=True)
def once(job: str, seconds: float) -> str:
    with execution(job):
        time.sleep(seconds)
    return job


@huey.task()
def step(job: str, number: int, seconds: float, before: int = 0) -> int:
    with execution(job, f"step{number}"):
        time.sleep(seconds)
    return before + 1


@huey.task()
def member(job: str, number: int, seconds: float) -> int:
    with execution(job, f"member{number}"):
        time.sleep(seconds)
    return number


@huey.task()
def callback(job: str, values: list[int]) -> int:
    with execution(job, "callback"):
        return sum(values)


@huey.task(retries=jobs.RETRIES, retry_delay=0.2, context=True)
def retried(job: str, seconds: float, task: Any = None) -> str:
    with execution(job, f"left{task.retries}"):
        time.sleep(seconds)
        if task.retries:
            raise Expected(job)
    return job


@huey.periodic_task(every(seconds=1), context=True)
def ticking(task: Any) -> None:
    ledger.note("ticked", id=task.id)


@huey.on_startup()
def started() -> None:
    ledger.note("started", pid=os.getpid())


@huey.signal(SIGNAL_INTERRUPTED)
def handed_back(signal: str, task: Any) -> None:
    # Also when it was interrupted between its last line and its end, which it cannot know.
    job = task.kwargs.get("job") or next((a for a in task.args if isinstance(a, str)), None)
    ledger.note("handed-back", job=job)


@huey.on_shutdown()
def stopped() -> None:
    ledger.note("stopped", pid=os.getpid())


def enqueue(kind: str, job: str, seconds: float, delay: float) -> str:
    """Enqueue a job; return the id of its last result."""
    if kind == "pipeline":
        first = step.s(job, 0, seconds)
        for number in range(1, jobs.STEPS):
            first = first.then(step, job, number, seconds)
        results: Any = list(huey.enqueue(first))
        return str(results[-1].id)
    if kind == "chord":
        members = [member.s(job, number, seconds) for number in range(jobs.MEMBERS)]
        joined: Any = huey.enqueue(chord(members, callback.s(job)))
        return str(joined.callback.id)
    if kind == "scheduled":
        return str(plain.schedule((job, seconds), delay=delay).id)
    task: Any = {"plain": plain, "retried": retried, "once": once}[kind]
    return str(task(job, seconds).id)


# Further tasks: hostile ones, and those that a scenario's settings name.
for _module in ("chaos.hostile_tasks", *SETTINGS.get("modules", ())):
    importlib.import_module(_module)
