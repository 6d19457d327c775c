# SPDX-License-Identifier: MIT
"""Revoking by name and by arguments; looking at what waits of one kind."""

from datetime import datetime, timedelta

import pytest
from driving import NAME, promote, run_all

from huey_green import InvalidArgument, JSONSerializer
from huey_green.exceptions import UnknownTask

HOUR = 3600


@pytest.fixture
def ran():
    return []


@pytest.fixture
def mail(huey, ran):
    @huey.task()
    def mail(whom, text="hello"):
        ran.append((whom, text))

    return mail


NAME_OF_MAIL = "test_api_revoke_calls.mail"


def soon(seconds=HOUR):
    """A moment as the documents have it: naive, in local time."""
    return datetime.now() + timedelta(seconds=seconds)


# By name.


@pytest.mark.parametrize("what", ["name", "wrapper", "class"])
def test_all_of_a_kind_are_revoked_and_restored(huey, mail, ran, what):
    kind = {"name": NAME_OF_MAIL, "wrapper": mail, "class": mail.task_class}[what]
    mail("Ada")
    huey.revoke(kind)
    assert huey.is_revoked(kind)
    assert mail.is_revoked()
    mail("Bob")
    run_all(huey)
    assert ran == []
    assert huey.restore(kind) is True
    assert huey.restore(kind) is False
    assert not mail.is_revoked()
    mail("Cleo")
    run_all(huey)
    assert ran == [("Cleo", "hello")]


def test_a_name_that_nobody_has_is_refused(huey, mail):
    for call in (huey.revoke, huey.restore, huey.is_revoked):
        with pytest.raises(UnknownTask, match="nobody"):
            call("nobody.has_it")
    for wrong in (None, 7, "", len, object()):
        with pytest.raises((InvalidArgument, UnknownTask)):
            huey.revoke(wrong)


def test_a_kind_is_revoked_by_name_once_and_until_a_moment(huey, mail, ran, present):
    huey.revoke(NAME_OF_MAIL, revoke_once=True)
    mail("Ada")
    mail("Bob")
    run_all(huey)
    assert ran == [("Bob", "hello")]
    huey.revoke(NAME_OF_MAIL, revoke_until=soon())
    mail("Cleo")
    run_all(huey)
    present.advance(HOUR + 1)
    mail("Dan")
    run_all(huey)
    assert ran == [("Bob", "hello"), ("Dan", "hello")]


# By arguments.


@pytest.mark.parametrize("by", ["name", "wrapper", "method"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"args": ("Eve",)},
        {"kwargs": {"whom": "Eve"}},
        {"args": ["Eve"], "kwargs": {"text": "hello"}},
        {"args": ("Eve", "hello")},
    ],
)
def test_calls_with_certain_arguments_are_revoked_and_restored(huey, mail, ran, by, arguments):
    who = {"name": (NAME_OF_MAIL,), "wrapper": (mail,), "method": ()}[by]
    owner = mail if by == "method" else huey
    mail("Eve")
    owner.revoke(*who, **arguments)
    calls = [mail(whom="Eve"), mail("Eve", text="hello"), mail("Eve", "bye"), mail("Fay")]
    assert [call.is_revoked() for call in calls] == [True, True, False, False]
    assert not mail.is_revoked()
    run_all(huey)
    assert ran == [("Eve", "bye"), ("Fay", "hello")]
    assert owner.restore(*who, **arguments) is True
    assert owner.restore(*who, **arguments) is False
    mail("Eve")
    run_all(huey)
    assert ran[2:] == [("Eve", "hello")]


def test_a_call_without_arguments_is_not_all_calls(huey, ran):
    @huey.task()
    def tick(n=0):
        ran.append(n)

    tick.revoke(args=())
    for n in (0, 1):
        tick(n)
    run_all(huey)
    assert ran == [1]
    assert tick.restore(kwargs={}) is True


def test_scheduled_and_retried_calls_are_revoked_too(huey, ran, present):
    @huey.task(retries=1, retry_delay=HOUR)
    def fails(n):
        ran.append(n)
        raise ValueError

    fails(1)
    fails.schedule((2,), delay=HOUR)
    run_all(huey)
    fails.revoke(args=(1,))
    fails.revoke(args=(2,))
    present.advance(HOUR + 1)
    promote(huey)
    run_all(huey)
    assert ran == [1]


