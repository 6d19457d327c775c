# SPDX-License-Identifier: MIT
"""Without redis-py, what needs it says what to do, and the rest works."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["redis"] = None  # What Python has for a module that cannot be imported.
import huey_green
from huey_green import storage
storage.MemoryStorage().enqueue(b"a")
try:
    {use}
except huey_green.exceptions.ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("from huey_green.storage import RedisStorage", "RedisStorage"),
        ("storage.PriorityRedisExpireStorage", "PriorityRedisExpireStorage"),
        ("huey_green.PriorityRedisHuey('name')", "PriorityRedisStorage"),
    ],
)
def test_a_storage_whose_driver_is_missing_says_what_to_install(use: str, name: str) -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(use=use)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"{name} needs redis-py: pip install redis\n", "")
