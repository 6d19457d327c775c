# SPDX-License-Identifier: MIT
"""The contestants: what each consists of, how it is started, and why so.

A peer (``celery``) is one application and one venv; it takes part in one or more variants
(``celery-gevent``, ``celery-gevent-late``...), the first of which is the one that ``--quick``
takes. Each is configured as its own documentation advises for throughput, and for latency where
single tasks are waited for; ``how`` says so in the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The application of each peer, by the name under which it is asked for on the command line.
OURS = "huey_green"
FLOOR = "floor"

AT_LEAST_ONCE = "at least once"
AT_MOST_ONCE = "at most once"

GEVENT = ("gevent==26.9.0", "greenlet==3.5.6")
REDIS = ("redis==8.1.0", "hiredis==3.5.0")


@dataclass(frozen=True)
class Variant:
    """One way to run a peer.

    ``command`` follows the venv's ``bin`` directory; ``{workers}`` and the like
    are filled in. ``max_workers`` is what it can be asked to run at once; ``rate`` about how many
    no-op tasks a second it makes on a small machine, from which follows how many it is given.
    """

    name: str
    command: Sequence[str]
    delivery: str
    how: str
    max_workers: int
    rate: int
    key: str = ""
    #: Workers for tasks that do not wait.
    busy: int = 500


@dataclass(frozen=True)
class Peer:
    """A library. ``results`` is the pattern of the keys that hold results; with a ``#`` at its
    end, of one HASH that holds them all."""

    name: str
    app: str
    requirements: Sequence[str]
    results: str
    variants: Sequence[Variant]

    @property
    def is_a_guest(self) -> bool:
        """Whether it needs a venv: ours and the floor run where the benchmark runs."""
        return bool(self.requirements)


_PATCHED = ("python", "-m", "gevent.monkey")
_HUEY = ("huey_app.huey", "-q", "-n", "-w", "{workers}")
_CELERY = (
    *("celery", "-A", "celery_app", "worker", "--loglevel", "ERROR"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "-c", "{workers}"),
)
_TASKIQ = (
    *("taskiq", "worker", "taskiq_app:broker", "--workers", "1", "--no-parse"),
    *("--max-async-tasks", "{workers}", "--max-prefetch", "{workers}", "--log-level", "ERROR"),
)

PEERS = (
    Peer(
        FLOOR,
        "floor_app",
        (),
        "floor.results#",
        (
            Variant(
                "floor",
                ("python", "floor_worker.py", "{mode}", "{seconds}"),
                AT_LEAST_ONCE,
                "the bare leased loop, a new greenlet for each task; BLMOVE for pick-up latency,"
                " BLPOP and LPUSH for round trips",
                max_workers=20_000,
                rate=45_000,
            ),
            Variant(
                "floor-reused",
                ("python", "floor_worker.py", "{mode}", "{seconds}"),
                AT_LEAST_ONCE,
                "the same with long-lived greenlets",
                max_workers=20_000,
                rate=100_000,
                key="reused",
            ),
        ),
    ),
    Peer(
        OURS,
        "ours_app",
        (),
        "huey.results.contest#",
        (
            Variant(
                "huey_green",
                ("python", "-m", "huey_green", "ours_app.huey", "-w", "{workers}", "-q"),
                AT_LEAST_ONCE,
                "as installed: signals, hooks, revocation and leases alive",
                max_workers=20_000,
                rate=40_000,
            ),
            Variant(
                "huey_green-once",
                ("python", "-m", "huey_green", "ours_app.huey", "-w", "{workers}", "-q"),
                AT_MOST_ONCE,
                "at_most_once=True",
                max_workers=20_000,
                rate=40_000,
                key="once",
            ),
        ),
    ),
    Peer(
        "huey",
        "huey_app",
        ("huey==3.5.4", *REDIS, *GEVENT),
        "huey.results.contest#",
        (
            Variant(
                "huey-greenlet",
                (*_PATCHED, "{bin}/huey_consumer", *_HUEY, "-k", "greenlet"),
                AT_MOST_ONCE,
                "-k greenlet under python -m gevent.monkey, hiredis, a connection pool with"
                " room for every worker, no periodic tasks; notify_result=True where a result is"
                " waited for",
                max_workers=5_000,
                rate=5_000,
            ),
            Variant(
                "huey-thread",
                ("huey_consumer", *_HUEY, "-k", "thread"),
                AT_MOST_ONCE,
                "-k thread, otherwise the same; 8 threads for tasks that do not wait",
                max_workers=100,
                rate=3_000,
                busy=8,
            ),
        ),
    ),
    Peer(
        "celery",
        "celery_app",
        (
            *("celery==5.7.0", "kombu==5.7.0", "billiard==4.3.2", "vine==5.1.0", "amqp==5.4.2"),
            *("packaging==26.3", *REDIS, *GEVENT),
        ),
        "celery-task-meta-*",
        (
            Variant(
                "celery-gevent",
                (*_CELERY, "-P", "gevent"),
                AT_MOST_ONCE,
                "-P gevent, no gossip, mingle, heartbeat, events and rate limits, prefetch"
                " multiplier 4 (of 500), JSON, results ignored unless asked for",
                max_workers=5_000,
                rate=1_000,
                key="gevent",
            ),
            Variant(
                "celery-gevent-late",
                (*_CELERY, "-P", "gevent"),
                AT_LEAST_ONCE,
                "the same with task_acks_late",
                max_workers=5_000,
                rate=1_000,
                key="gevent-late",
            ),
            Variant(
                "celery-prefork",
                (*_CELERY, "-P", "prefork", "-O", "default"),
                AT_MOST_ONCE,
                "-P prefork with 2 processes, prefetch multiplier 64",
                max_workers=2,
                rate=1_000,
                key="prefork",
                busy=2,
            ),
        ),
    ),
    Peer(
        "dramatiq",
        "dramatiq_app",
        ("dramatiq==2.2.1", *REDIS, *GEVENT),
        "dramatiq-results*",
        (
            Variant(
                "dramatiq-gevent",
                ("dramatiq-gevent", "dramatiq_app", "-p", "1", "-t", "{workers}"),
                AT_LEAST_ONCE,
                "dramatiq-gevent with one process, default middleware (Prometheus is an extra),"
                " prefetch 2 per thread by default",
                max_workers=5_000,
                rate=5_000,
            ),
            Variant(
                "dramatiq-thread",
                ("dramatiq", "dramatiq_app", "-p", "1", "-t", "{workers}"),
                AT_LEAST_ONCE,
                "one process of native threads; 8 of them, the default, for tasks that do not wait",
                max_workers=100,
                rate=2_000,
                busy=8,
            ),
        ),
    ),
    Peer(
        "arq",
        "arq_app",
        ("arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0", "uvloop==0.23.0"),
        "arq:result:*",
        (
            Variant(
                "arq",
                ("arq", "arq_app.WorkerSettings", "--custom-log-dict", "arq_app.quiet"),
                AT_LEAST_ONCE,
                "max_jobs, uvloop, no lines logged, poll_delay 10 ms in place of 500, keep_result"
                " 0 where results are not asked for",
                max_workers=20_000,
                rate=1_500,
            ),
        ),
    ),
    Peer(
        "taskiq",
        "taskiq_app",
        (
            *("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", "hiredis==3.5.0"),
            *("uvloop==0.23.0", "orjson==3.13.0", "pydantic==2.14.3"),
        ),
        "result:*",
        (
            Variant(
                "taskiq-list",
                _TASKIQ,
                AT_MOST_ONCE,
                "ListQueueBroker, one process, uvloop, --no-parse, --max-prefetch as many as run"
                " at once",
                max_workers=20_000,
                rate=2_500,
            ),
            Variant(
                "taskiq-stream",
                _TASKIQ,
                AT_LEAST_ONCE,
                "RedisStreamBroker, acknowledged when executed and saved, otherwise the same",
                max_workers=20_000,
                rate=2_000,
                key="stream",
            ),
        ),
    ),
    Peer(
        "saq",
        "saq_app",
        (
            *("saq==0.26.4", "redis==7.4.1", "hiredis==3.5.0", "uvloop==0.23.0"),
            "typing_extensions==4.16.0",
        ),
        "saq:job:contest:*",
        (
            Variant(
                "saq",
                ("saq", "saq_app.settings", "--quiet"),
                AT_LEAST_ONCE,
                "uvloop and hiredis, ttl -1 where results are not asked for; a sweep every minute"
                " finds what a dead worker left",
                max_workers=20_000,
                rate=1_200,
            ),
        ),
    ),
    Peer(
        "rq",
        "rq_app",
        ("rq==3.0.0", *REDIS),
        "rq:results:*",
        (
            Variant(
                "rq-simple",
                (
                    *("rq", "worker", "-u", "{url}", "-w", "rq.SimpleWorker", "--quiet"),
                    *("--disable-job-desc-logging", "contest"),
                ),
                AT_LEAST_ONCE,
                "SimpleWorker, which its notes on performance name as the fastest: no fork",
                max_workers=1,
                rate=500,
                busy=1,
            ),
            Variant(
                "rq-pool",
                (
                    *("rq", "worker-pool", "-u", "{url}", "-n", "2", "--quiet"),
                    *("-w", "rq.SimpleWorker", "contest"),
                ),
                AT_LEAST_ONCE,
                "a pool of 2 such workers",
                max_workers=2,
                rate=800,
                busy=2,
            ),
            Variant(
                "rq-fork",
                (
                    *("rq", "worker", "-u", "{url}", "--quiet"),
                    *("--disable-job-desc-logging", "contest"),
                ),
                AT_LEAST_ONCE,
                "the default worker, which forks for each job",
                max_workers=1,
                rate=80,
                busy=1,
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Entry:
    """A peer in one of its variants."""

    peer: Peer
    variant: Variant

    @property
    def name(self) -> str:
        return self.variant.name


def chosen(names: Sequence[str], quick: bool) -> list[Entry]:
    """Return those that are asked for by a peer's or a variant's name, in the catalogue's order.

    A peer's name means all its variants, or with ``quick`` its first one. The floor and
    huey_green are always among them: everything is shown beside them. Raises ``ValueError``.
    """
    known = {peer.name for peer in PEERS} | {one.name for peer in PEERS for one in peer.variants}
    if unknown := sorted(set(names) - known):
        raise ValueError(
            f"no such peer: {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    entries = []
    for peer in PEERS:
        whole = peer.name in names or peer.name in (OURS, FLOOR)
        for position, variant in enumerate(peer.variants):
            if variant.name in names or (whole and not (quick and position)):
                entries.append(Entry(peer, variant))
    return entries
