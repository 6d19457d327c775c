# SPDX-License-Identifier: MIT
"""A consumer inside gevent.pywsgi: real processes, real HTTP."""

from __future__ import annotations

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from web_server import HERE, Visitors

from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

QUICK = json.dumps({"workers": 50, "lease": 1.0})


def test_tasks_run_beside_the_requests_that_wait_for_them(site):
    server = site.pywsgi()
    with ThreadPoolExecutor(20) as visitors:
        answers = list(visitors.map(lambda n: site.ask(f"/double?n={n}"), range(100)))
    assert answers == [str(2 * n) for n in range(100)]
    assert "ended in good order" in server.stop()


def test_what_was_accepted_is_run_once_when_the_server_is_stopped_and_started(site):
    server = site.pywsgi()
    with Visitors(site) as visitors:
        visitors.come(100)
        server.stop()
        server = site.pywsgi()
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    assert set(site.counted("ended").values()) == {1}


def test_what_was_accepted_is_run_when_the_server_is_killed(site):
    server = site.pywsgi(QUICK)
    with Visitors(site) as visitors:
        visitors.come(100)
        server.process.kill()
        server.ends()
        server = site.pywsgi(QUICK)
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    began, ended = site.counted("began"), site.counted("ended")
    again = {number for number, times in began.items() if times > 1}
    assert len(again) <= 50, "no more than ran when it was killed"
    assert {number for number, times in ended.items() if times > 1} <= again


def test_a_running_task_gets_its_time_when_the_server_is_stopped(site):
    server = site.pywsgi()
    site.ask("/hold?n=1")
    eventually(lambda: site.written("held"), "the task")
    said = server.stop()
    assert "interrupting" not in said
    assert len(site.written("held")) == 1
    assert site.redis.llen(f"huey.redis.{site.name}") == 0


def test_ctrl_c_twice_interrupts_what_runs_and_it_runs_again_with_the_next_start(site):
    server = site.pywsgi(QUICK)
    site.ask("/hold?n=60")
    eventually(lambda: site.written("held"), "the task")
    server.signal(signal.SIGINT)
    eventually(lambda: not site._answers(), "the end of the server")
    server.signal(signal.SIGINT)
    assert server.ends() != 0
    site.pywsgi(QUICK)
    eventually(lambda: len(site.written("held")) == 2, "the task again")


def test_a_thousand_requests_that_wait_hold_one_connection(site):
    server = site.start(
        sys.executable, "-W", "error", str(HERE / "waiting_server.py"), str(site.port), "1000"
    )
    server.sees(lambda: "consumes" in server.said, "the server")
    # All that it holds is noted by the server itself, with all thousand waiting.
    server.says("waiting: ")
    waiting, connections = json.loads(server.said.split("waiting: ")[1].splitlines()[0])
    assert (waiting, connections) == (1000, 1)
    server.says("answers: 1000")
    assert server.ends() == 0


def test_progress_comes_as_events_of_the_server(site):
    site.pywsgi()
    events = site.ask("/events?n=4").strip().split("\n\n")
    shown = [json.loads(one.removeprefix("data: ")) for one in events[:-1]]
    assert shown
    assert shown == sorted(shown)
    assert events[-1] == "event: end\ndata: 4"


def test_the_server_serves_while_redis_is_away_and_consumes_when_it_is_there(site):
    with PrivateRedis() as other:
        other.kill()
        site.environment["SITE_REDIS"] = other.url
        server = site.pywsgi()
        assert server.said.startswith("no tasks are run until the storage is there")
        other.start()
        assert site.ask("/double?n=4") == "8"
