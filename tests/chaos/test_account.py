# SPDX-License-Identifier: MIT
"""The account finds what is lost, doubled, early or wrong, and forgives what is right."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.account import Account, take

LEASE = 5.0
Records = list[dict[str, Any]]


def sent(job: str, kind: str = "plain", due_at: float | None = None) -> Records:
    told = {"job": job, "kind": kind, "by": "p1", "due_at": due_at}
    return [{"at": 1.0, "what": "sends", **told}, {"at": 1.1, "what": "accepted", **told}]


def ran(
    job: str,
    at: float = 2.0,
    by: str = "c1",
    how: str | None = "ended",
    part: str = "",
) -> Records:
    run = {"by": by, "job": job, "part": part, "run": f"{by}/{at}/{part}"}
    begins = {"at": at, "what": "began", "wall": 1000.0 + at, **run}
    return [begins] if how is None else [begins, {"at": at + 0.1, "what": how, **run}]


def account(records: Records, kept: tuple[str, ...] = (), dead: int = 0, **values: Any) -> Account:
    return take(sorted(records, key=lambda r: r["at"]), set(kept), dead, values, LEASE)


def troubles(made: Account) -> dict[str, int]:
    return {what: len(found) for what, found in made.troubles.items() if found}


def test_what_was_executed_once_is_balanced() -> None:
    made = account([*sent("a"), *ran("a")], a="a")
    assert made.is_balanced
    assert (made.accepted, made.executed, made.executions, made.again) == (1, 1, 1, 0)


def test_what_was_not_executed_and_is_not_kept_is_lost() -> None:
    assert troubles(account(sent("a"))) == {"lost": 1}
    assert account(sent("a"), kept=("a",)).waiting == 1
    assert troubles(account(sent("a"), kept=("a",))) == {}


def test_what_began_and_did_not_end_is_lost() -> None:
    assert troubles(account([*sent("a"), *ran("a", how=None)])) == {"lost": 1}


def test_a_job_of_which_one_part_is_missing_is_lost() -> None:
    steps = [line for n in range(2) for line in ran("a", 2.0 + n, part=f"step{n}")]
    assert troubles(account([*sent("a", "pipeline"), *steps])) == {"lost": 1}
    steps += ran("a", 4.0, part="step2")
    assert troubles(account([*sent("a", "pipeline"), *steps], a=3)) == {}


def test_what_an_enqueue_without_an_answer_became_does_not_matter() -> None:
    unknown = [{**line, "what": "unknown"} if n else line for n, line in enumerate(sent("a"))]
    assert troubles(account(unknown)) == {}
    assert troubles(account([*unknown, *ran("a")])) == {}


KILLED = {"at": 2.05, "what": "killed", "by": "harness", "who": "c1"}
GONE = {"at": 2.02, "what": "ended-process", "by": "harness", "who": "c1", "status": -9}
BACK = {"at": 2.12, "what": "handed-back", "by": "c1", "job": "a"}
STOPPED = {"at": 2.15, "what": "stopped", "by": "c1"}
DEAF = {"at": 2.0, "what": "deaf", "by": "c1", "run": "c1/2.0/"}
TOLD = {"at": 2.05, "what": "signal", "by": "harness", "who": "c1", "number": 15}
SUSPENDED = [
    {"at": 2.05, "what": "suspended", "by": "harness", "who": "c1"},
    {"at": 12.0, "what": "resumed", "by": "harness", "who": "c1"},
]
OUTAGE = [
    {"at": 2.05, "what": "outage-begins", "by": "harness", "of": "restart"},
    {"at": 12.0, "what": "outage-ends", "by": "harness", "of": "restart"},
]


@pytest.mark.parametrize(
    ("first", "reasons", "is_explained"),
    [
        (ran("a", how=None), [KILLED], True),
        (ran("a"), [{**KILLED, "at": 2.2}], True),
        (ran("a"), [{**KILLED, "at": 9.0}], False),  # Long since settled.
        (ran("a"), [{**KILLED, "at": 1.9}], False),  # It cannot have begun there.
        (ran("a", how=None), [{**KILLED, "at": 1.99}, GONE], True),  # While it was being killed.
        (ran("a", how=None), [{**KILLED, "at": 1.9}, {**GONE, "at": 1.95}], False),
        (ran("a"), [{**KILLED, "who": "c2"}], False),
        (ran("a", how=None), [DEAF, TOLD], True),
        (ran("a", how=None), [TOLD], False),
        (ran("a", how=None), [DEAF, {**TOLD, "at": 14.0}], False),
        (ran("a"), [], False),
        (ran("a", how="left"), [], True),
        (ran("a"), [BACK], True),  # Interrupted between its last line and its end.
        (ran("a"), [{**BACK, "at": 1.9}], False),
        (ran("a"), [{**BACK, "by": "c2"}], False),
        (ran("a"), SUSPENDED, True),
        (ran("a"), [SUSPENDED[0], {**SUSPENDED[1], "at": 2.5}], False),  # Within its lease.
        (ran("a"), OUTAGE, True),
        (ran("a"), [OUTAGE[0], {**OUTAGE[1], "at": 2.5}], False),
        (ran("a"), [{"at": 2.1, "what": "ended-process", "who": "c1", "status": 137}], True),
        (ran("a"), [{"at": 2.1, "what": "ended-process", "who": "c1", "status": 0}], False),
        (ran("a"), [STOPPED, {**GONE, "at": 2.2}], False),  # It had settled all before.
        (ran("a"), [STOPPED, {**STOPPED, "what": "started"}, {**GONE, "at": 2.2}], True),
    ],
)
def test_a_second_execution_needs_a_reason(
    first: Records, reasons: Records, is_explained: bool
) -> None:
    made = account([*sent("a"), *first, *reasons, *ran("a", 13.0, "c2")], a="a")
    assert made.again == 1
    assert troubles(made) == ({} if is_explained else {"executed again, unexplained": 1})


def test_an_at_most_once_job_may_be_lost_with_its_consumer_but_not_doubled() -> None:
    lost = account([*sent("a", "once"), *ran("a", how=None), KILLED])
    assert (troubles(lost), lost.maybe_lost) == ({}, 1)
    assert troubles(account(sent("a", "once"))) == {"lost": 1}
    assert troubles(account([*sent("a", "once"), BACK])) == {}
    twice = [*sent("a", "once"), *ran("a", how=None), KILLED, *ran("a", 3.0, "c2")]
    assert troubles(account(twice, a="a")) == {"at most once, and executed again": 1}


def test_what_runs_before_its_time_is_told() -> None:
    early = [*sent("a", "scheduled", due_at=1002.2), *ran("a", 2.0)]
    assert troubles(account(early, a="a")) == {"too early": 1}


def test_a_result_that_is_missing_or_wrong_is_told() -> None:
    assert troubles(account([*sent("a"), *ran("a")])) == {"wrong results": 1}
    assert troubles(account([*sent("a"), *ran("a")], a="b")) == {"wrong results": 1}


def test_a_moment_of_a_periodic_task_counts_once_and_is_executed() -> None:
    tick = {"at": 2.0, "what": "tick", "by": "c1", "key": "cron:x:1", "id": "t1"}
    ticked = {"at": 2.1, "what": "ticked", "by": "c1", "id": "t1"}
    assert troubles(account([tick, ticked])) == {}
    assert troubles(account([tick])) == {"periodic task not executed": 1}
    assert take([tick], set(), 0, {}, LEASE, {"t1"}).is_balanced  # It waits in the storage.
    twice = [tick, ticked, {**tick, "id": "t2"}, {**ticked, "id": "t2"}]
    assert troubles(account(twice)) == {"periodic task enqueued twice": 1}


def absent(who: str, begins: float, ends: float) -> Records:
    return [
        {"at": begins, "what": "suspended", "by": "harness", "who": who},
        {"at": ends, "what": "resumed", "by": "harness", "who": who},
    ]


def test_what_was_fetched_before_a_suspension_may_begin_right_after_it() -> None:
    runs = [*ran("a", 9.1, "c1"), *ran("a", 9.2, "c2")]
    assert account([*sent("a"), *absent("c1", 2.0, 9.0), *runs], a="a").is_balanced
    assert account([*sent("a"), *absent("c2", 2.0, 9.0), *runs], a="a").is_balanced
    made = account([*sent("a"), *absent("c1", 2.0, 3.0), *runs], a="a")
    assert troubles(made) == {"executed again, unexplained": 1}


def test_what_ended_just_before_a_consumer_stood_still_until_its_death_may_be_executed_again() -> (
    None
):
    runs = [*ran("a", 2.0, "c1"), *ran("a", 20.0, "c2")]
    [stands_still, _] = absent("c1", 2.5, 0.0)
    died = {"at": 15.0, "what": "killed", "by": "harness", "who": "c1"}
    assert account([*sent("a"), *runs, stands_still, died], a="a").is_balanced
    assert troubles(account([*sent("a"), *runs, died], a="a"))