def test_certain_calls_are_revoked_once_and_until_a_moment(huey, mail, ran, present):
    mail.revoke(revoke_once=True, args=("Ada",))
    mail.revoke(revoke_until=soon(), args=("Bob",))
    for whom in ("Ada", "Ada", "Bob"):
        mail(whom)
    run_all(huey)
    assert ran == [("Ada", "hello")]
    present.advance(HOUR + 1)
    mail("Bob")
    run_all(huey)
    assert ran == [("Ada", "hello"), ("Bob", "hello")]


def test_arguments_go_with_a_kind_and_not_with_a_task(huey, mail):
    for call in (huey.revoke, huey.restore):
        with pytest.raises(InvalidArgument, match="args and kwargs"):
            call(mail.s("Eve"), args=("Eve",))


def test_a_revoked_call_makes_room_for_nothing_else(huey, mail, ran):
    mail.revoke(args=("Eve",))
    other = huey.task(name="other")(mail.func)
    other("Eve")
    run_all(huey)
    assert ran == [("Eve", "hello")]


def test_when_all_is_restored_the_store_is_asked_no_more(huey, mail):
    mail.revoke(args=("Eve",))
    huey.storage.fetch(NAME, 0)
    assert huey.storage.has_revocations()
    mail.restore(args=("Eve",))
    huey.storage.fetch(NAME, 0)
    assert not huey.storage.has_revocations()


def test_a_call_of_a_context_task_is_revoked(huey, ran):
    @huey.task(context=True)
    def which(n, task):
        ran.append(n)

    which.revoke(kwargs={"n": 1})
    for n in (1, 2):
        which(n)
    run_all(huey)
    assert ran == [2]


def test_a_call_is_revoked_by_who_writes_json(make_huey):
    huey = make_huey(serializer=JSONSerializer())
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)

    note.revoke(args=(["a", {"b": 1}],))
    note(["a", {"b": 1}])
    note(["a", {"b": 2}])
    run_all(huey)
    assert ran == [["a", {"b": 2}]]


# Looking.


@pytest.fixture
def waiting(huey, mail):
    """Two kinds of tasks in the queue, and two on the schedule."""

    @huey.task()
    def other(n):
        return n

    for n in range(3):
        mail.schedule((f"later {n}",), delay=HOUR + n)
        other.schedule((n,), delay=HOUR + n)
    run_all(huey)
    for n in range(3):
        mail(f"now {n}")
        other(n)
    return other


@pytest.mark.parametrize("what", ["name", "wrapper", "class"])
def test_what_waits_of_one_kind_is_listed(huey, mail, waiting, what):
    kind = {"name": NAME_OF_MAIL, "wrapper": mail, "class": mail.task_class}[what]
    assert [task.args[0] for task in huey.pending(task=kind)] == ["now 0", "now 1", "now 2"]
    assert [task.args[0] for task in huey.scheduled(task=kind)] == [f"later {n}" for n in range(3)]
    assert [task.args for task in huey.pending(2, task=waiting)] == [(0,), (1,)]
    assert [task.args for task in huey.scheduled(limit=1, task=waiting)] == [(0,)]
    assert huey.pending(0, task=kind) == []
    assert len(huey.pending()) == len(huey.scheduled()) == 6
    assert huey.parked(task=kind) == []


def test_of_a_kind_that_nobody_knows_nothing_is_listed(huey, waiting):
    with pytest.raises(UnknownTask):
        huey.pending(task="nobody.has_it")
    with pytest.raises(InvalidArgument):
        huey.scheduled(task=7)
    with pytest.raises(InvalidArgument):
        huey.pending(-1)


def test_what_cannot_be_read_is_left_out(huey, mail, waiting, caplog):
    huey.storage.enqueue(b"no message at all")
    huey.storage.add_to_schedule(b"no message either", soon())
    body = huey.serialize_task(mail.s("Eve")).replace(
        b"test_api_revoke_calls", b"test_api_revoke_never"
    )
    huey.storage.enqueue(body)
    mail("last")
    assert [task.args[0] for task in huey.pending(task=mail)][-1] == "last"
    assert len(huey.pending()) == 7
    assert len(huey.scheduled()) == 6
    assert huey.pending_count() == 9
    assert "left out" in caplog.text
    run_all(huey)
    assert len(huey.dead_letters()) == 2
