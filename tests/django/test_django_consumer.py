# SPDX-License-Identifier: MIT
"""``manage.py run_huey`` in a real project: processes, signals, options, databases' connections."""

from __future__ import annotations

import json
import signal

import pytest
from django_project import get
from redis import Redis

from huey_green.testing.concurrency import eventually


def test_a_web_process_has_its_tasks_run_by_the_consumer(project):
    project.consume()
    web = project.serve()
    task_ids = [get(f"{web}/order/{number}") for number in (1, 2, 3)]
    assert len(set(task_ids)) == 3
    confirmed = {str(number): "confirmed" for number in (1, 2, 3)}
    eventually(lambda: json.loads(get(f"{web}/orders")) == confirmed, "orders confirmed")


def test_tasks_of_all_apps_are_found_and_periodic_ones_run(project):
    consumer = project.consume()
    assert (
        project.ask(
            "from mail.tasks import send\nanswer = send('me').get(blocking=True, timeout=20)"
        )
        == "sent to me"
    )
    consumer.says("mail.tasks.nightly")
    consumer.sees(lambda: project.exists("counted"), "a periodic task that queries")
    consumer.stop()


def test_all_is_patched_before_anything_of_django_is_imported(project):
    consumer = project.consume()
    [told] = project.call("tell()")
    assert told["socket"] == "gevent._socket3"
    assert told["local"].startswith("gevent.")
    assert told["sleep"] == "gevent.hub"
    assert told["pid"] == consumer.pid  # It is still what was started.
    first, second = project_connections(project)
    assert first != second
    consumer.stop()
    assert "Warning" not in consumer.said


def project_connections(project):
    """Return which connections two tasks have that run at once."""
    return project.ask(
        "from shop.tasks import *\n"
        "results = [whose_connection(), whose_connection()]\n"
        "while len(list(HERE.glob('asks-*'))) < 2:\n"
        "    time.sleep(0.01)\n"
        "(HERE / 'go').touch()\n"
        "answer = [one.get(blocking=True, timeout=20) for one in results]"
    )


@pytest.mark.parametrize("kind", ["add", "add_plainly", "add_natively"])
def test_no_task_leaves_a_connection_open_and_no_receiver_does(project, kind):
    # It needs one for itself as long as it is open: without that, another test's zero is nothing.
    consumer = project.consume("-w", "20")
    assert sum(project.call(*[f"{kind}({number})" for number in range(40)])) == 40
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 0, "all connections closed")
    consumer.stop()


def test_connections_are_as_many_as_tasks_that_use_one(project):
    consumer = project.consume("-w", "100")
    project.enqueue(*["whose_connection()"] * 7)
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 7, "a connection for each task")
    project.touch("go")
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 0, "none for those that wait")
    consumer.stop()


def test_a_task_that_fails_or_takes_too_long_leaves_no_connection_and_no_transaction(project):
    consumer = project.consume()
    project.enqueue("too_slow()", "fail()", "leave_transaction_open()")
    consumer.says("of its own")
    consumer.says("ran longer than its timeout")
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 0, "all connections closed")
    assert project.call("add(1)") == [1]
    consumer.stop()


def test_while_one_task_holds_the_lock_of_sqlite_others_wait_and_go_on(project):
    consumer = project.consume()
    project.enqueue("wait_in_transaction(1)")
    consumer.sees(lambda: project.exists("locked"), "a transaction")
    # SQLite itself would stop the process for 5 seconds here, and the second task would fail.
    told = project.ask(
        "from shop.tasks import *\n"
        "import time\n"
        "waits = add(1)\n"
        "others = [tell().get(blocking=True, timeout=20)['pid'] for _ in range(20)]\n"
        "waited = not waits.is_ready()\n"
        "(HERE / 'go').touch()\n"
        "answer = len(others), waited, waits.get(blocking=True, timeout=20)"
    )
    assert told == [20, True, 2]
    consumer.stop()


def test_a_task_begins_with_the_language_and_time_zone_of_the_settings(project):
    project.consume("-w", "1")
    told = project.call("activate('de', 'Asia/Tokyo')", "activate('fr', 'Asia/Tokyo')")
    assert told == [["en-us", "UTC"], ["en-us", "UTC"]]


