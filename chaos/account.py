# SPDX-License-Identifier: MIT
"""What became of every job, from the ledger and what is left in the storage.

- Lost is a job that the storage accepted, and that neither was executed to its end nor is kept
  in the storage or among the dead letters. One lost job fails a run.
- A part of a job that was executed again is explained by the death of the consumer that had it
  (before its end could be settled), by an interruption that was handed back, or by an absence
  of consumer or storage that was longer than the lease. One that is not fails a run, too.
- Forgiven is what Redis itself had confirmed and then lost: a scenario says of which jobs, and
  why. They may be lost, or run again.
- So do a job that ran before its time, an at-most-once job that ran twice, a result that is
  missing or wrong, and a periodic task that was enqueued twice for one moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.jobs import KINDS, value_of
from chaos.ledger import Record

#: Seconds within which the end of a task is settled on a busy machine while all is well.
SETTLED_WITHIN = 5.0

#: Seconds after an absence within which a consumer begins what it had fetched before.
BEGUN_WITHIN = 2.0

#: Seconds that clocks of producers, storage and consumers on one machine may be apart.
SKEW = 0.05

#: Most examples of each kind of trouble that are shown.
SHOWN = 5


@dataclass
class Run:
    """One execution of a part of a job; ``ended_at`` is None when it was cut off. One that
    ``is_deaf`` does not heed interruptions, and is handed back while it goes on."""

    who: str
    job: str
    began_at: float
    wall: float
    how: str | None = None
    ended_at: float | None = None
    is_deaf: bool = False


@dataclass
class Account:
    """The sums, and the troubles by their kind, with what is known of each."""

    accepted: int = 0
    unknown: int = 0
    executed: int = 0
    dead: int = 0
    waiting: int = 0
    executions: int = 0
    again: int = 0
    deaths: int = 0
    ticks: int = 0
    maybe_lost: int = 0
    troubles: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_balanced(self) -> bool:
        """Whether everything is accounted for."""
        return not any(self.troubles.values())

    def lines(self) -> list[str]:
        """Return the account for a person."""
        said = [
            f"accepted {self.accepted} jobs: executed {self.executed}, dead letters {self.dead}, "
            f"still kept {self.waiting}, lost {len(self.troubles.get('lost', []))}",
            f"{self.executions} executions, {self.again} again (all explained by "
            f"{self.deaths} deaths, interruptions and absences, but for "
            f"{len(self.troubles.get('executed again, unexplained', []))})",
        ]
        if self.unknown:
            said.append(f"{self.unknown} enqueues had no answer, and may or may not be among them")
        if self.maybe_lost:
            said.append(
                f"{self.maybe_lost} at-most-once jobs were lost with their consumers, or in doubt"
            )
        if self.ticks:
            said.append(f"{self.ticks} moments of a periodic task, each enqueued once")
        for what, found in self.troubles.items():
            if found:
                said.append(f"{what.upper()}: {len(found)}")
                said += [f"  {one}" for one in found[:SHOWN]]
        return said


class _Absences:
    """When which consumer, or the storage, was gone."""

    def __init__(self, records: Iterable[Record], lease: float) -> None:
        self.deaths: dict[str, float] = {}
        # A consumer may go on for a moment after it has been sent a SIGKILL.
        self._ends: dict[str, float] = {}
        self._gone: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._lease = lease
        self._handed_back: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._told_to_stop: dict[str, list[float]] = defaultdict(list)
        began: dict[tuple[str, str], float] = {}
        stopped: set[str] = set()
        for record in records:
            what, at = record["what"], record["at"]
            if what == "stopped":
                stopped.add(record["by"])
            elif what == "started":
                stopped.discard(record["by"])
            elif what == "ended-process" and record["who"] in stopped:
                continue  # It had left everything in order, whatever ended it then.
            elif what == "killed" or (what == "ended-process" and record["status"] != 0):
                self.deaths.setdefault(record["who"], at)
                self._ends[record["who"]] = at
            elif what == "handed-back":
                self._handed_back[record["by"], record["job"]].append(at)
            elif what == "signal":
                self._told_to_stop[record["who"]].append(at)
            elif what in ("suspended", "outage-begins"):
                began["of" if "of" in record else "who", record.get("of") or record["who"]] = at
            elif what in ("resumed", "outage-ends"):
                key = ("of" if "of" in record else "who", record.get("of") or record["who"])
                whose = "storage" if key[0] == "of" else key[1]
                self._gone[whose].append((began.pop(key, at), at))
        for (kind, who), at in began.items():
            if kind == "who" and who in self.deaths:  # It did not come back before it died.
                self._gone[who].append((at, self.deaths[who]))

    def was_interrupted(self, job: str) -> bool:
        """Whether any consumer interrupted it, be it before it could say that it had begun."""
        return any(back == job for _, back in self._handed_back)

    @property
    def is_any(self) -> bool:
        """Whether anybody died or was away."""
        return bool(self.deaths or any(self._gone.values()))

    def explain(self, run: Run, again_at: float) -> bool:
        """Say whether it is right that a run's message was executed again at ``again_at``."""
        if run.how == "left":
            return True
        if any(at >= run.began_at for at in self._handed_back.get((run.who, run.job), ())):
            return True
        if run.is_deaf and any(
            run.began_at <= at <= again_at for at in self._told_to_stop[run.who]
        ):
            return True
        settled_by = (run.ended_at or again_at) + SETTLED_WITHIN
        outages = self._gone["storage"]
        for begins, ends in outages:
            if begins <= settled_by and ends >= run.began_at:
                settled_by = max(settled_by, ends + SETTLED_WITHIN)
        died_at = self.deaths.get(run.who)
        if died_at is not None and died_at <= settled_by and run.began_at <= self._ends[run.who]:
            return True
        return any(
            # Two heartbeats in three may be missed.
            ends - begins >= self._lease / 3
            and begins <= settled_by
            and ends + BEGUN_WITHIN >= run.began_at
            for begins, ends in (*outages, *self._gone[run.who])
        )

    def was_fetched_before_one(self, run: Run) -> bool:
        """Whether a run began right after its consumer was away for so long that others may have
        been first with what it had fetched before."""
        return any(
            ends - begins >= self._lease / 3 and begins <= run.began_at <= ends + BEGUN_WITHIN
            for begins, ends in self._gone[run.who]
        )


