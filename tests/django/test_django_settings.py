# SPDX-License-Identifier: MIT
"""settings.HUEY in all the forms that huey's documents have."""

from __future__ import annotations

import argparse

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop-db"}}
    )

from huey_green import FileHuey, MemoryHuey, PriorityRedisHuey, RedisHuey, SqliteHuey, storage
from huey_green.contrib.djhuey import apps, configuration, options
from huey_green.contrib.djhuey.connections import DjangoExecutor


@pytest.fixture(autouse=True)
def unread(monkeypatch):
    """Settings that nobody has read yet."""
    monkeypatch.setattr(configuration, "_present", None)


def read(**given):
    with override_settings(**given):
        return configuration.configuration()


def test_without_settings_it_is_redis_on_this_host_named_as_the_database():
    huey, consumer, follows_debug = read()
    assert type(huey) is RedisHuey
    assert huey.name == "shop-db"
    assert "localhost:6379" in huey.storage.describe()
    assert (huey.immediate, consumer, follows_debug) == (False, {}, True)


def test_an_instance_is_taken_as_it_is():
    mine = MemoryHuey("mine")
    huey, consumer, _ = read(HUEY=mine)
    assert huey is mine
    assert consumer == {}
    assert isinstance(huey.executor, DjangoExecutor)


def test_the_dict_of_hueys_documents_with_all_of_its_entries():
    huey, consumer, _ = read(
        HUEY={
            "huey_class": "huey.RedisHuey",
            "name": "my-app",
            "results": True,
            "store_none": False,
            "immediate": False,
            "utc": True,
            "blocking": True,
            "connection": {
                "host": "localhost",
                "port": 6380,
                "db": 3,
                "connection_pool": None,
                "read_timeout": 1,
                "url": None,
            },
            "consumer": {"workers": 4, "worker_type": "thread", "periodic": True},
        }
    )
    assert type(huey) is RedisHuey
    assert (huey.name, huey.results, huey.store_none, huey.utc) == ("my-app", True, False, True)
    assert "localhost:6380" in huey.storage.describe()
    assert consumer == {"workers": 4, "worker_type": "thread", "periodic": True}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"huey_class": "huey_green.PriorityRedisHuey"}, PriorityRedisHuey),
        ({"huey_class": PriorityRedisHuey}, PriorityRedisHuey),
        ({"huey_class": "huey.SqliteHuey", "filename": "queue.db"}, SqliteHuey),
        ({"huey_class": "huey.contrib.sqlitedb.SqliteHuey", "filename": "queue.db"}, SqliteHuey),
        ({"huey_class": "huey_green.FileHuey", "connection": {"path": "queue"}}, FileHuey),
        ({"backend_class": "huey.RedisHuey", "result_store": False}, RedisHuey),
        ({"storage_class": storage.MemoryStorage}, RedisHuey),
        ({"url": "redis://localhost:6379/1"}, RedisHuey),
    ],
    ids=str,
)
def test_the_class_is_a_path_or_a_class_of_ours_or_of_hueys(given, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert type(read(HUEY=given).huey) is kind


def test_the_dict_of_huey_0_4_on_redis():
    huey, consumer, follows_debug = read(
        HUEY={
            "backend": "huey.backends.redis_backend",
            "name": "unique name",
            "connection": {"host": "localhost", "port": 6379},
            "always_eager": False,
            "consumer_options": {"workers": 4},
        }
    )
    assert (type(huey), huey.name, huey.immediate) == (RedisHuey, "unique name", False)
    assert consumer == {"workers": 4}
    assert not follows_debug


def test_the_dict_of_huey_0_4_on_sqlite(tmp_path):
    huey, consumer, _ = read(
        HUEY={
            "backend": "huey.backends.sqlite_backend",
            "name": "unique name",
            "connection": {"location": tmp_path / "sqlite filename"},
            "consumer_options": {"workers": 4},
        }
    )
    assert (type(huey), consumer) == (SqliteHuey, {"workers": 4})
    assert str(tmp_path / "sqlite filename") in huey.storage.describe()


def test_the_huey_config_of_huey_0_3():
    huey, consumer, follows_debug = read(
        HUEY_CONFIG={
            "QUEUE": "huey.backends.redis_backend.RedisQueue",
            "QUEUE_NAME": "older",
            "QUEUE_CONNECTION": {"host": "localhost", "port": 6379},
            "RESULT_STORE": "huey.backends.redis_backend.RedisDataStore",
            "THREADS": 4,
            "LOGFILE": "huey.log",
            "BACKOFF": 1.5,
        }
    )
    assert (type(huey), huey.name, huey.results, huey.immediate) == (
        RedisHuey,
        "older",
        True,
        False,
    )
    assert consumer == {"periodic": False, "workers": 4, "logfile": "huey.log", "backoff": 1.5}
    assert not follows_debug


def test_huey_config_without_a_result_store_keeps_no_results():
    huey, _, _ = read(HUEY_CONFIG={"QUEUE": "huey.backends.redis_backend.RedisQueue"})
    assert not huey.results


@pytest.mark.parametrize("debug", [True, False])
def test_immediate_mode_follows_debug(debug):
    huey, _, follows_debug = read(DEBUG=debug, HUEY={"name": "shop"})
    assert (huey.immediate, follows_debug) == (debug, True)


@pytest.mark.parametrize("name", ["immediate", "always_eager"])
def test_immediate_mode_is_what_the_settings_say_of_it(name):
    assert read(DEBUG=False, HUEY={name: True})[::2] == (configuration.the_huey(), False)
    assert configuration.the_huey().immediate


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("redis://localhost", "settings.HUEY is a dict or a Huey, not 'redis://localhost'"),
        ({"huey_class": "huey_green.NoHuey"}, "'huey_green.NoHuey', which cannot be imported"),
        ({"huey_class": "os.path.join"}, "a class of Huey or the path to one"),
        ({"backend": "huey.backends.rabbitmq_backend"}, "say 'huey_class'"),
        ({"consumer": {}, "consumer_options": {}}, "'consumer_options', an older name, beside"),
        ({"consumer": 4}, "settings.HUEY['consumer'] is a dict, not 4"),
        ({"connection": "localhost"}, "settings.HUEY['connection'] is a dict"),
        ({"store_nome": True}, "did you mean store_none?"),
        ({"max_deliveries": 0}, "max_deliveries is at least 1"),
        ({"huey_class": "huey_green.SqliteHuey", "blocking": True}, "blocking"),
    ],
    ids=str,
)
def test_a_mistake_is_told_with_what_to_do(given, said):
    with pytest.raises(ImproperlyConfigured) as caught:
        read(HUEY=given)
    assert said in str(caught.value)
    with override_settings(HUEY=given):
        [found] = apps.check_settings()
    assert (found.id, found.msg) == ("huey_green.E001", str(caught.value))


