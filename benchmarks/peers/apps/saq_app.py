# SPDX-License-Identifier: MIT
"""SAQ: uvloop and hiredis; finished jobs are kept where results are, and dropped otherwise."""

import asyncio
import time

import contest
from saq import Queue

#: Enqueued at once: there is no call for many that does not wait for them, too.
TOGETHER = 100

queue = Queue.from_url(contest.URL, name="contest")

#: Of each job: seconds that it may run, and that it is kept (-1: not at all).
JOB = {"timeout": 60, "ttl": 3600 if contest.RESULTS else -1}


async def noop(ctx, *, number):
    return contest.ran(number)


async def nap(ctx, *, number, seconds):
    await asyncio.sleep(seconds)
    return contest.ran(number)


async def stamp(ctx, *, number, made_at):
    return contest.begun(number, time.time() - made_at)


async def echo(ctx, *, value):
    return value


settings = {
    "queue": queue,
    "functions": [noop, nap, stamp, echo],
    "concurrency": contest.WORKERS,
}

NAMES = {"noop": ("number",), "nap": ("number", "seconds"), "stamp": ("number", "made_at")}


async def opened():
    await queue.connect()


async def closed():
    await queue.disconnect()


async def send(name, *arguments):
    await queue.enqueue(name, **JOB, **dict(zip(NAMES[name], arguments, strict=True)))


async def send_many(name, rows):
    for start in range(0, len(rows), TOGETHER):
        await asyncio.gather(*(send(name, *row) for row in rows[start : start + TOGETHER]))


async def answer(value):
    # Without an interval it listens for the end; by default it looks every half second.
    return await queue.apply("echo", timeout=30, poll_interval=0, value=value)
