# SPDX-License-Identifier: MIT
"""huey 0.3: BaseConfiguration, and the consumer that takes one. (002, Configuration.)"""

from __future__ import annotations

import logging

import pytest
from old import (
    BaseConfiguration,
    DictStore,
    Invoker,
    ListQueue,
    RedisBlockingQueue,
    RedisDataStore,
    queue_command,
    work_off,
)

from huey_green.exceptions import ConfigurationError

PRINTED = """\
from huey_green.compat.backends.redis_backend import RedisBlockingQueue, RedisDataStore
from huey_green.compat.bin.config import BaseConfiguration
from huey_green.compat.decorators import crontab, periodic_command, queue_command
from huey_green.compat.queue import Invoker

queue = RedisBlockingQueue({name!r}, host="localhost", port={port})
result_store = RedisDataStore({name!r} + "results", host="localhost", port={port})
invoker = Invoker(queue, result_store=result_store)


class Configuration(BaseConfiguration):
    QUEUE = queue
    RESULT_STORE = result_store
    {settings}


@queue_command(invoker)
def count_some_beans(num):
    return "Counted %s beans" % num


@periodic_command(invoker, lambda moment: True)
def every_minute():
    print("a minute", flush=True)
"""


@pytest.fixture
def app(make_app, name, redis_server):
    def make(settings="THREADS = 4"):
        return make_app(my_app=PRINTED.format(name=name, port=redis_server.port, settings=settings))

    return make


def test_the_consumer_takes_a_configuration(app):
    """002: "The configuration is then used by the consumer"; 003: 1.2.3 path.to.Configuration"""
    app = app()
    consumer = app.consume("huey_green.compat", "my_app.Configuration")
    told = app.run("from my_app import *; print(count_some_beans(100).get(blocking=True))")
    assert told == "Counted 100 beans\n"
    assert "up to 4 tasks at once" in app.said
    assert "1 periodic task (not enqueued here: --no-periodic)" in app.said
    app.stop(consumer)


def test_periodic_commands_run_in_the_consumer_that_is_told_to(app):
    """002: periodic_command, "simply add PERIODIC = True to your configuration\""""
    app = app("PERIODIC = True")
    consumer = app.consume("huey_green.compat", "my_app.Configuration")
    assert "not enqueued here" not in app.said
    app.run("import my_app; my_app.invoker.enqueue(my_app.every_minute.s())")
    app.says(lambda: "a minute" in app.said)
    app.stop(consumer)


def test_the_command_line_counts_more_than_the_configuration(app):
    """002: "All configuration settings are class attributes"; the options are ours"""
    app = app("THREADS = 4")
    consumer = app.consume("huey_green.compat", "my_app.Configuration", "-w", "7", "-p")
    assert "up to 7 tasks at once" in app.said
    assert "not enqueued here" not in app.said
    app.stop(consumer)


def test_a_file_takes_the_log_if_the_configuration_says_so(app, tmp_path):
    """002: LOGFILE, LOGLEVEL"""
    app = app("LOGFILE = 'huey.log'\n    LOGLEVEL = 10")
    app.log = tmp_path / "huey.log"
    consumer = app.consume("huey_green.compat", "my_app.Configuration")
    app.run("from my_app import *; print(count_some_beans(100).get(blocking=True))")
    app.stop(consumer)
    assert "executed" in app.said


def test_what_is_wrong_is_said_before_anything_starts(app):
    """002: QUEUE; 003: 1.6 "Error importing XXX\""""
    app = app("QUEUE = None")
    told = app.python("-m", "huey_green.compat", "my_app.Configuration", check=False)
    assert (told.returncode, told.stderr) == (
        2,
        "huey_green.compat: Configuration has no QUEUE: say from where it consumes\n",
    )
    told = app.python("-m", "huey_green.compat", "my_app.Confguration", check=False)
    assert told.returncode == 2
    assert "has no attribute 'Confguration'; there is" in told.stderr
    told = app.python("-m", "huey_green", "my_app.Configuration", check=False)
    assert told.returncode == 2
    assert "run python -m huey_green.compat my_app.Configuration" in told.stderr


def test_the_command_says_what_it_is_for(make_app):
    """002: the consumer"""
    told = make_app().python("-m", "huey_green.compat", "--help")
    assert told.stdout.startswith("usage: python -m huey_green.compat IMPORT.PATH")


def test_it_takes_the_huey_of_0_4_as_well(app):
    """003: 1.2.3 "point it at your application's Huey instance\""""
    app = app()
    consumer = app.consume("huey_green.compat", "my_app.invoker", "-w", "3")
    assert "up to 3 tasks at once" in app.said
    app.stop(consumer)


def test_each_setting_is_an_option_of_the_command():
    """002: BaseConfiguration, its attributes and their defaults"""

    class Default(BaseConfiguration):
        QUEUE = ListQueue()

    class Other(Default):
        PERIODIC = True
        THREADS = 5
        LOGFILE = "huey.log"
        LOGLEVEL = logging.ERROR
        BACKOFF = 2
        INITIAL_DELAY = 0.5
        MAX_DELAY = 1
        UTC = False

    assert " ".join(Default.arguments()) == (
        "--workers 1 --delay 0.1 --max-delay 10 --backoff 1.15 --no-periodic"
    )
    assert " ".join(Other.arguments()) == (
        "--workers 5 --delay 0.5 --max-delay 1 --backoff 2 --logfile huey.log --quiet --localtime"
    )


def test_a_configuration_without_an_invoker_makes_one_of_its_stores(server, name):
    """002: QUEUE, RESULT_STORE, TASK_STORE"""

    class Configuration(BaseConfiguration):
        QUEUE = RedisBlockingQueue(name, **server)
        RESULT_STORE = RedisDataStore(name, **server)
        TASK_STORE = RedisDataStore(f"{name}tasks", **server)

    made = Configuration.huey
    assert made is Configuration.huey
    res = queue_command(made)(doubled)(4)
    assert work_off(made) == 1
    assert res.get() == 8
    assert made.storage.keys.schedule == f"huey.schedule.{name}tasks"


def doubled(number):
    return 2 * number


def test_a_configuration_takes_the_invoker_of_its_queue():
    """002: Invoker, "points at the queue and result store which are used by the application's\""""
    queue, store = ListQueue(), DictStore()
    invoker = Invoker(queue, store)

    class Configuration(BaseConfiguration):
        QUEUE = queue
        UTC = False

    assert Configuration.huey is invoker
    assert not invoker.utc, "producers that import it know the consumer's time"


def test_a_configuration_without_a_queue_is_refused():
    """002: QUEUE"""

    class Configuration(BaseConfiguration):
        pass

    with pytest.raises(ConfigurationError, match="has no QUEUE"):
        Configuration.invoker()
