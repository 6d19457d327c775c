# SPDX-License-Identifier: MIT
"""Revoking all of a kind by its name; what else there is to certain calls."""

from datetime import datetime, timedelta

import pytest
from driving import NAME, promote, run_all

from huey_green import JSONSerializer

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
