# SPDX-License-Identifier: MIT
"""Revoking by a task's name and arguments, and looking at the waiting tasks of one kind."""

import logging
from datetime import datetime, timedelta, timezone

import pytest
from driving import promote, run_all

from huey_green import clock, crontab
from huey_green.exceptions import InvalidArgument, UnknownTask


@pytest.fixture
def ran():
    """What has run, in order."""
    return []


@pytest.fixture
def send(huey, ran):
    """A task with a default and a keyword, which notes that it ran."""

    @huey.task()
    def send(to, text="hello", *, urgent=False):
        ran.append((to, text, urgent))

    return send


def name_of(task):
    return f"{task.func.__module__}.{task.func.__name__}"


@pytest.mark.parametrize("how", ["name", "function", "class", "wrapper"])
def test_calls_with_these_arguments_do_not_run_and_others_do(huey, send, ran, how):
    if how == "wrapper":
        send.revoke(args=("a",))
    else:
        task = {"name": name_of(send), "function": send, "class": send.task_class}[how]
        huey.revoke(task, args=("a",))
    results = [send("a"), send("b"), send("a", "bye"), send("a", urgent=True)]
    assert [one.is_revoked() for one in results] == [True, False, False, False]
    assert not send.is_revoked(), "only some of its calls are"
    run_all(huey)
    assert ran == [("b", "hello", False), ("a", "bye", False), ("a", "hello", True)]
    send("a")
    run_all(huey)
    assert len(ran) == 3, "it holds until it is restored"
    assert send.restore(args=("a",)) is True
    assert send.restore(args=("a",)) is False
    send("a")
    run_all(huey)
    assert ran[3:] == [("a", "hello", False)]


SAME = [
    {"args": ("a",)},
    {"args": ["a"]},
    {"kwargs": {"to": "a"}},
    {"args": ("a", "hello")},
    {"args": ("a",), "kwargs": {"text": "hello"}},
    {"kwargs": {"urgent": False, "text": "hello", "to": "a"}},
    {"args": (), "kwargs": {"to": "a"}},
]


@pytest.mark.parametrize("revoked", SAME)
@pytest.mark.parametrize("restored", SAME[::3])
def test_it_does_not_matter_how_the_same_arguments_are_written(huey, revoked, restored):
    ran = []

    @huey.task()
    def send(to, text="hello", *, urgent=False):
        ran.append(to)

    send.revoke(**revoked)
    for call in SAME:
        send(*call.get("args", ()), **call.get("kwargs", {}))
    run_all(huey)
    assert ran == []
    assert send.restore(**restored) is True
    assert huey.restore(send, **revoked) is False
    send("a")
    run_all(huey)
    assert ran == ["a"]


def test_arguments_of_any_kind_are_told_apart_by_what_they_are(huey):
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)

    values = [
        1,
        "1",
        1.5,
        b"1",
        None,
        True,
        (1, 2),
        {"a": {"b": [1]}},
        {1, 2},
        datetime(2030, 1, 1),
    ]
    for value in values:
        note.revoke(args=(value,))
        note.map([(one,) for one in values])
        run_all(huey)
        assert value not in [one for one in ran if type(one) is type(value)]
        assert len(ran) == len(values) - 1
        ran.clear()
        assert note.restore(args=(value,)) is True
    note.revoke(kwargs={"value": {"x": 1, "y": 2}})
    note({"y": 2, "x": 1})
    run_all(huey)
    assert ran == []


def test_a_task_that_takes_its_own_task_is_revoked_by_the_rest(huey):
    ran = []

    @huey.task(context=True)
    def send(to, task=None):
        ran.append((to, type(task).__name__))

    send.revoke(args=("a",))
    send("a")
    send("b")
    run_all(huey)
    assert ran == [("b", "send")]


def test_a_task_that_has_to_be_given_its_own_is_revoked_however_it_is_written(huey):
    ran = []

    @huey.task(context=True)
    def send(to, text="hello", *, task):
        ran.append(to)

    send.revoke(kwargs={"to": "a"})
    send("a")
    send("a", "hello")
    send("b")
    run_all(huey)
    assert ran == ["b"]


def test_a_function_that_was_not_written_in_python_is_revoked_as_it_is_called(huey):
    ran = []
    append = huey.task()(ran.append)
    append.revoke(args=("a",))
    append("a")
    append("b")
    run_all(huey)
    assert ran == ["b"]


