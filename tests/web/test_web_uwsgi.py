# SPDX-License-Identifier: MIT
"""A consumer in each worker of uWSGI with gevent."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from web_server import Server, Site, Visitors

from huey_green import ConfigurationError, MemoryHuey
from huey_green.contrib.uwsgi import embed
from huey_green.testing.concurrency import eventually

#: It is not among what the tests install: to build it takes minutes, and a compiler. It has the
#: interpreter for which it was built inside.
UWSGI = Path(sys.executable).with_name("uwsgi")
needs_uwsgi = pytest.mark.skipif(
    not UWSGI.exists(),
    reason="uWSGI is not installed: pip install uwsgi builds it with a C compiler",
)

APPLICATION = """
import uwsgi
from site_app import application, huey
from huey_green.contrib.uwsgi import embed

uwsgi.atexit = lambda: print("the application ends", flush=True)
embed(huey, workers=50, lease=2.0)
"""
GEVENT = ("--gevent", "100", "--gevent-early-monkey-patch")


def command(site: Site, *options: str) -> list[str]:
    (site.directory / "site_uwsgi.py").write_text(APPLICATION)
    address = ("--http-socket", f"127.0.0.1:{site.port}", "--python-path", str(site.directory))
    paths = [part for path in sys.path if path for part in ("--python-path", path)]
    return [str(UWSGI), *address, *paths, "--module", "site_uwsgi", "--die-on-term", *options]


def serve(site: Site, *options: str) -> Server:
    server = site.serve(*command(site, "--master", "--processes", "2", *GEVENT, *options))
    # uWSGI cannot end a worker, for a minute, that is still being started.
    server.sees(lambda: len(site.redis.keys(f"huey.report.{site.name}.*")) == 2, "both consumers")
    return server


@needs_uwsgi
@pytest.mark.parametrize("lazy", [(), ("--lazy-apps",)], ids=["", "lazy"])
def test_each_worker_consumes_and_a_stop_ends_them_in_good_order(site, lazy):
    server = serve(site, *lazy)
    assert site.ask("/double?n=4") == "8"
    for _ in range(20):
        site.ask("/hold?n=0")
    eventually(lambda: len(site.written("held")) == 20, "all tasks")
    assert set(site.written("held")) <= server.workers()
    site.ask("/hold?n=2")
    eventually(lambda: len(site.written("held")) == 21, "the last task")
    assert server.stop().count("the application ends") == 2
    assert site.redis.llen(f"huey.redis.{site.name}") == 0
    assert not site.redis.keys(f"huey.*inflight*{site.name}*")


@needs_uwsgi
def test_a_reload_under_load_loses_nothing(site):
    server = serve(site)
    first = server.workers()
    with Visitors(site) as visitors:
        visitors.come(100)
        server.signal(signal.SIGHUP)
        server.sees(lambda: not first & server.workers(), "other workers")
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    assert set(site.counted("ended").values()) == set(site.counted("began").values()) == {1}


@needs_uwsgi
def test_a_killed_worker_is_replaced_and_its_tasks_are_run_by_others(site):
    server = serve(site)
    with Visitors(site) as visitors:
        visitors.come(100)
        killed = min(server.workers())
        psutil.Process(killed).kill()
        server.sees(lambda: killed not in server.workers(), "its end")
        visitors.come(100)
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    began, ended = site.counted("began"), site.counted("ended")
    assert {number for number, times in ended.items() if times > 1} <= {
        number for number, times in began.items() if times > 1
    }


@needs_uwsgi
def test_without_gevent_it_says_which_options_are_missing(site):
    done = subprocess.run(
        command(site, "--need-app"),
        cwd=site.directory,
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "`gevent-early-monkey-patch = true`" in done.stderr
    assert done.returncode != 0


def test_outside_of_uwsgi_it_says_what_to_use():
    with pytest.raises(ConfigurationError, match=r"elsewhere use huey\.embedded_consumer\(\)"):
        embed(MemoryHuey())
