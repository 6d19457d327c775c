# SPDX-License-Identifier: MIT
"""The command as a person or a service manager uses it: options, mistakes, what it says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from application import Make
from consumer_process import COMMAND, PATIENCE, PYTHON, ROOT, environment

from huey_green import TaskException, __version__
from huey_green.settings import ConsumerSettings
from huey_green.testing.concurrency import eventually

MEMORY = "from huey_green import MemoryHuey\nhuey = MemoryHuey()\n"


def command(directory: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=directory,
        env=environment(**extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


# Options.

LETTERS = (
    *("-l", "log", "-v", "-w", "3", "-k", "greenlet", "-n", "-p", "-d", "0.2", "-m", "5"),
    *("-b", "1.2", "-c", "5", "-C", "-f", "-s", "2", "-u", "-S", "-t", "3", "-o"),
)
NAMES = (
    *("--logfile=log", "--quiet", "--workers=3", "--worker-type=greenlet", "--no-periodic"),
    *("--periodic", "--delay=0.2", "--max-delay=5", "--backoff=1.2", "--health-check-interval=5"),
    *("--disable-health-check", "--flush-locks", "--scheduler-interval=2", "--utc", "--localtime"),
    *("--simple", "--shutdown-timeout=3", "--verbose"),
)


@pytest.mark.parametrize("options", [LETTERS, NAMES], ids=["letters", "names"])
def test_every_option_of_huey_is_accepted(make_app: Make, options):
    app = make_app()
    result = app.tasks.quick(1)
    consumer = app.consume(*options)
    assert result.get(blocking=True, timeout=PATIENCE) == 1
    consumer.stop()
    assert consumer.said == ""
    log = (app.directory / "log").read_text()
    assert "up to 3 tasks at once, at least once, local times" in log
    assert "SIGTERM: waiting for running tasks to end, for 3 s at most" in log


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_other_worker_types_are_noted_and_work(make_app: Make, kind):
    app = make_app()
    result = app.tasks.quick(1)
    consumer = app.consume("-k", kind, "-w", "8")
    assert result.get(blocking=True, timeout=PATIENCE) == 1
    consumer.stop()
    assert f"worker type '{kind}': tasks run in greenlets all the same, 8 at once" in consumer.said


def test_simple_and_quiet_logs(make_app: Make):
    app = make_app()
    simple = app.consume("-S")
    simple.stop()
    assert all("INFO" not in line for line in simple.said.splitlines())
    quiet = app.consume("-q")
    quiet.stop()
    assert quiet.said == ""


def test_a_task_that_fails_is_logged_with_its_traceback_and_retried(make_app: Make):
    app = make_app()
    result = app.tasks.stumble(7)
    consumer = app.consume()
    eventually(lambda: app.times("tried", 7) == 2, "the retry")
    with pytest.raises(TaskException, match="LookupError") as failed:
        app.huey.result(result.id, blocking=True, timeout=PATIENCE, preserve=True)
    consumer.stop()
    told = failed.value.metadata["traceback"]
    assert 'raise LookupError(f"no {n} here")' in told
    assert "executor.py" not in told
    assert consumer.said.count(told.strip()) == 2
    assert consumer.said.count("raised LookupError('no 7 here')") == 2
    assert not app.huey.dead_letters()


def test_locks_are_freed_on_request(make_app: Make):
    app = make_app()
    for lock in ("kept", "mine"):
        app.huey.storage.put_if_empty(f"{app.huey.name}.lock.{lock}", b"1")
    consumer = app.consume("-f", "-L", "mine, other")
    consumer.says("freed the locks mine")
    assert not app.huey.is_locked("mine")
    assert app.huey.is_locked("kept")


@pytest.mark.parametrize("columns", [80, 100])
def test_the_help_fits_a_terminal_and_has_every_option(tmp_path, columns):
    done = command(tmp_path, "--help", COLUMNS=str(columns))
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= columns
    flags = [flag for one in fields(ConsumerSettings) for flag in one.metadata["flags"]]
    flags += ["-l", "--logfile", "-v", "--verbose", "-q", "--quiet", "-S", "--simple"]
    flags += ["-p", "--periodic", "-u", "--utc", "-o", "--localtime", "--version", "demo"]
    assert [flag for flag in flags if flag not in done.stdout] == []


def test_it_says_which_version_it_is(tmp_path):
    assert command(tmp_path, "--version").stdout == f"huey_green {__version__}\n"


def test_the_start_is_a_few_lines_that_say_what_runs(make_app: Make, redis_server):
    app = make_app()
    with (app.directory / "app.py").open("a") as file:
        file.write(
            "\nfrom huey_green import crontab\n"
            "@huey.periodic_task(crontab(minute='0'))\ndef hourly(): pass\n"
        )
    consumer = app.consume("-w", "7", "-S")
    lines = [line.split(" ", 2)[2] for line in consumer.said.splitlines()]
    name = app.huey.name
    place = redis_server.url.removeprefix("redis://")
    assert (
        lines[0]
        == f"huey_green {__version__} consumes {name!r} on Redis {place}, huey.redis.{name}"
    )
    assert lines[1] == "up to 7 tasks at once, at least once, UTC times"
    count = len(app.huey.registry.tasks)
    assert lines[2].startswith(f"{count} tasks: app.quick, ")
    assert lines[3] == "1 periodic task: app.hourly"
    assert len(lines) == 4
    consumer.stop()
    without = app.consume("-n", "-S")
    assert "1 periodic task (not enqueued here: --no-periodic): app.hourly" in without.said


# Mistakes: application, import path, exit status, what the message has to hold.

MISTAKES = {
    "no such module": ("", "nothing.huey", 2, ["there is no module 'nothing'", "PYTHONPATH"]),
    "no such package": ("", "app.nothing.huey", 2, ["there is no module 'app.nothing'"]),
    "no attribute": (
        MEMORY,
        "app.heuy",
        2,
        ["module app", "app.py) has no attribute 'heuy'; there is huey"],
    ),
    "no attribute, no Huey": ("tasks = 1", "app.task", 2, ["no attribute 'task'; there is tasks"]),
    "no path": (MEMORY, "app", 2, ["'app' is not an import path", "app.huey"]),
    "not a Huey": (
        MEMORY + "other = 1",
        "app.other",
        2,
        ["app.other is a int, not a Huey; app.huey"],
    ),
    "a module": (
        "import sub",
        "app.sub",
        2,
        ["app.sub is a module, not a Huey: write app.sub.huey"],
    ),
    "huey's own": (
        "from huey import huey",
        "app.huey",
        2,
        ["app.huey is a Huey of the package huey: import it from huey_green instead of huey"],
    ),
    "ends the process": (
        "raise SystemExit(3)",
        "app.huey",
        2,
        ["importing app ended the process (SystemExit 3)", '__name__ == "__main__"'],
    ),
    "immediate": (
        "from huey_green import MemoryHuey\nhuey = MemoryHuey(immediate=True)",
        "app.huey",
        2,
        ["this Huey is immediate", "set immediate=False"],
    ),
    "Redis is away": (
        "from huey_green import RedisHuey\nhuey = RedisHuey(port=1)",
        "app.huey",
        1,
        ["Redis at localhost:1/0 does not answer", "Is it running"],
    ),
    "no directory for SQLite": (
        "from huey_green import SqliteHuey\nhuey = SqliteHuey(filename='no/where.db')",
        "app.huey",
        2,
        ["there is no directory", "no. Create it, or name another file."],
    ),
    "not an SQLite file": (
        "from huey_green import SqliteHuey\nhuey = SqliteHuey(filename='app.py')" + " " * 4096,
        "app.huey",
        1,
        ["app.py is damaged, or no SQLite database"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_message(tmp_path, mistake):
    source, path, status, parts = MISTAKES[mistake]
    (tmp_path / "app.py").write_text(source)
    (tmp_path / "sub.py").write_text(MEMORY)
    (tmp_path / "huey").mkdir()
    (tmp_path / "huey" / "__init__.py").write_text("class Huey: pass\nhuey = Huey()\n")
    done = command(tmp_path, path, "-q")
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("huey_green: ")
    assert [part for part in parts if part not in done.stderr] == [], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


USERS_ERRORS = {
    "a module of theirs is missing": ("import no_such_thing", "No module named 'no_such_thing'"),
    "a module beside it is missing": ("import app_tasks", "No module named 'app_tasks'"),
    "an import error": (
        "from json import nothing",
        "ImportError: cannot import name 'nothing' from 'json'",
    ),
    "an error": ("1 / 0", "ZeroDivisionError: division by zero"),
    "an error of ours": (
        "from huey_green import MemoryHuey\nhuey = MemoryHuey(max_deliveries=0)",
        "ConfigurationError: max_deliveries is at least 1, not 0",
    ),
}


@pytest.mark.parametrize("error", USERS_ERRORS)
def test_an_error_in_the_application_is_shown_with_its_own_traceback_alone(tmp_path, error):
    source, message = USERS_ERRORS[error]
    (tmp_path / "app.py").write_text("import inner\n")
    (tmp_path / "inner.py").write_text(source)
    done = command(tmp_path, "app.huey")
    assert done.returncode == 2
    assert done.stderr.startswith("huey_green: importing app failed with an error of its own:\n")
    assert message in done.stderr.splitlines()[-1]
    files = [line.split('"')[1] for line in done.stderr.splitlines() if line.startswith("  File")]
    assert files == [str(tmp_path / "app.py"), str(tmp_path / "inner.py")]


def test_a_syntax_error_is_shown_where_it_is(tmp_path):
    (tmp_path / "app.py").write_text("huey = (\n")
    done = command(tmp_path, "app.huey")
    assert done.returncode == 2
    assert f'File "{tmp_path / "app.py"}", line 1' in done.stderr
    assert "SyntaxError: '(' was never closed" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(ROOT) not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-w", "0"], "workers (-w/--workers) is at least 1, not 0"),
        (["-w", "x"], "argument -w/--workers: invalid int value: 'x'"),
        (["-k", "fiber"], "argument -k/--worker-type: invalid choice: 'fiber'"),
        (["-s", "0"], "scheduler_interval (-s/--scheduler-interval) is more than 0, not 0.0"),
        (["-b", "0.5"], "backoff (-b/--backoff) is at least 1, not 0.5"),
        (["-t", "-1"], "shutdown_timeout (-t/--shutdown-timeout) is at least 0, not -1.0"),
        (["-d", "nan"], "initial_delay (-d/--delay) is a number, not nan"),
        (["--lease", "inf"], "lease (--lease) is at most 3.1536e+07, not inf"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["-l", "no/such/log"], "cannot log to no/such/log: No such file or directory"),
        (["-l", "."], "cannot log to .: Is a directory"),
    ],
)
def test_a_bad_option_is_one_clear_message(tmp_path, options, message):
    (tmp_path / "app.py").write_text(MEMORY)
    done = command(tmp_path, "app.huey", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 4
    assert "Traceback" not in done.stderr


def test_without_arguments_it_says_what_is_missing(tmp_path):
    done = command(tmp_path)
    assert done.returncode == 2
    assert "the following arguments are required: IMPORT.PATH" in done.stderr


# Surroundings.


def test_the_directory_is_importable_for_the_console_script_too(tmp_path):
    script = tmp_path / "bin" / "huey_green"
    script.parent.mkdir()
    script.write_text("import sys\nfrom huey_green.__main__ import main\nsys.exit(main())\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "app.py").write_text("huey = 1")
    for path in ("app.huey", "app:huey"):
        done = subprocess.run(
            [*PYTHON, str(script), path],
            cwd=tmp_path / "work",
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == f"huey_green: {path} is a int, not a Huey\n"


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"], ids=["stdin", "all three"])
def test_it_runs_without_a_terminal_and_with_closed_streams(make_app: Make, closed):
    app = make_app()
    result = app.tasks.quick(1)
    consumer = app.consume(shell=f'exec "$@" {closed}')
    assert result.get(blocking=True, timeout=PATIENCE) == 1
    consumer.stop()


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_warnings_are_coloured_on_a_terminal_unless_told_not_to(tmp_path, no_color, coloured):
    (tmp_path / "app.py").write_text("from huey_green import RedisHuey\nhuey = RedisHuey(port=1)\n")
    extra = {"TERM": "xterm"} if no_color is None else {"TERM": "xterm", "NO_COLOR": no_color}
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, "app.huey", "-k", "thread"],
            cwd=tmp_path,
            env=environment(**extra),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        said = read_all(ours)
        assert process.wait(PATIENCE) == 1
    finally:
        os.close(ours)
    assert "worker type 'thread'" in said
    assert ("\x1b[33m" in said) is coloured
    assert ("\x1b" in said) is coloured


def read_all(terminal: int) -> str:
    """Read what was written to a pseudo-terminal until its last writer has ended."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when nobody has the other end open any more.
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_there_are_no_colours_in_a_file(make_app: Make):
    app = make_app()
    consumer = app.consume("-k", "thread")
    assert "worker type 'thread'" in consumer.said
    assert "\x1b" not in consumer.said


