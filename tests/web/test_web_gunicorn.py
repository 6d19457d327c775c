# SPDX-License-Identifier: MIT
"""A consumer in each worker of gunicorn: reloads, replaced workers and kills under load."""

from __future__ import annotations

import importlib.util
import signal
import sys

import psutil
import pytest
from web_server import Server, Site, Visitors

from huey_green.testing.concurrency import eventually

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gunicorn") is None,
    reason="gunicorn is not installed: pip install gunicorn",
)

PATCHED = "from gevent import monkey\nmonkey.patch_all()\n"

CONFIGURATION = """
from huey_green.contrib.gunicorn import embed

worker_class = "gevent"
post_worker_init, worker_exit = embed("site_app.huey", workers=50, lease=2.0)
"""


def serve(site: Site, *options: str, configuration: str = PATCHED + CONFIGURATION) -> Server:
    (site.directory / "gunicorn.conf.py").write_text(configuration)
    return site.serve(*command(site, *options))


def command(site: Site, *options: str) -> list[str]:
    module = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{site.port}"]
    return [*module, "--no-control-socket", *options, "site_app:application"]


def test_each_worker_consumes_and_a_stop_ends_them_in_good_order(site):
    server = serve(site, "-w", "2")
    assert site.ask("/double?n=4") == "8"
    for _ in range(20):
        site.ask("/hold?n=0")
    eventually(lambda: len(site.written("held")) == 20, "all tasks")
    assert set(site.written("held")) <= server.workers()
    assert "Traceback" not in server.stop()


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("patched", [PATCHED, ""], ids=["patched", "patched by the worker"])
def test_a_reload_under_load_refuses_nobody_and_runs_each_task_once(site, preload, patched):
    server = serve(site, "-w", "2", *preload, configuration=patched + CONFIGURATION)
    first = server.workers()
    with Visitors(site) as visitors:
        visitors.come(100)
        server.signal(signal.SIGHUP)
        server.sees(lambda: not first & server.workers(), "other workers")
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    assert visitors.refused == []
    assert set(site.counted("ended").values()) == set(site.counted("began").values()) == {1}
    assert "Traceback" not in server.stop()


def test_workers_that_are_replaced_after_so_many_requests_lose_nothing(site):
    server = serve(site, "-w", "2", "--max-requests", "40")
    first = server.workers()
    with Visitors(site) as visitors:
        visitors.come(300)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    server.sees(lambda: not first & server.workers(), "other workers")
    assert visitors.refused == []
    assert set(site.counted("ended").values()) == set(site.counted("began").values()) == {1}
    assert server.said.count("Autorestarting worker") >= 2
    assert "Traceback" not in server.stop()


def test_more_and_fewer_workers_under_load_lose_nothing(site):
    server = serve(site, "-w", "1")
    with Visitors(site) as visitors:
        server.signal(signal.SIGTTIN)
        server.sees(lambda: len(server.workers()) == 2, "a second worker")
        visitors.come(100)
        server.signal(signal.SIGTTOU)
        server.sees(lambda: len(server.workers()) == 1, "one worker")
        visitors.come(50)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    assert visitors.refused == []
    assert set(site.counted("ended").values()) == set(site.counted("began").values()) == {1}


def test_a_killed_worker_is_replaced_and_its_tasks_are_run_by_others(site):
    server = serve(site, "-w", "2")
    with Visitors(site) as visitors:
        visitors.come(100)
        killed = min(server.workers())
        psutil.Process(killed).kill()
        server.sees(lambda: killed not in server.workers(), "its end")
        server.sees(lambda: len(server.workers()) == 2, "another one")
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    again = {number for number, times in site.counted("began").items() if times > 1}
    twice = {number for number, times in site.counted("ended").items() if times > 1}
    assert twice <= again
    assert len(again) <= 50, "no more than ran in it"


def test_a_task_that_takes_longer_than_gunicorn_waits_goes_back_to_the_queue(site):
    server = serve(site, "-w", "1", "--graceful-timeout", "7")
    site.ask("/hold?n=60")
    eventually(lambda: site.written("held"), "the task")
    assert "interrupting 1 tasks" in server.stop()
    assert site.redis.llen(f"huey.redis.{site.name}") == 1


def test_a_worker_that_gevent_has_not_patched_does_not_start_and_says_why(site):
    text = PATCHED.replace("monkey.patch_all()", "") + CONFIGURATION.replace('"gevent"', '"sync"')
    (site.directory / "gunicorn.conf.py").write_text(text)
    server = site.start(*command(site))
    assert server.ends() != 0
    assert "with gunicorn use the worker class gevent" in server.said