class Beans:
    """A queue and a store of a project's own."""

    def __init__(self, name, **connection):
        self.name, self.connection = name, connection
        self.write = self.put = self.get = lambda *_: None
        self.read = lambda: None


def test_a_huey_config_with_a_queue_and_a_store_of_its_own():
    """002: Django API, Configuration, "string or Queue instance\""""
    store = Beans("store")
    huey, consumer, follows_debug = read(
        HUEY_CONFIG={
            "QUEUE": f"{__name__}.Beans",
            "QUEUE_CONNECTION": {"host": "there"},
            "RESULT_STORE": store,
            "PERIODIC": True,
            "ALWAYS_EAGER": True,
        }
    )
    assert (huey.queue.name, huey.queue.connection) == ("shop-db", {"host": "there"})
    assert huey.result_store is store
    assert (huey.immediate, consumer, follows_debug) == (True, {"periodic": True}, False)


def test_a_huey_config_of_two_places():
    """002: Django API, RESULT_STORE_NAME, RESULT_STORE_CONNECTION"""
    huey, _, _ = read(
        HUEY_CONFIG={
            "QUEUE": "huey.backends.redis_backend.RedisQueue",
            "QUEUE_NAME": "beans",
            "QUEUE_CONNECTION": {"db": 0},
            "RESULT_STORE": "huey.backends.redis_backend.RedisDataStore",
            "RESULT_STORE_NAME": "counted",
            "RESULT_STORE_CONNECTION": {"db": 1},
        }
    )
    assert (huey.queue.name, huey.result_store.name) == ("beans", "counted")
    assert not huey.storage.leases


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"QUEUE": object()}, "queue is an object with write"),
        ({"QUEUE": "no_such_project.queues.Missing"}, "No module named"),
        ({"QUEUE": "huey.backends.rabbitmq_backend.Queue"}, "of which there is nothing here"),
    ],
    ids=["instance", "path", "kind"],
)
def test_a_huey_config_that_cannot_be_is_told(given, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        read(HUEY_CONFIG=given)


def parsed(consumer, *arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--verbosity", type=int, default=1)
    options.add_arguments(parser, consumer)
    return options.as_given(vars(parser.parse_args(arguments)))


def test_settings_are_the_defaults_of_the_command_line():
    settings_of_consumer = {
        "workers": 4,
        "periodic": False,
        "check_worker_health": False,
        "extra_locks": ["a", "b"],
        "shutdown_timeout": None,
        "processes": 2,
        "loglevel": "DEBUG",
    }
    given = parsed(settings_of_consumer)
    assert (given.workers, given.processes, given.verbose) == (4, 2, True)
    chosen = options.consumer_options(given)
    assert (chosen["periodic"], chosen["check_worker_health"]) == (False, False)
    assert (chosen["extra_locks"], chosen["shutdown_timeout"]) == (["a", "b"], None)
    given = parsed(settings_of_consumer, "-w", "9", "-p", "--processes", "auto")
    assert (given.workers, given.processes) == (9, "auto")
    assert options.consumer_options(given)["periodic"] is True


@pytest.mark.parametrize(
    ("arguments", "verbose", "quiet"),
    [
        ([], False, False),
        (["-v", "2"], True, False),
        (["-v", "0"], False, True),
        (["-V"], True, False),
        (["--huey-verbose"], True, False),
        (["-q"], False, True),
    ],
    ids=str,
)
def test_verbosity_is_djangos_or_the_consumers(arguments, verbose, quiet):
    given = parsed({}, *arguments)
    assert (given.verbose, given.quiet) == (verbose, quiet)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-w", "9", "-n", "-C", "-f", "-L", "a,b", "-M", "5", "--lease", "7.5", "-g", "TERM"],
        ["-l", "huey.log", "-V", "-S", "-o", "--preload", "--processes", "auto", "-t", "inf"],
    ],
    ids=str,
)
def test_what_was_parsed_can_be_told_to_another_process(arguments):
    given = parsed({}, *arguments)
    again = options.as_arguments(given)
    assert options.consumer_options(parsed({}, *again)) == options.consumer_options(given)
    assert options.as_arguments(parsed({}, *again)) == again


def test_an_unknown_option_of_the_consumer_is_refused_with_those_there_are():
    with pytest.raises(ImproperlyConfigured, match=r"'worker'; there are .*workers"):
        parsed({"worker": 4})
