# SPDX-License-Identifier: MIT
"""taskiq: uvloop, no parsing of arguments; a LIST, or with ``stream`` one that acknowledges."""

import asyncio
import time

import contest
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

#: Enqueued at once: there is no call for many.
TOGETHER = 100

if contest.VARIANT == "stream":
    # From the beginning, so that what was enqueued before the first worker came is read, too.
    broker = RedisStreamBroker(contest.URL, consumer_id="0")
else:
    broker = ListQueueBroker(contest.URL)
if contest.RESULTS:
    broker = broker.with_result_backend(
        RedisAsyncResultBackend(contest.URL, prefix_str="result", result_ex_time=3600)
    )


@broker.task
async def noop(number):
    return contest.ran(number)


@broker.task
async def nap(number, seconds):
    await asyncio.sleep(seconds)
    return contest.ran(number)


@broker.task
async def stamp(number, made_at):
    return contest.begun(number, time.time() - made_at)


@broker.task
async def echo(value):
    return value


TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


async def opened():
    await broker.startup()


async def closed():
    await broker.shutdown()


async def send(name, *arguments):
    await TASKS[name].kiq(*arguments)


async def send_many(name, rows):
    task = TASKS[name]
    for start in range(0, len(rows), TOGETHER):
        await asyncio.gather(*(task.kiq(*row) for row in rows[start : start + TOGETHER]))


async def answer(value):
    task = await echo.kiq(value)
    result = await task.wait_result(check_interval=0.001, timeout=30)
    return result.return_value