def test_caches_on_redis_leave_no_connection_either(project, redis_server):
    url = redis_server.url.removesuffix("/0") + "/13"
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    project.change_settings(CACHES={"default": cache})

    def connections():
        with Redis.from_url(redis_server.url) as client:
            return sum(one["db"] == "13" for one in client.client_list())

    consumer = project.consume()
    project.enqueue(*["cached(5)"] * 10)
    consumer.sees(lambda: connections() == 10, "a connection for each task")
    project.touch("go")
    consumer.sees(lambda: connections() == 0, "no connection left")
    assert project.call("cached(6)") == [6]
    consumer.stop()


def test_options_come_from_the_settings_and_the_command_line_comes_first(make_project, tmp_path):
    queue = {"huey_class": "huey_green.SqliteHuey", "filename": str(tmp_path / "queue.db")}
    project = make_project(HUEY={**queue, "consumer": {"workers": 7, "periodic": False}})
    consumer = project.consume()
    consumer.says("up to 7 tasks at once")
    consumer.says("(not enqueued here: --no-periodic)")
    consumer.stop()
    project.change_settings(HUEY={**queue, "consumer_options": {"workers": 8}})
    consumer = project.consume("-w", "9", "--localtime")
    consumer.says("up to 9 tasks at once, at least once, local times")
    assert project.call("tell()")[0]["utc"] is False
    consumer.stop()
    assert "(default: 8)" in " ".join(project.manage("run_huey", "--help").split())


def test_mistakes_are_told_in_one_message_and_end_the_command(project):
    said = project.manage("run_huey", "-w", "0", status=2)
    assert "workers (-w/--workers) is at least 1, not 0" in said
    assert "Traceback" not in said
    project.change_settings(HUEY={"immediate": True})
    said = project.manage("run_huey", status=1)
    assert "there is nothing to consume" in said
    assert "Traceback" not in said
    project.change_settings(HUEY={"backend": "rabbit"})
    assert "say 'huey_class': 'huey_green.RedisHuey'" in project.manage("check", status=1)


def test_a_storage_that_is_away_is_told_and_ends_the_command(project):
    project.change_settings(HUEY={"url": "redis://127.0.0.1:1/0"})
    assert "Is it running" in project.manage("run_huey", status=1)


def test_tasks_are_not_looked_for_if_so_wished(project):
    consumer = project.start("manage.py", "run_huey", "--disable-autoload")
    consumer.says("shop.tasks.add")  # The URLs have brought it.
    consumer.stop()
    assert "mail.tasks.send" not in consumer.said


def test_immediate_mode_follows_debug_but_the_consumer_consumes(project):
    project.change_settings(DEBUG=True)
    assert project.ask("from shop.tasks import *\nanswer = HUEY.immediate, add(1)()") == [True, 1]
    consumer = project.start("manage.py", "run_huey")
    consumer.says("DEBUG is on: other processes run their tasks where they are called")
    consumer.says("huey_green 0", 1)
    consumer.sees(lambda: project.exists("counted"), "a periodic task")
    consumer.stop()


def test_with_debug_and_immediate_off_tasks_are_enqueued(project, tmp_path):
    queue = {"huey_class": "huey_green.SqliteHuey", "filename": str(tmp_path / "queue.db")}
    project.change_settings(DEBUG=True, HUEY={**queue, "immediate": False})
    consumer = project.consume()
    assert project.call("add(1)") == [1]
    consumer.stop()


def test_sighup_starts_the_same_process_anew_with_new_code(project):
    consumer = project.consume()
    change(project, "mail/tasks.py", "sent to", "posted to")
    consumer.process.send_signal(signal.SIGHUP)
    consumer.says("huey_green 0", 2)
    sent = "from mail.tasks import send\nanswer = send('me').get(blocking=True, timeout=20)"
    assert project.ask(sent) == "posted to me"
    consumer.stop()


def test_in_development_it_starts_anew_when_code_changes_and_survives_mistakes(project, tmp_path):
    queue = {"huey_class": "huey_green.SqliteHuey", "filename": str(tmp_path / "queue.db")}
    project.change_settings(DEBUG=True, HUEY={**queue, "immediate": False})
    sent = "from mail.tasks import send\nanswer = send('me').get(blocking=True, timeout=20)"
    consumer = project.consume()
    change(project, "mail/tasks.py", "sent to", "posted to")
    consumer.says("huey_green 0", 2)
    assert project.ask(sent) == "posted to me"
    change(project, "mail/tasks.py", "return f", "return return f")
    consumer.says("SyntaxError")
    consumer.says("starts anew when the code has changed")
    change(project, "mail/tasks.py", "return return", "return")
    consumer.says("huey_green 0", 3)
    assert project.ask(sent) == "posted to me"
    consumer.stop()


