# SPDX-License-Identifier: MIT
"""What the documents tell people to paste works as they say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, blocks, sections

README = ROOT / "README.md"
DEADLINE = 60.0

EXAMPLES = [
    pytest.param(program, id=f"{path.relative_to(ROOT)}:{heading}")
    for path in DOCS
    for heading, program in sections(path)
]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def save_files(page: Path, directory: Path) -> dict[str, str]:
    """Save the files that a page tells its reader to save; return their texts by name."""
    files = {
        block.mark: block.code
        for block in blocks(page)
        if block.language == "python" and block.mark.endswith(".py")
    }
    for name, code in files.items():
        directory.joinpath(name).write_text(code)
    return files


@contextmanager
def consumer(page: Path, directory: Path) -> Iterator[None]:
    """Run the consumer with the options of a page's first command; end it as Ctrl-C would."""
    [options, *_] = [
        found[1]
        for block in blocks(page)
        if block.language == "sh" and (found := re.match(r"\.venv/bin/huey_green (.+)", block.code))
    ]
    with directory.joinpath("consumer.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "huey_green", *options.split()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env=environment(),
        )
    try:
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def ask(directory: Path, name: str = "ask.py") -> str:
    done = subprocess.run(
        [sys.executable, name],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    log = directory.joinpath("consumer.log").read_text()
    assert done.returncode == 0, f"{done.stderr}\nThe consumer wrote:\n{log}"
    return done.stdout


def test_the_quickstart_works_when_pasted(tmp_path):
    assert set(save_files(README, tmp_path)) == {"app.py", "ask.py"}
    with consumer(README, tmp_path):
        assert ask(tmp_path) == f"{sum(n * n for n in range(200))}\n"


def test_the_quickstart_works_with_its_line_for_redis(tmp_path, redis_server):
    app = save_files(README, tmp_path)["app.py"]
    [line] = [block.code for block in blocks(README) if block.code.startswith("huey = RedisHuey")]
    app = re.sub(r"^huey = .*\n", line, app, flags=re.MULTILINE)
    app = app.replace("import SqliteHuey", "import RedisHuey")
    app = app.replace("redis://localhost:6379/0", redis_server.url)
    tmp_path.joinpath("app.py").write_text(app)
    with consumer(README, tmp_path):
        assert ask(tmp_path) == f"{sum(n * n for n in range(200))}\n"


def test_the_longer_quickstart_works_too(tmp_path):
    page = ROOT / "docs" / "quickstart.md"
    files = save_files(page, tmp_path)
    with consumer(page, tmp_path):
        for name in files:
            if name != "app.py":
                said = [block.code for block in blocks(page) if block.mark == f"{name}:says"]
                assert [ask(tmp_path, name)] == said


def test_the_quickstart_is_short():
    lines = [
        line
        for block in blocks(README)
        if block.mark.endswith(".py")
        for line in block.code.splitlines()
        if line
    ]
    assert len(lines) <= 20


@pytest.mark.parametrize("program", EXAMPLES)
def test_an_example_runs(program, tmp_path):
    tmp_path.joinpath("example.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_two_commands_are_one_line_each_in_a_block_of_their_own():
    commands = [block.code for block in blocks(README) if "python3 -m venv" in block.code]
    assert len(commands) == 2
    for command in commands:
        assert command.count("\n") == 1
    assert commands[0].endswith("huey_green demo\n")
    assert commands[1].endswith("-m pytest\n")


def test_ci_runs_the_test_command_of_the_readme():
    [command] = [block.code for block in blocks(README) if block.code.endswith("-m pytest\n")]
    steps = command.strip().split(" && ")
    script = ROOT.joinpath(".ci", "run").read_text()
    assert steps[-1].removeprefix(".venv/bin/python ") in script
    assert "'.[dev]'" in script


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [one for one in targets if "://" not in one and not (page.parent / one).exists()]
    assert not missing