def test_no_arguments_are_arguments_too(huey):
    ran = []

    @huey.task()
    def note(value="default"):
        ran.append(value)

    note.revoke(args=())
    assert not note.is_revoked()
    note()
    note("default")
    note("other")
    run_all(huey)
    assert ran == ["other"]
    assert note.restore(kwargs={}) is True


def test_once_is_for_one_call_of_those(huey, send, ran):
    huey.revoke(name_of(send), revoke_once=True, args=("a",))
    for to in "baab":
        send(to)
    run_all(huey)
    assert [to for to, *_ in ran] == ["b", "a", "b"]
    send.revoke(revoke_once=True, args=("a",))
    send.revoke(revoke_once=True, args=("b",))
    for to in "aabb":
        send(to)
    run_all(huey)
    assert [to for to, *_ in ran[3:]] == ["a", "b"]


@pytest.mark.parametrize("aware", [False, True])
def test_it_ends_by_itself_at_a_moment(huey, send, ran, present, aware):
    until = datetime.fromtimestamp(clock.wall() + 60, timezone.utc if aware else None)
    huey.revoke(name_of(send), until, args=("a",))
    assert send("a").is_revoked()
    run_all(huey)
    assert ran == []
    present.advance(61)
    assert not send("a").is_revoked()
    run_all(huey)
    assert [to for to, *_ in ran] == ["a"]


def test_what_waits_already_does_not_run_either(huey, send, ran, present):
    send("a")
    send.schedule(("a",), delay=60)
    send.schedule(("b",), delay=60)
    huey.revoke(send, args=("a",))
    run_all(huey)
    present.advance(61)
    assert promote(huey) == 2
    run_all(huey)
    assert [to for to, *_ in ran] == ["b"]


def test_a_task_that_exists_is_asked_for_its_own_arguments(huey, send):
    send.revoke(kwargs={"to": "a"})
    assert huey.is_revoked(send.s("a"))
    assert not huey.is_revoked(send.s("b"))
    assert not huey.is_revoked(send)
    later = datetime.now() + timedelta(days=1)
    assert huey.is_revoked(send.s("a"), later)


def test_a_task_without_arguments_and_all_calls_are_two_marks(huey, send, ran):
    send.revoke()
    send.revoke(args=("a",))
    assert send.restore() is True
    send("a")
    send("b")
    run_all(huey)
    assert [to for to, *_ in ran] == ["b"]
    assert send.restore() is False
    assert send.restore(args=("a",)) is True


def test_by_name_all_calls_are_revoked(huey, send, ran):
    huey.revoke(name_of(send))
    assert send.is_revoked()
    assert huey.is_revoked(name_of(send))
    send("a")
    run_all(huey)
    assert ran == []
    assert huey.restore(name_of(send)) is True
    assert not huey.is_revoked(name_of(send))


def test_a_periodic_task_is_revoked_by_name(huey):
    @huey.periodic_task(crontab())
    def tick():
        """Never run here."""

    huey.revoke(name_of(tick))
    assert tick.is_revoked()


def test_a_name_that_is_not_known_is_refused_with_the_nearest(huey, send):
    near = name_of(send).replace("send", "sent")
    for call in (
        lambda: huey.revoke(near),
        lambda: huey.revoke(near, args=("a",)),
        lambda: huey.restore(near),
        lambda: huey.is_revoked(near),
        lambda: huey.pending(task=near),
        lambda: huey.scheduled(task=near),
    ):
        with pytest.raises(UnknownTask) as caught:
            call()
        assert f"task {near} is not registered" in str(caught.value)
        assert f"did you mean {name_of(send)}?" in str(caught.value)
    with pytest.raises(UnknownTask, match="is its module imported"):
        huey.revoke("zzz.qqq")


