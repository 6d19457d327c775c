# SPDX-License-Identifier: MIT
"""Where the old names are, and what each of them tells."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib import import_module

import pytest

from huey_green import compat
from huey_green.compat.naming import OLD

#: What the documents import, and from where.
DOCUMENTED = {
    "": "Huey RedisHuey crontab logger",  # 003: "from huey import ..."; 1.4.1 ``huey.logger``
    "api": "AsyncData Huey RedisHuey crontab",  # 003: 1.8.1
    "queue": "AsyncData Invoker",  # 002: huey.queue
    "decorators": "crontab periodic_command queue_command",  # 002: huey.decorators
    "exceptions": "DataStoreTimeout QueueException",  # 002: AsyncData; 003: 1.5
    "utils": "EmptyData",  # 002: BaseDataStore.get
    "bin.config": "BaseConfiguration",  # 002: huey.bin.config
    # 002: huey.backends.base; 003: 1.8.3
    "backends.base": "BaseQueue BaseDataStore BaseSchedule BaseEventEmitter EmptyData",
    # 002: huey.backends.redis_backend; 003: 1.8.3
    "backends.redis_backend": "RedisQueue RedisBlockingQueue RedisDataStore RedisSchedule "
    "RedisEventEmitter",
    # 003: 1.7.2
    "backends.sqlite_backend": "SqliteQueue SqliteDataStore SqliteSchedule",
}


@pytest.mark.parametrize("module", DOCUMENTED)
def test_each_name_is_where_it_was_and_tells_what_to_write(module):
    where = f"huey_green.compat.{module}".rstrip(".")
    found = import_module(where)
    for name in DOCUMENTED[module].split():
        with pytest.warns(DeprecationWarning, match="kept from huey 0.3 and 0.4: write ") as told:
            value = getattr(found, name)
        assert getattr(value, "__name__", name) in (name, "crontab")
        assert f"{where}.{name} is kept" in str(told[0].message)
        assert told[0].filename == __file__


def test_every_name_is_in_the_package_itself():
    for name in OLD:
        with pytest.warns(DeprecationWarning, match=f"compat.{name} is kept"):
            assert getattr(compat, name) is not None
        assert name in dir(compat)


def test_another_name_is_not_there():
    for module in DOCUMENTED:
        found = import_module(f"huey_green.compat.{module}".rstrip("."))
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            found.Nothing  # noqa: B018


def test_an_import_is_told_at_its_own_line(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from huey_green.compat.queue import Invoker\nfrom huey_green.compat import crontab\n"
    )
    command = [sys.executable, "-W", "always::DeprecationWarning", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = [line for line in done.stderr.splitlines() if "is kept from" in line]
    assert told[0].startswith(f"{program}:1: DeprecationWarning: huey_green.compat.queue.Invoker")
    assert told[-1].startswith(f"{program}:2: DeprecationWarning: huey_green.compat.crontab")


def test_importing_the_package_brings_no_driver_and_no_gevent():
    code = (
        "import sys, huey_green.compat, huey_green.compat.queue, huey_green.compat.backends.base\n"
        "huey_green.compat.queue.Invoker, huey_green.compat.backends.base.BaseQueue\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert not {"redis", "sqlite3", "gevent"} & set(done.stdout.split())


def test_handlers_at_the_logger_get_what_a_consumer_says(caplog):
    """003: 1.4.1 ``huey.logger``; 004"""
    with pytest.warns(DeprecationWarning, match="logging.getLogger"):
        logger = compat.logger
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    logging.getLogger("huey_green.consumer").error("x")
    logger.removeHandler(handler)
    assert len(records) == 1
