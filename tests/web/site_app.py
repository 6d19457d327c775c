# SPDX-License-Identifier: MIT
"""A web application with tasks, served in the tests by each of the real servers.

``/note?n=1`` enqueues a task that writes down that it began and that it ended; ``/double?n=1``
waits for a result; ``/events?n=3`` streams the progress of a task; ``/pid`` says who answers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

import redis

from huey_green import RedisHuey

URL = os.environ["SITE_REDIS"]
NAME = os.environ["SITE_NAME"]

huey = RedisHuey(NAME, url=URL)
ledger = redis.Redis.from_url(URL)


@huey.task()
def note(number: int) -> None:
    ledger.rpush(f"{NAME}-began", number)
    time.sleep(0.02)
    ledger.rpush(f"{NAME}-ended", number)


@huey.task()
def double(number: int) -> int:
    return 2 * number


@huey.task()
def hold(seconds: float) -> None:
    ledger.rpush(f"{NAME}-held", os.getpid())
    time.sleep(seconds)


@huey.task(context=True)
def count(number: int, task: Any = None) -> int:
    for done in range(1, number + 1):
        task.progress(done, number)
        time.sleep(0.05)
    return number


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    number = int(parse_qs(environ["QUERY_STRING"]).get("n", ["0"])[0])
    path = environ["PATH_INFO"]
    kind = "text/event-stream" if path == "/events" else "text/plain"
    if path == "/events":
        answer: Iterable[bytes] = stream(number)
    else:
        answer = [ANSWERS[path](number).encode()]
    start_response("200 OK", [("Content-Type", kind)])
    return answer


def stream(number: int) -> Iterator[bytes]:
    result = count(number)
    for progress in result.progress_updates(timeout=20):
        yield f"data: {json.dumps([progress.done, progress.total])}\n\n".encode()
    yield f"event: end\ndata: {result.get(blocking=True, timeout=20)}\n\n".encode()


ANSWERS: dict[str, Callable[[int], str]] = {
    "/pid": lambda number: str(os.getpid()),
    "/note": lambda number: note(number).id,
    "/hold": lambda number: hold(number).id,
    "/double": lambda number: str(double(number).get(blocking=True, timeout=25)),
    "/modules": lambda number: str(sorted({"gevent", "greenlet"} & set(sys.modules))),
    "/revoked": lambda number: _revoked(number),
}


def _revoked(number: int) -> str:
    result = note.schedule(args=(number,), delay=60)
    result.revoke()
    return f"{result.is_revoked()} {result.restore()} {result.cancel()}"