def test_what_is_no_task_or_no_arguments_is_refused(huey, send):
    for wrong in (5, None, print, b"name"):
        with pytest.raises(InvalidArgument, match="function or a name, not "):
            huey.revoke(wrong, args=("a",))
    with pytest.raises(InvalidArgument, match="args and kwargs go with a task's function or name"):
        huey.revoke(send.s("a"), args=("a",))
    with pytest.raises(InvalidArgument, match="revoke_until is a datetime, not"):
        huey.revoke(send, ("a",))
    with pytest.raises(InvalidArgument, match=r"send\(\).*unexpected keyword argument 'too'"):
        send.revoke(kwargs={"too": "a"})
    with pytest.raises(InvalidArgument, match=r"send\(\).*too many positional arguments"):
        huey.restore(send, args=("a", "hello", False))
    assert not huey.is_revoked(send.s("a"))


# Looking at the tasks of one kind.


@pytest.fixture
def note(huey, ran):
    """A second kind of task."""

    @huey.task()
    def note(value):
        ran.append(value)

    return note


@pytest.mark.parametrize("how", ["name", "function", "class"])
def test_waiting_tasks_are_filtered_by_kind(huey, send, note, how):
    kinds = {
        "name": (name_of(send), name_of(note)),
        "function": (send, note),
        "class": (send.task_class, note.task_class),
    }
    sends, notes = kinds[how]
    for number in range(3):
        send(number)
        note(number)
        send.schedule((number,), delay=60 + number)
        note.schedule((number,), delay=50 - number)
    run = list(huey.pending())
    assert len(run) == 12, "those for later come by the queue"
    run_all(huey)
    assert len(huey.scheduled()) == 6
    assert [task.args for task in huey.scheduled(task=sends)] == [(0,), (1,), (2,)]
    assert [task.args for task in huey.scheduled(task=notes)] == [(2,), (1,), (0,)]
    assert huey.pending(task=sends) == []
    for number in range(3):
        note(number)
        send(number)
    assert [task.args for task in huey.pending(task=sends)] == [(0,), (1,), (2,)]
    assert {type(task) for task in huey.pending(task=notes)} == {note.task_class}
    assert len(huey.pending()) == 6


def test_a_limit_counts_the_tasks_of_that_kind(huey, send, note):
    note.map(range(10))
    for number in range(5):
        send(number)
        note.schedule((number,), delay=10 + number)
        send.schedule((number,), delay=60 + number)
    waiting = huey.pending(limit=2, task=send)
    assert [task.args for task in waiting] == [(0,), (0,)], "one now, one for later"
    run_all(huey)
    note.map(range(10))
    for number in range(5):
        send(number)
    assert [task.args for task in huey.pending(limit=2, task=send)] == [(0,), (1,)]
    assert [task.args for task in huey.pending(2, send)] == [(0,), (1,)]
    assert [task.args for task in huey.scheduled(limit=3, task=send)] == [(0,), (1,), (2,)]
    assert len(huey.pending(limit=100, task=send)) == 5
    assert huey.pending(limit=0, task=send) == []
    assert [task.args for task in huey.pending(limit=2)] == [(0,), (1,)]
    for wrong in (-1, "2", 1.5):
        with pytest.raises(InvalidArgument, match="limit is a whole number from 0"):
            huey.pending(limit=wrong, task=send)


def test_all_that_cannot_be_read_is_left_out_with_one_line_in_the_log(huey, send, caplog):
    @huey.task()
    def gone():
        """Enqueued by a program that is newer than this one."""

    send("a")
    gone()
    send("b")
    huey.storage.enqueue(b"nothing that anybody wrote")
    gone.unregister()
    with caplog.at_level(logging.WARNING, "huey_green"):
        assert [task.args for task in huey.pending(task=send)] == [("a",), ("b",)]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1, lines
    assert "2 waiting messages are left out" in lines[0]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "huey_green"):
        assert len(huey.pending()) == 2
        assert huey.scheduled(task=send) == []
    assert len(caplog.records) == 1


def test_by_hand_all_calls_with_certain_arguments_are_found(huey, send):
    for to in "abab":
        send(to, text="hello")
    found = [task for task in huey.pending(task=send) if task.args == ("a",)]
    assert len(found) == 2
    for task in found:
        huey.revoke(task)
    assert [task.args for task in huey.pending(task=send) if huey.is_revoked(task)] == [("a",)] * 2


def test_in_immediate_mode_a_revoked_call_does_not_run(make_huey):
    huey, ran = make_huey(immediate=True), []

    @huey.task()
    def note(value):
        ran.append(value)

    huey.revoke(name_of(note), args=(1,))
    note(1)
    note(2)
    assert ran == [2]
