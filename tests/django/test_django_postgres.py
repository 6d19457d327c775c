# SPDX-License-Identifier: MIT
"""A consumer and a database server: waits let others run, connections are counted by the server."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from django import VERSION

from huey_green.testing.concurrency import eventually

#: A lock that the test holds while tasks wait for it.
KEY = 17


@pytest.fixture
def database(postgres):
    with postgres.database() as described:
        yield described


@pytest.fixture
def server(postgres, database):
    """A connection of the test's own."""
    with postgres.connect(database["NAME"]) as connection:
        yield connection


def count(server, condition="true"):
    [(number,)] = server.execute(
        f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop' AND {condition}"
    ).fetchall()
    return number


WAITS = "wait_event_type = 'Lock' AND wait_event = 'advisory'"


def test_tasks_that_wait_in_the_database_wait_at_once_and_keep_nobody_waiting(
    make_project, database, server
):
    project = make_project(DATABASES={"default": database})
    consumer = project.consume("-w", "100")
    with server.transaction():
        server.execute("SELECT pg_advisory_xact_lock(%s)", [KEY])
        project.enqueue(*[f"with_advisory_lock({KEY})"] * 20)
        eventually(lambda: count(server, WAITS) == 20, "20 tasks that wait in the database", 120)
        [told] = project.call("tell()")
        assert told["pid"] == consumer.pid
    eventually(lambda: count(server) == 0, "no connection left")
    consumer.stop()


@pytest.mark.skipif(find_spec("psycopg2") is None, reason="psycopg2 is not installed")
def test_psycopg2_is_made_to_wait_as_well(make_project, database, server):
    project = make_project(DATABASES={"default": database})
    # Django takes psycopg 3 where there are both.
    (project.directory / "psycopg.py").write_text("raise ImportError('hidden')\n")
    consumer = project.consume("-w", "100")
    assert (
        project.ask("from django.db import connection\nanswer = connection.Database.__name__")
        == "psycopg2"
    )
    with server.transaction():
        server.execute("SELECT pg_advisory_xact_lock(%s)", [KEY])
        project.enqueue(*[f"with_advisory_lock({KEY})"] * 10)
        eventually(lambda: count(server, WAITS) == 10, "10 tasks that wait in the database")
        project.call("tell()")
    eventually(lambda: count(server) == 0, "no connection left")
    consumer.stop()


def test_connections_are_as_many_as_tasks_that_use_one_and_idle_greenlets_hold_none(
    make_project, database, server
):
    project = make_project(DATABASES={"default": {**database, "CONN_MAX_AGE": 600}})
    consumer = project.consume("-w", "500")
    project.enqueue(*["whose_connection()"] * 80, *["wait_for_go()"] * 300)
    consumer.sees(lambda: len(list(project.directory.glob("waits-*"))) == 300, "300 greenlets")
    eventually(lambda: count(server) == 80, "a connection for each task that has asked for one")
    project.touch("go")
    eventually(lambda: count(server) == 0, "no connection left")
    consumer.stop()


@pytest.mark.skipif(VERSION < (5, 1), reason="Django has a pool from 5.1 on")
def test_with_djangos_pool_connections_do_not_depend_on_the_number_of_workers(
    make_project, postgres
):
    with postgres.database(pool={"min_size": 1, "max_size": 4}) as described:
        project = make_project(DATABASES={"default": described})
        consumer = project.consume("-w", "500")
        told = project.call(*["connections_of_server()"] * 200)
        assert max(told) <= 4
        consumer.stop()
        assert "Traceback" not in consumer.said


def test_a_task_that_is_interrupted_in_a_query_leaves_no_connection(make_project, database, server):
    project = make_project(DATABASES={"default": database})
    consumer = project.consume()
    with server.transaction():
        server.execute("SELECT pg_advisory_xact_lock(%s)", [KEY])
        project.ask(
            "from shop.tasks import *\n"
            f"with_advisory_lock.schedule(args=({KEY},), delay=0, timeout=0.3)\n"
            f"with_advisory_lock({KEY})\n"
            "answer = None"
        )
        consumer.says("ran longer than its timeout")
        eventually(lambda: count(server, WAITS) == 2, "both in the server")
        # The server goes on for the first one until it looks whether anybody is there.
        assert project.call("add(1)") == [1]
    eventually(lambda: count(server) == 0, "no connection left")
    consumer.stop()


def test_a_connection_that_the_server_has_ended_is_made_anew_for_the_next_task(
    make_project, database, server
):
    project = make_project(DATABASES={"default": {**database, "CONN_MAX_AGE": None}})
    consumer = project.consume("-w", "1")
    assert project.call("add(1)") == [1]
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'shop'"
    )
    assert project.call("add(2)") == [1]
    consumer.stop()