# Imports.

WATCH = """
import json, os, sys

seen = {"before": None, "unpatched": []}
LATE = ("redis", "sqlite3", "app", "huey_green.cli", "huey_green.huey", "huey_green.storage")

class Watcher:
    @staticmethod
    def find_spec(name, path=None, target=None):
        look(name)


def look(name):
    if name == "gevent.monkey" and seen["before"] is None:
        seen["before"] = sorted(sys.modules)
    if name in LATE:
        monkey = sys.modules.get("gevent.monkey")
        if monkey is None or not monkey.is_module_patched("threading"):
            seen["unpatched"].append(name)
    if name == "app":
        with open(os.environ["SEEN"], "w") as file:
            json.dump(seen, file)

if "SEEN" in os.environ:
    sys.meta_path.insert(0, Watcher)
"""


def test_nothing_that_waits_is_imported_before_gevent_patches(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "app.py").write_text("from huey_green import RedisHuey\nhuey = RedisHuey(port=1)\n")
    seen = tmp_path / "seen"
    done = command(tmp_path, "app.huey", SEEN=str(seen), PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 1, done.stderr  # Warnings are errors here, gevent's among them.
    found = json.loads(seen.read_text())
    waits = {"redis", "ssl", "socket", "select", "threading", "queue", "logging", "asyncio"}
    waits |= {"concurrent.futures", "subprocess", "sqlite3", "huey_green.huey", "huey_green.cli"}
    assert waits & {*found["before"]} == set()
    assert found["unpatched"] == []


PATCHES = """
import importlib.metadata as metadata
import huey_green.__main__

class Finder(metadata.DistributionFinder):
    looks = 0

    def find_spec(self, *args):
        return None

    def find_distributions(self, context=None):
        Finder.looks += 1
        return ()

import sys
sys.meta_path.append(Finder())
huey_green.__main__.patch()
metadata.entry_points(group="any")
print(Finder.looks)
"""


def test_plugins_of_gevent_are_called_and_what_is_installed_is_read_once(tmp_path):
    (tmp_path / "plugin.py").write_text("def patched(event):\n    print(type(event).__name__)\n")
    info = tmp_path / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    moments = ("will_patch_all", "did_patch_all")
    points = (f"[gevent.plugins.monkey.{one}]\nplugin = plugin:patched\n" for one in moments)
    (info / "entry_points.txt").write_text("".join(points))
    done = subprocess.run(
        [*PYTHON, "-c", PATCHES],
        env=environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "GeventWillPatchAllEvent\nGeventDidPatchAllEvent\n2\n"


def test_importing_the_package_imports_no_driver_and_no_gevent():
    code = (
        "import sys, huey_green\n"
        "heavy = 'gevent greenlet redis sqlite3 ssl asyncio logging'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [*PYTHON, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert sys.modules["huey_green"].__version__ == __version__
