# SPDX-License-Identifier: MIT
"""One application, to be imported with huey on one side and with huey_green on the other."""

from __future__ import annotations

import importlib
import json
import os
import time
from typing import Any

import redis

library: Any = importlib.import_module(os.environ["LIBRARY"])
SIDE = "huey" if os.environ["LIBRARY"] == "huey" else "ours"
URL = os.environ["REDIS_URL"]
told = redis.Redis.from_url(URL)


def _options() -> dict[str, Any]:
    options: dict[str, Any] = json.loads(os.environ["OPTIONS"])
    signed = options.pop("signed", None)
    if signed is not None:
        serializers = importlib.import_module(f"{os.environ['LIBRARY']}.serializer")
        options["serializer"] = serializers.SignedSerializer(**signed)
    return options


huey = getattr(library, os.environ["KIND"])("shop-app", url=URL, **_options())


def tell(what: Any) -> None:
    """Note what has happened, and where."""
    told.rpush("told", json.dumps([SIDE, what]))


@huey.task()
def add(a: Any, b: Any) -> Any:
    tell(f"add {a} {b}")
    return a + b


@huey.task()
def boom(text: str = "x") -> None:
    tell("boom")
    raise ValueError(text)


@huey.task(retries=2, retry_delay=1)
def flaky(tries: int) -> int:
    tell("flaky")
    if told.incr(f"tries-{tries}") < tries:
        raise ValueError("once more")
    return tries


@huey.task()
def note_error(error: Any) -> None:
    tell(f"error {error}")


@huey.task()
def note_values(values: Any) -> str:
    text = ", ".join(sorted(map(str, values)))
    tell(f"values {text}")
    return text


@huey.task(name="renamed", expires=3600)
def other(a: int, b: int = 0) -> int:
    tell(f"other {a} {b}")
    return a * b


@huey.task()
@huey.lock_task("counter")
def locked() -> str:
    tell("locked")
    return "done"


@huey.task()
def slow(seconds: float) -> str:
    tell("slow begins")
    time.sleep(seconds)
    tell("slow ends")
    return "slow"


@huey.periodic_task(library.crontab(minute="0", hour="0", day="1", month="1"))
def yearly() -> None:
    tell("yearly")
