# SPDX-License-Identifier: MIT
"""examples/pywsgi_app and examples/flask_app do what their READMEs say."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from web_server import PATIENCE, ROOT, Site

from huey_green.testing.concurrency import eventually


def prepare(site: Site, name: str, storage: str) -> None:
    shutil.copytree(ROOT / "examples" / name, site.directory, dirs_exist_ok=True)
    site.environment["PYTHONPATH"] = str(ROOT)
    site.environment["PORT"] = str(site.port)
    if storage == "redis":
        site.environment["REDIS_URL"] = site.redis_url.removesuffix("/0") + "/13"


def send(site: Site, path: str, **values: str) -> str:
    data = urlencode(values).encode()
    with urlopen(f"http://127.0.0.1:{site.port}{path}", data, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("storage", ["sqlite", "redis"])
def test_the_bakery_shows_how_far_a_task_has_come(site, storage):
    prepare(site, "pywsgi_app", storage)
    server = site.start(sys.executable, "-W", "error", "app.py")
    server.says(f"http://127.0.0.1:{site.port}\n")
    assert "EventSource" in site.ask("/")
    task_id = send(site, "/bake?loaves=3")
    events = site.ask(f"/events?id={task_id}").strip().split("\n\n")
    said = [json.loads(one.removeprefix("data: "))["message"] for one in events[:-1]]
    assert set(said) <= {"loaf 1 of 3", "loaf 2 of 3", "loaf 3 of 3"}
    assert said
    assert said == sorted(said)
    assert events[-1] == "event: end\ndata: 3 loaves are ready"
    server.stop()


@pytest.mark.parametrize("storage", ["sqlite", "redis"])
def test_the_shop_confirms_orders_also_through_a_reload(site, storage):
    pytest.importorskip("flask")
    pytest.importorskip("gunicorn")
    prepare(site, "flask_app", storage)
    address = f"127.0.0.1:{site.port}"
    server = site.start(sys.executable, "-m", "gunicorn", "-b", address, "shop:app")
    server.says("Booting worker")
    server.sees(lambda: answers(site), "a page")
    assert send(site, "/", item="tea").count("<li>tea: ") == 1
    eventually(lambda: "tea: tea is confirmed" in site.ask("/"), "a confirmation")
    first = server.workers()
    server.signal(signal.SIGHUP)
    server.sees(lambda: server.workers() and not first & server.workers(), "another worker")
    assert site.ask("/quote/cups") == "cups is confirmed"
    server.stop()


def answers(site: Site) -> bool:
    try:
        return "Shop" in site.ask("/")
    except OSError:
        return False
