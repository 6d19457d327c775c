# SPDX-License-Identifier: MIT
"""Processes without gevent: they enqueue, read results and revoke, and import nothing of gevent.

Each is a real one, and a consumer runs as a process of its own.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from web_server import Site, Visitors

#: What every producer does; ``seen`` are the modules of gevent that came along.
COMMON = """
import sys
from site_app import count, double, huey, note

def use(number):
    results = double.map([number, number + 1])
    assert results.get(blocking=True, timeout=30) == [2 * number, 2 * number + 2]
    later = note.schedule(args=(number,), delay=60)
    later.revoke()
    assert later.is_revoked() and later.restore() and not later.is_revoked()
    assert later.cancel()
    seen = {"gevent", "greenlet"} & set(sys.modules)
    assert not seen, seen
    return 2 * number
"""


@pytest.fixture
def consumed(site: Site) -> Site:
    """A site whose tasks are run by the command."""
    consumer = site.start(sys.executable, "-m", "huey_green", "site_app.huey", "-w", "20")
    consumer.says("consum")
    return site


def run(site: Site, code: str) -> str:
    """Run a program to its end; return what it said."""
    program = site.directory / "program.py"
    program.write_text(COMMON + code)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=site.directory,
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_threads(consumed):
    said = run(
        consumed,
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(20) as threads:
    print(sum(threads.map(use, range(100))))
""",
    )
    assert said == "9900\n"


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_multiprocessing_after_the_parent_has_used_it(consumed, way):
    said = run(
        consumed,
        f"""
import multiprocessing
if __name__ == "__main__":
    use(1)
    context = multiprocessing.get_context({way!r})
    with context.Pool(4) as processes:
        print(sum(processes.map(use, range(20), chunksize=1)))
    print(use(4))
""",
    )
    assert said == "380\n8\n"


def test_a_fork_in_the_midst_of_a_wait_of_another_thread(consumed):
    said = run(
        consumed,
        """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Of forks beside threads.
waiting = count(20)
results = []
thread = threading.Thread(target=lambda: results.append(waiting.get(blocking=True, timeout=30)))
thread.start()
children = []
for number in range(3):
    child = os.fork()
    if not child:
        try:
            use(number)
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children], flush=True)
thread.join()
print(results)
""",
    )
    assert said == "[0, 0, 0]\n[20]\n"


def test_asyncio(consumed):
    said = run(
        consumed,
        """
import asyncio

async def handle(number):
    return await (await huey.aenqueue(double.s(number)))

async def main():
    print(sum(await asyncio.gather(*map(handle, range(100)))))
    group = await huey.aenqueue(double.s(1).then(double))
    print(await asyncio.wait_for(group, 30))
    later = await huey.aenqueue(note.s(1, delay=60))
    await asyncio.to_thread(later.revoke)
    print(await asyncio.to_thread(later.is_revoked), await asyncio.to_thread(later.cancel))
    print({"gevent", "greenlet"} & set(sys.modules))

asyncio.run(main())
""",
    )
    assert said == "9900\n[2, 4]\nTrue True\nset()\n"


@pytest.mark.skipif(
    importlib.util.find_spec("gunicorn") is None,
    reason="gunicorn is not installed: pip install gunicorn",
)
@pytest.mark.parametrize("kind", [("sync",), ("gthread", "--threads", "4")], ids=" ".join)
def test_gunicorn_whose_workers_are_forked_after_the_huey_was_used(consumed, kind):
    site = consumed
    (site.directory / "site_plain.py").write_text(
        f"{COMMON}\nfrom site_app import application\nuse(1)\n"
    )
    bind = ("-b", f"127.0.0.1:{site.port}", "-w", "3", "--preload", "-k", *kind)
    server = site.serve(sys.executable, "-m", "gunicorn", *bind, "site_plain:application")
    with Visitors(site) as visitors:
        visitors.come(200)
    assert visitors.refused == []
    assert [site.ask(f"/double?n={number}") for number in range(10)] == [
        str(2 * number) for number in range(10)
    ]
    assert site.ask("/revoked") == "True True True"
    assert site.ask("/modules") == "[]"
    server.sees(lambda: site.is_done(visitors.accepted), "all notes")
    assert set(site.counted("ended").values()) == {1}
    server.stop()
