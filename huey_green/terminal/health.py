# SPDX-License-Identifier: MIT
"""``huey_green health``: one question for Docker, Kubernetes and monitors, answered in a line."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator, Sequence

from huey_green.clock import to_epoch
from huey_green.exceptions import HueyException
from huey_green.huey import Huey
from huey_green.loading import CannotLoad, load_huey
from huey_green.report import ConsumerState
from huey_green.terminal import command
from huey_green.terminal.output import duration, plain, to_json
from huey_green.terminal.status import state_of


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command. Whatever is wrong is status 1: Docker knows no other."""
    parser = command.parser(
        name,
        "Say whether a queue is consumed: status 0 if its storage is there and a consumer of it "
        "is alive, within the limits that are given; else 1.",
        several=True,
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="count only consumers on this host, or in this container",
    )
    parser.add_argument(
        "--min-consumers",
        type=command.whole,
        default=1,
        metavar="N",
        help="how many have to be alive (default: 1; with 0 the storage alone has to be there)",
    )
    parser.add_argument(
        "--max-waiting", type=command.whole, metavar="N", help="no more tasks may wait"
    )
    parser.add_argument(
        "--max-age", type=command.seconds, metavar="TIME", help="no task may run for longer"
    )
    parser.add_argument(
        "--max-late",
        type=command.seconds,
        metavar="TIME",
        help="no task may be on the schedule for longer after its moment",
    )
    parser.add_argument(
        "--max-lag", type=command.seconds, metavar="TIME", help="no event loop may take longer"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each queue")
    given = parser.parse_args(argv)
    are_healthy = [_tell(path, given) for path in given.huey]
    return command.DONE if all(are_healthy) else command.FAILED


def _tell(path: str, given: argparse.Namespace) -> bool:
    """Print how a queue is; say whether it is well."""
    name, facts = path, ""
    troubles: list[str] = []
    try:
        huey = load_huey(path)
        name = huey.name
        try:
            facts, troubles = _look(huey, given)
        finally:
            huey.storage.close()
    except (CannotLoad, HueyException) as error:
        troubles = [str(error)]
    if given.json:
        fields = {"name": name, "healthy": not troubles, "facts": facts, "troubles": troubles}
        print(to_json(fields))
    elif troubles:
        print(plain(f"{name}: unhealthy: {'; '.join(troubles)}"))
    else:
        print(plain(f"{name}: healthy: {facts}"))
    return not troubles


def _look(huey: Huey, given: argparse.Namespace) -> tuple[str, list[str]]:
    storage = huey.storage
    if not storage.leases:
        storage.ping()
        facts, consumers, troubles = "the storage answers", [], []
    else:
        consumers = [one for one in huey.consumers() if not given.here or one.host == _host()]
        now = storage.time()
        alive = [one for one in consumers if state_of(one, now) == "alive"]
        facts = f"{command.counted(len(alive), 'consumer')} alive{' here' if given.here else ''}"
        troubles = [] if len(alive) >= given.min_consumers else [_too_few(facts, consumers, given)]
        troubles += _slow(alive, now, given)
    waiting = huey.pending_count()
    if given.max_waiting is not None and waiting > given.max_waiting:
        limit = f"--max-waiting {given.max_waiting}"
        troubles.append(f"{command.counted(waiting, 'task')} waiting ({limit})")
    troubles += _late(huey, given)
    return f"{facts}, {command.counted(waiting, 'task')} waiting", troubles


def _too_few(facts: str, consumers: Sequence[ConsumerState], given: argparse.Namespace) -> str:
    silent = len([one for one in consumers if one.told_at is None])
    of_these = f", {silent} with nothing said for 30 s" if silent else ""
    return f"{facts}{of_these} (--min-consumers {given.min_consumers})"


def _slow(alive: Sequence[ConsumerState], now: float, given: argparse.Namespace) -> Iterator[str]:
    for one in alive:
        if given.max_lag is not None and one.lag > given.max_lag:
            yield f"the event loop of process {one.pid} on {one.host} takes {duration(one.lag)}"
        oldest = one.tasks[0] if one.tasks else None
        if oldest is not None and given.max_age is not None:
            age = now - oldest.started_at
            if age > given.max_age:
                yield f"{oldest.name} {oldest.id} runs for {duration(age)}"


def _late(huey: Huey, given: argparse.Namespace) -> Iterator[str]:
    if given.max_late is None:
        return
    for task in huey.scheduled(limit=1):
        late = 0.0 if task.eta is None else huey.storage.time() - to_epoch(task.eta, huey.utc)
        if late > given.max_late:
            yield f"{task.name} {task.id} is on the schedule {duration(late)} after its moment"


def _host() -> str:
    # As consumers call it in their names.
    return socket.gethostname().replace(":", "_").replace(" ", "_")
