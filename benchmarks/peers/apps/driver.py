# SPDX-License-Identifier: MIT
"""The producer, in the contestant's venv: ``python driver.py APP VERB COUNT ...``.

Standard library only. An application offers, as functions or coroutine functions:

- ``send(name, *arguments)``: enqueue one task as its documentation shows it;
- ``send_many(name, rows)``: enqueue one task per row, as its documentation advises for many;
- ``answer(value)``: enqueue ``echo(value)``, wait for its result, return it;
- ``opened()`` and ``closed()``, where there is something to open.

The last line on standard output is what was measured, as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sys
import time

#: Seconds between two tasks of which each finds the worker waiting again.
PAUSE = (0.005, 0.015)


async def called(function, *arguments):
    """Call a function or coroutine function; return what it returns."""
    value = function(*arguments)
    return await value if hasattr(value, "__await__") else value


async def fill(app, count, seconds):
    """Enqueue a backlog: no-ops, or naps of ``seconds``."""
    seconds = float(seconds)
    rows = [(number, seconds) if seconds else (number,) for number in range(int(count))]
    await called(app.send_many, "nap" if seconds else "noop", rows)
    return {}


async def enqueue(app, count, bulk):
    """Enqueue no-ops one by one, then in bulk; return the seconds of both."""
    rows = [(number,) for number in range(int(count))]
    for _ in range(20):  # Connects, and more that is done once.
        await called(app.send, "noop", 0)
    began_at = time.perf_counter()
    for (number,) in rows:
        await called(app.send, "noop", number)
    singly = time.perf_counter() - began_at
    rows = [(number,) for number in range(int(bulk))]
    began_at = time.perf_counter()
    await called(app.send_many, "noop", rows)
    return {"singly": singly, "bulk": time.perf_counter() - began_at}


async def pickups(app, first, count, rate):
    """Send ``count`` tasks that note how soon they begin, numbered from ``first``.

    ``rate`` is how many a second; 0 lets each find the worker idle.
    """
    due_at = time.perf_counter()
    for number in range(int(first), int(first) + int(count)):
        await called(app.send, "stamp", number, time.time())
        if float(rate):
            due_at += 1 / float(rate)
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        else:
            await asyncio.sleep(random.uniform(*PAUSE))
    return {}


async def round_trips(app, warm_up, count):
    """Return the seconds of each of ``count`` round trips, after some that do not count."""
    seconds = []
    for value in range(int(warm_up) + int(count)):
        began_at = time.perf_counter()
        answer = await called(app.answer, value)
        seconds.append(time.perf_counter() - began_at)
        if answer != value:
            raise SystemExit(f"sent {value}, got {answer!r}")
    return {"seconds": seconds[int(warm_up) :]}


VERBS = {verb.__name__: verb for verb in (fill, enqueue, pickups, round_trips)}


async def main():
    name, verb, *arguments = sys.argv[1:]
    app = importlib.import_module(name)
    await called(getattr(app, "opened", lambda: None))
    measured = await VERBS[verb](app, *arguments)
    await called(getattr(app, "closed", lambda: None))
    print(json.dumps(measured))


if __name__ == "__main__":
    asyncio.run(main())
