# SPDX-License-Identifier: MIT
"""The crawl's server, as a process of its own on a free port."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_web import SEED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server with seed ``SEED``."""
    command = [sys.executable, "-m", "huey_green.demo.crawl.server", "--port", "0"]
    with subprocess.Popen(
        [*command, "--seed", str(SEED)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"listening on (\S+)\n", process.stdout.readline())
        assert found
        yield found.group(1)
        process.terminate()
