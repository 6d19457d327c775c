# SPDX-License-Identifier: MIT
"""The application of a soak: one task for each thing that tasks can do, none of them long.

Nothing is written down for each of two million runs: this process counts how often each body
has begun, and ``look`` tells it, with all that could have grown here.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from chaos.kinds import HUEYS
from chaos.soak_look import look_at
from huey_green import Huey, every

SETTINGS = json.loads((Path(os.environ["CHAOS_WORLD"]) / "settings.json").read_text())


def _make_huey() -> Huey:
    options = dict(SETTINGS["options"])
    if "url" in SETTINGS:
        # The server tells connections by the process that opened them.
        options.update(url=SETTINGS["url"], client_name=os.environ.get("CHAOS_WHO", "someone"))
    # The error of a try would be read in place of the value that comes after it.
    return HUEYS[SETTINGS["kind"]]("soak", store_intermediate_errors=False, **options)


huey = _make_huey()

#: How often the body of each task has begun in this process.
began: Counter[str] = Counter()


class Expected(Exception):
    """What tasks raise on purpose."""


@huey.task()
def look(light: bool = False) -> dict[str, Any]:
    """Tell what there is in the consumer; ``light``: only what has begun."""
    return {"began": dict(began)} if light else {"began": dict(began), **look_at(huey)}


@huey.task()
def plain(value: Any) -> Any:
    began["plain"] += 1
    return value


@huey.task()
def silent(value: Any) -> None:
    began["silent"] += 1


@huey.task()
def waiting(value: int) -> int:
    began["waiting"] += 1
    time.sleep(0.001)
    return value


@huey.task(retries=2, context=True)
def retried(delay: float, task: Any = None) -> int:
    began["retried"] += 1
    if task.retries:
        task.retry_delay = delay
        raise Expected("not yet")
    return 3


@huey.task()
def failing(value: Any) -> None:
    began["failing"] += 1
    raise Expected(value)


@huey.task()
def rescue(error: Any) -> None:
    began["rescue"] += 1


@huey.task()
def step(before: int = 0) -> int:
    began["step"] += 1
    return before + 1


@huey.task()
def member(value: int) -> int:
    began["member"] += 1
    return value


@huey.task()
def callback(values: list[int]) -> int:
    began["callback"] += 1
    return sum(values)


@huey.task()
def scheduled(value: Any) -> Any:
    began["scheduled"] += 1
    return value


@huey.task(expires=0.001)
def expiring() -> None:
    began["expiring"] += 1


@huey.task(unique=True, ttl=30)
def unique(value: Any) -> Any:
    began["unique"] += 1
    return value


@huey.task(debounce=0.05)
def debounced(value: Any) -> Any:
    began["debounced"] += 1
    return value


@huey.task(retries=1000, retry_delay=0.02)
def locked(name: str) -> str:
    with huey.lock_task(name, ttl=30):
        began["locked"] += 1
        time.sleep(0.001)
    return name


@huey.task(retries=1000, retry_delay=0.02)
def permitted(name: str) -> str:
    with huey.lock_task_semaphore(name, 4, ttl=30):
        began["permitted"] += 1
        time.sleep(0.001)
    return name


@huey.task()
@huey.rate_limit("soak", 200, 1.0)
def limited(value: Any) -> Any:
    began["limited"] += 1
    return value


@huey.task(max_concurrency=3)
def crowded(value: Any) -> Any:
    began["crowded"] += 1
    time.sleep(0.001)
    return value


@huey.task(context=True)
def telling(steps: int, task: Any = None) -> int:
    began["telling"] += 1
    for number in range(steps):
        task.progress(number + 1, steps, "on the way")
    return steps


@huey.task(timeout=0.02)
def slow() -> None:
    began["slow"] += 1
    time.sleep(60)


@huey.task(timeout=30)
def endless() -> None:
    # The timeout is for the one that nobody comes to cancel, because the storage was away.
    began["endless"] += 1
    time.sleep(600)


@huey.task(native_thread=True)
def native(value: Any) -> Any:
    began["native"] += 1
    time.sleep(0.2)
    return value


@huey.periodic_task(every(seconds=1))
def ticking() -> None:
    began["ticking"] += 1
