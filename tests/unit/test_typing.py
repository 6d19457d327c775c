# SPDX-License-Identifier: MIT
"""What a type checker says to a program of our users, who have the package installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

PROGRAM = Path(__file__).with_name("typing_program.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory, request, alone):
    """Return the error codes that mypy finds, by line, and what else it said."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copy(PROGRAM, folder)
    # On sys.path, and not in the folder it is started in: so mypy finds the package where it
    # finds installed ones, which it reads only if they have a py.typed.
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    kept = getattr(request.config, "cache", None)  # None with -p no:cacheprovider.
    cache = kept.mkdir("mypy_of_a_user") if kept else folder / "cache"
    with alone("mypy"):  # Two of them at work on one cache break it.
        done = subprocess.run(
            [
                *(sys.executable, "-m", "mypy", "--strict", "--show-error-codes", "--no-pretty"),
                *("--config-file=", f"--cache-dir={cache}", PROGRAM.name),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = {}
    rest = []
    for line in done.stdout.splitlines():
        match = re.fullmatch(rf"{PROGRAM.name}:(\d+): error: .*\[([\w-]+)\]", line)
        if match:
            errors.setdefault(int(match[1]), []).append(match[2])
        elif " note: " not in line and not line.startswith("Found "):
            rest.append(line)
    return errors, rest


def test_a_decorated_function_keeps_its_signature_and_its_type_of_result(found):
    errors, _ = found
    expected = {
        number: [match[1]]
        for number, line in enumerate(PROGRAM.read_text().splitlines(), 1)
        if (match := re.search(r"# error: ([\w-]+)$", line))
    }
    assert len(expected) > 10
    assert errors == expected


def test_nothing_is_wrong_outside_of_the_program(found):
    _, rest = found
    assert rest == []
