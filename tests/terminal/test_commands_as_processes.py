# SPDX-License-Identifier: MIT
"""The commands as processes of their own, beside a consumer that is one, too."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from huey_green.terminal import COMMANDS
from huey_green.testing.concurrency import eventually

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (sys.executable, "-W", "error")

SOURCE = """\
import os
import time
from huey_green import RedisHuey

huey = RedisHuey({name!r}, url={url!r}, events=True)


@huey.task()
def sleep(seconds):
    time.sleep(seconds)


@huey.task()
def block():
    while not os.path.exists("enough"):
        pass
"""


@pytest.fixture
def folder(tmp_path, redis_server):
    """A folder in which app.py has a huey."""
    source = SOURCE.format(name=f"test{uuid4().hex}", url=redis_server.url)
    (tmp_path / "app.py").write_text(source)
    return tmp_path


def start(folder, *words, **how):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*PYTHON, "-m", "huey_green", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, **how)


def run(folder, *words):
    """Carry out a command; return its status, and what it printed."""
    process = start(folder, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=60)
    assert err == ""
    return process.returncode, out


@pytest.fixture
def consumer(folder):
    with (folder / "log").open("wb") as log:
        process = start(folder, "app.huey", "-w", "7", stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait(30)


def consumers(folder):
    status, out = run(folder, "status", "app.huey", "--json")
    assert status == 0
    return json.loads(out)["consumers"]


def test_a_consumer_and_what_it_runs_is_seen_from_another_process(folder, consumer):
    eventually(lambda: run(folder, "health", "app.huey", "--here")[0] == 0, "a live consumer")
    [state] = consumers(folder)
    assert (state["pid"], state["workers"], state["state"]) == (consumer.pid, 7, "alive")
    task_id = run(folder, "run", "app.huey", "sleep", "60")[1].strip()

    def running():
        return json.loads(run(folder, "status", "app.huey", "--json")[1])["running"]

    [task] = eventually(running, "a running task")
    assert (task["id"], task["name"], task["attempt"]) == (task_id, "app.sleep", 1)
    assert run(folder, "cancel", "app.huey", task_id) == (0, f"{task_id} canceled\n")
    eventually(lambda: not running(), "the end of the task")
    consumer.send_signal(signal.SIGTERM)
    assert consumer.wait(30) == 0
    assert consumers(folder) == []
    assert run(folder, "health", "app.huey")[0] == 1


def test_a_task_that_keeps_the_event_loop_busy_is_seen_as_lag(folder, consumer):
    eventually(lambda: consumers(folder), "a consumer")
    run(folder, "run", "app.huey", "block")
    lagging = eventually(lambda: [one for one in consumers(folder) if (one["lag"] or 0) > 1], "lag")
    assert lagging[0]["state"] == "alive"
    assert run(folder, "health", "app.huey", "--max-lag", "1s")[0] == 1
    (folder / "enough").touch()
    eventually(lambda: consumers(folder)[0]["lag"] < 1, "an event loop that turns again")


@pytest.mark.parametrize(
    "words",
    [
        ["status", "app.huey"],
        ["tasks", "app.huey"],
        ["dead", "app.huey"],
        ["run", "app.huey", "sleep", "0"],
        ["cancel", "app.huey", "x"],
        ["revoke", "app.huey", "sleep"],
        ["restore", "app.huey", "sleep"],
        ["purge", "app.huey", "--queue", "--yes"],
        ["check", "app.huey"],
        ["health", "app.huey"],
        ["events", "app.huey", "--timeout", "0.1"],
    ],
    ids=lambda words: words[0],
)
def test_no_command_imports_gevent_or_patches(folder, words):
    code = (
        "import sys\nfrom huey_green.__main__ import main\n"
        f"sys.argv = ['huey_green', *{words!r}]\n"
        "assert main() in (0, 1, 3)\n"
        "assert not {'gevent', 'greenlet'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*PYTHON, "-c", code],
        cwd=folder,
        env=environment,
        check=True,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )


def test_every_command_is_tried_above():
    marks = test_no_command_imports_gevent_or_patches.pytestmark  # type: ignore[attr-defined]
    assert {words[0] for words in marks[0].args[1]} >= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_help(folder, name):
    status, out = run(folder, name, "--help")
    assert status == 0
    assert out.startswith(f"usage: huey_green {name} ")


def test_a_pipe_that_is_closed_is_no_error(folder):
    shell = f"{sys.executable} -m huey_green status app.huey --watch --every 0.01 | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_terminal_gets_colours_and_a_pipe_does_not(folder):
    ours, theirs = pty.openpty()
    process = start(folder, "status", "app.huey", stdout=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:  # That is how a terminal ends.
            break
        if not more:
            break
        seen += more
    os.close(ours)
    assert process.wait(30) == 0
    assert b"\x1b[" in seen
    assert "\x1b" not in run(folder, "status", "app.huey")[1]


def test_ctrl_c_ends_watching_without_a_traceback(folder):
    process = start(
        *(folder, "status", "app.huey", "--watch"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""
