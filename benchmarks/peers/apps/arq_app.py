# SPDX-License-Identifier: MIT
"""arq: uvloop, no line logged for each job, a queue that is read again after 10 ms, not 500."""

import asyncio
import time

import contest
import uvloop
from arq import create_pool
from arq.connections import RedisSettings

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

#: Enqueued at once: there is no call for many.
TOGETHER = 100


async def noop(ctx, number):
    return contest.ran(number)


async def nap(ctx, number, seconds):
    await asyncio.sleep(seconds)
    return contest.ran(number)


async def stamp(ctx, number, made_at):
    return contest.begun(number, time.time() - made_at)


async def echo(ctx, value):
    return value


class WorkerSettings:
    functions = [noop, nap, stamp, echo]
    redis_settings = RedisSettings.from_dsn(contest.URL)
    max_jobs = contest.WORKERS
    keep_result = 3600 if contest.RESULTS else 0
    log_results = False
    poll_delay = 0.01


quiet = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}

pool = None


async def opened():
    global pool
    pool = await create_pool(RedisSettings.from_dsn(contest.URL))


async def closed():
    await pool.aclose()


async def send(name, *arguments):
    await pool.enqueue_job(name, *arguments)


async def send_many(name, rows):
    for start in range(0, len(rows), TOGETHER):
        await asyncio.gather(
            *(pool.enqueue_job(name, *row) for row in rows[start : start + TOGETHER])
        )


async def answer(value):
    job = await pool.enqueue_job("echo", value)
    return await job.result(timeout=30, poll_delay=0.001)