def take(
    records: list[Record],
    kept: set[str],
    dead: int,
    values: Mapping[str, Any],
    lease: float,
    ticks: Collection[str] = (),
) -> Account:
    """Account for all jobs. ``kept`` are those in the storage or among the ``dead`` letters;
    ``values`` is what the results of jobs are; ``ticks`` are the ids of periodic tasks that
    are in the storage."""
    account = Account(dead=dead, waiting=len(kept) - dead)
    kinds = {r["job"]: r["kind"] for r in records if r["what"] == "sends"}
    due = {r["job"]: r["due_at"] for r in records if r["what"] == "sends"}
    accepted = [r["job"] for r in records if r["what"] == "accepted"]
    forgiven = {r["job"] for r in records if r["what"] == "forgiven"}
    runs = _runs(records)
    absences = _Absences(records, lease)
    account.accepted, account.deaths = len(accepted), len(absences.deaths)
    account.unknown = sum(r["what"] == "unknown" for r in records)
    for job in accepted:
        kind = KINDS[kinds[job]]
        missing = [part for part in kind.parts if not _is_done(runs.get((job, part), ()))]
        if not missing:
            account.executed += 1
            if job not in forgiven:
                _check_value(account, kinds[job], job, values)
        elif job not in kept and job not in forgiven:
            if kind.once:
                _check_lost_once(account, job, runs, absences)
            else:
                account.troubles["lost"].append(f"{kinds[job]} {job}: {missing} did not end")
    for (job, part), several in runs.items():
        kind_name = None if job in forgiven else kinds.get(job)
        _check_runs(account, f"{kinds.get(job)} {job} {part}", several, absences, kind_name)
        if due.get(job) and several[0].wall < due[job] - SKEW:
            account.troubles["too early"].append(f"{job} by {due[job] - several[0].wall:.3f} s")
    known = [r for r in records if r["what"] != "tick" or r["id"] not in forgiven]
    _check_ticks(account, known, ticks)
    return account


def _runs(records: list[Record]) -> dict[tuple[str, str], list[Run]]:
    """Return the executions of each part of each job, in their order."""
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    by_id: dict[str, Run] = {}
    for record in records:
        if record["what"] == "began":
            run = by_id[record["run"]] = Run(
                record["by"], record["job"], record["at"], record["wall"]
            )
            runs[record["job"], record["part"]].append(run)
        elif record["what"] == "deaf":
            by_id[record["run"]].is_deaf = True
        elif record["what"] in ("ended", "failed", "left"):
            by_id[record["run"]].how = record["what"]
            by_id[record["run"]].ended_at = record["at"]
    return runs


def _is_done(runs: Iterable[Run]) -> bool:
    return any(run.how in ("ended", "failed") for run in runs)


def _check_value(account: Account, kind: str, job: str, values: Mapping[str, Any]) -> None:
    if KINDS[kind].once and job not in values:
        return  # Its consumer may have died before the result was stored.
    if values.get(job) != value_of(kind, job):
        account.troubles["wrong results"].append(f"{kind} {job}: {values.get(job)!r}")


def _check_lost_once(
    account: Account, job: str, runs: Mapping[tuple[str, str], list[Run]], absences: _Absences
) -> None:
    """An at-most-once job is lost with its consumer, with an answer of the storage, or when it
    is interrupted."""
    held = runs.get((job, ""), [])
    is_left = any(run.how == "left" for run in held) or absences.was_interrupted(job)
    if absences.is_any or is_left:
        account.maybe_lost += 1
    else:
        account.troubles["lost"].append(f"once {job}: and nobody was ever away")


def _check_runs(
    account: Account, name: str, runs: list[Run], absences: _Absences, kind: str | None
) -> None:
    account.executions += len(runs)
    account.again += len(runs) - 1
    if len(runs) > 1 and kind and KINDS[kind].once:
        account.troubles["at most once, and executed again"].append(name)
    for run, following in pairwise(runs):
        if not (
            absences.explain(run, following.began_at) or absences.was_fetched_before_one(following)
        ):
            account.troubles["executed again, unexplained"].append(
                f"{name}: {run.how} in {run.who}, {following.began_at - run.began_at:.3f} s"
                f" later again in {following.who}"
            )


def _check_ticks(account: Account, records: list[Record], kept: Collection[str]) -> None:
    """Each moment of a periodic task is enqueued once, and what was enqueued is executed."""
    enqueued = Counter(r["key"] for r in records if r["what"] == "tick")
    account.ticks = len(enqueued)
    executed = {*kept, *(r["id"] for r in records if r["what"] == "ticked")}
    troubles = account.troubles
    troubles["periodic task enqueued twice"] += [key for key, n in enqueued.items() if n > 1]
    troubles["periodic task not executed"] += [
        r["key"] for r in records if r["what"] == "tick" and r["id"] not in executed
    ]