def test_code_may_change_without_a_new_start_if_so_wished(project):
    project.change_settings(DEBUG=True)
    consumer = project.consume("--noreload")
    command = (project.directory.parent / f"/proc/{consumer.pid}/cmdline").read_text()
    assert "--reload" not in command.split("\0")
    consumer.stop()


def change(project, name, before, after):
    path = project.directory / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["fresh", "preloaded"])
def test_several_processes_share_the_work_and_stop_together(project, preload):
    consumer = project.start("manage.py", "run_huey", "--processes", "2", *preload)
    consumer.sees(lambda: len(project.started_pids()) == 2, "two processes")
    assert consumer.pid not in project.started_pids()
    assert sum(project.call(*["add(1)"] * 3)) > 3
    consumer.stop()
    assert consumer.said.count("consumes") == 1


def test_the_number_of_processes_may_come_from_the_settings(project, tmp_path):
    queue = {"huey_class": "huey_green.SqliteHuey", "filename": str(tmp_path / "queue.db")}
    project.change_settings(HUEY={**queue, "consumer": {"processes": 2, "workers": 3}})
    consumer = project.start("manage.py", "run_huey")
    consumer.sees(lambda: len(project.started_pids()) == 2, "two processes")
    consumer.says("up to 3 tasks at once")
    consumer.stop()


def test_it_may_be_started_as_a_module(project):
    project.environment["DJANGO_SETTINGS_MODULE"] = "settings"
    consumer = project.start("-m", "django", "run_huey", "-w", "3")
    consumer.says("up to 3 tasks at once")
    [told] = project.call("tell()")
    assert (told["pid"], told["flags"]) == (consumer.pid, "settings")
    consumer.stop()


def test_it_may_be_started_from_another_directory(project, tmp_path):
    consumer = project.start(
        "-c",
        f"import os, sys; os.chdir('/'); os.execv(sys.executable, "
        f"[sys.executable, '-W', 'error', '{tmp_path}/manage.py', "
        f"'run_huey'])",
    )
    consumer.says("huey_green 0")
    assert project.call("add(1)") == [1]
    consumer.stop()


def test_a_manage_py_that_patches_by_itself_as_hueys_documents_say_goes_on_working(project):
    change(
        project,
        "manage.py",
        "import os\nimport sys\n",
        "import os\nimport sys\n\nif 'run_huey' in sys.argv:\n"
        "    from gevent import monkey\n\n    monkey.patch_all()\n",
    )
    consumer = project.consume()
    assert project.call("add(1)") == [1]
    consumer.stop()


def test_a_program_that_calls_the_command_unpatched_is_told_what_to_do(project):
    said = project.ask(
        "from django.core.management import CommandError, call_command\n"
        "try:\n    call_command('run_huey')\n"
        "except CommandError as error:\n    answer = str(error)"
    )
    assert "gevent has not patched this process" in said


def test_a_patch_that_comes_too_late_is_no_patch(project):
    said = project.ask(
        "from gevent import monkey\n"
        "import warnings; warnings.simplefilter('ignore'); monkey.patch_all()\n"
        "from django.core.management import CommandError, call_command\n"
        "try:\n    call_command('run_huey')\n"
        "except CommandError as error:\n    answer = str(error)"
    )
    assert "or too late" in said


def test_the_log_goes_where_the_settings_say(project):
    project.change_settings(
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"mine": {"format": "MINE %(name)s %(message)s"}},
            "handlers": {"mine": {"class": "logging.StreamHandler", "formatter": "mine"}},
            "root": {"handlers": ["mine"], "level": "INFO"},
        }
    )
    consumer = project.consume()
    project.call("add(1)")
    consumer.says("MINE huey_green shop.tasks.add")
    consumer.stop()
    assert consumer.said.count("shop.tasks.add: ") == 1


def test_a_consumer_that_is_killed_loses_no_task(project):
    consumer = project.consume()
    project.enqueue("whose_connection()", "whose_connection()")
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 2, "two tasks that run")
    consumer.kill()
    project.touch("go")
    consumer = project.consume()
    consumer.says("shop.tasks.whose_connection", 3)  # The list of tasks has it, too.
    consumer.stop()
