# SPDX-License-Identifier: MIT
"""The tasks of huey and of huey_green, which have one API: ``offer`` what the driver calls."""

import time

import contest


def offer(huey):
    """Declare the tasks; return ``send``, ``send_many`` and ``answer``."""

    @huey.task()
    def noop(number):
        return contest.ran(number)

    @huey.task()
    def nap(number, seconds):
        time.sleep(seconds)
        return contest.ran(number)

    @huey.task()
    def stamp(number, made_at):
        return contest.begun(number, time.time() - made_at)

    @huey.task()
    def echo(value):
        return value

    tasks = {"noop": noop, "nap": nap, "stamp": stamp}

    def send(name, *arguments):
        tasks[name](*arguments)

    def send_many(name, rows):
        tasks[name].map(rows)

    def answer(value):
        return echo(value).get(blocking=True, timeout=30)

    return send, send_many, answer
