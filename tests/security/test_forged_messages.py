# SPDX-License-Identifier: MIT
"""What others put into a queue, before a real consumer: it is buried unread, and the rest runs."""

from __future__ import annotations

import gzip
import pickle

import pytest

from huey_green import (
    JSONSerializer,
    MemoryHuey,
    PriorityRedisHuey,
    RedisHuey,
    SignedSerializer,
    chord,
)
from huey_green.exceptions import UnreadableMessage
from huey_green.serializer import BadSignature, Serializer
from huey_green.testing.concurrency import eventually

exploded = []


def explode(*where):
    exploded.append(where)


class Bomb:
    """Pickled by somebody who wants to run code where it is unpickled."""

    def __reduce__(self):
        return explode, ("unpickled",)


class SignedJSON(SignedSerializer, JSONSerializer):
    """Both at once."""


@pytest.fixture(autouse=True)
def no_explosion():
    exploded.clear()
    yield
    assert exploded == []


@pytest.fixture(params=["memory", "list", "zset"])
def make(request):
    """A function that makes a Huey; those of one name share their storage."""
    made = []
    stores = {}

    def make(name, **options):
        if request.param == "memory":
            huey = MemoryHuey(name, **options)
            huey.storage = stores.setdefault(name, huey.storage)
        else:
            server = request.getfixturevalue("redis_server")
            kind = {"list": RedisHuey, "zset": PriorityRedisHuey}[request.param]
            huey = kind(name, url=server.url, **options)
        made.append(huey)
        return huey

    yield make
    for huey in made:
        huey.flush()
        huey.storage.close()


def with_a_task(huey):
    """Return a Huey's task, the same by name in each, and what it has been called with."""
    if not hasattr(huey, "noting"):
        ran = []

        @huey.task()
        def note(value):
            ran.append(value)
            return value

        huey.noting = note, ran
    return huey.noting


def message_of(huey, value):
    """Return the message of a task as this Huey would enqueue it."""
    note, _ = with_a_task(huey)
    return huey.serialize_task(note.s(value))


def reasons_after(huey, consume, bodies):
    """Put messages in the queue, and one honest task; return why each was buried, in order."""
    note, ran = with_a_task(huey)
    for body in bodies:
        huey.storage.enqueue(body)
    note("honest")
    assert [task.args for task in huey.pending()] == [("honest",)]
    consume(huey)
    eventually(lambda: ran and len(huey.dead_letters()) == len(bodies), "all to be dealt with")
    assert ran == ["honest"]
    assert huey.pending_count() == 0
    letters = {letter.body: letter.reason for letter in huey.dead_letters()}
    return [letters[body] for body in bodies]


def altered(body, at):
    changed = bytearray(body)
    changed[at] ^= 1
    return bytes(changed)


def test_a_signed_queue_buries_what_it_has_not_signed_itself(make, name, consume):
    huey = make(name, serializer=SignedSerializer("secret"))
    theirs = make(f"{name}other", serializer=SignedSerializer("secret"))
    guessed = make(name, serializer=SignedSerializer("guessed"))
    genuine = message_of(huey, "replayed elsewhere")
    reasons = reasons_after(
        huey,
        consume,
        [
            message_of(make(name), Bomb()),
            pickle.dumps(Bomb()),
            gzip.compress(pickle.dumps(Bomb())),
            message_of(make(name, serializer=JSONSerializer()), "plain"),
            b"",
            message_of(guessed, Bomb()),
            altered(genuine, 0),
            altered(genuine, 10),
            altered(genuine, -1),
            genuine[:-1],
            message_of(theirs, Bomb()),
        ],
    )
    assert all("BadSignature" in reason for reason in reasons)
    unsigned, changed = "is not signed", "or was changed afterwards"
    assert [reason for reason in reasons[:5] if unsigned not in reason] == []
    assert changed in reasons[5]
    assert unsigned in reasons[6]
    assert [reason for reason in reasons[7:10] if changed not in reason] == []
    assert f"is signed for the queue '{name}other', and not for the queue '{name}'" in reasons[10]


def test_a_json_queue_buries_what_is_not_json(make, name, consume):
    huey = make(name, serializer=JSONSerializer())
    reasons = reasons_after(
        huey,
        consume,
        [
            message_of(make(name), Bomb()),
            message_of(make(name, serializer=SignedJSON("secret")), "signed"),
            message_of(make(name, serializer=Serializer(compression=True)), "compressed"),
            b"[1, 2",
            b"[" * 100_000,
            b'{"$tuple": 5}',
            b"{}",
        ],
    )
    assert "is not JSON but a pickle" in reasons[0]
    assert "is not JSON but signed by a SignedSerializer" in reasons[1]
    assert "is not JSON but compressed" in reasons[2]
    assert "is not JSON (" in reasons[3]
    assert "RecursionError" in reasons[4]
    assert "cannot be deserialized" in reasons[5]
    assert "is not a message of huey_green" in reasons[6]


def test_a_queue_of_signed_json_buries_json_and_pickles(make, name, consume):
    huey = make(name, serializer=SignedJSON("secret"))
    pickled = make(name, serializer=SignedSerializer("secret"))
    reasons = reasons_after(
        huey,
        consume,
        [
            message_of(make(name, serializer=JSONSerializer()), "plain"),
            message_of(make(name), Bomb()),
            message_of(pickled, Bomb()),
        ],
    )
    assert "is not signed" in reasons[0]
    assert "is not signed" in reasons[1]
    assert "is not JSON but a pickle" in reasons[2]


def test_the_next_step_a_retry_and_a_chord_are_signed_for_the_queue_too(make, name, consume):
    huey = make(name, serializer=SignedSerializer("secret"), store_intermediate_errors=False)
    add, tries = _tasks_of(huey)
    consume(huey)
    chained = huey.enqueue(add.s(1, 2).then(add, 3))
    assert chained.get(blocking=True, timeout=30) == [3, 6]
    assert tries.once(5).get(blocking=True, timeout=30) == 5
    joined = huey.enqueue(chord([add.s(1, 1), add.s(2, 2)], tries.total))
    assert joined.get(blocking=True, timeout=30) == 6
    later = add.schedule((4, 5), delay=0.05)
    assert later.get(blocking=True, timeout=30) == 9
    assert huey.dead_letters() == []


def _tasks_of(huey):
    class Tries:
        left = 1

    @huey.task()
    def add(a, b):
        return a + b

    @huey.task(retries=1)
    def once(value):
        if Tries.left:
            Tries.left -= 1
            raise ValueError("not yet")
        return value

    @huey.task()
    def total(values):
        return sum(values)

    Tries.once, Tries.total = once, total
    return add, Tries


def test_a_forged_result_is_refused_where_it_is_read(make, name, consume):
    huey = make(name, serializer=SignedSerializer("secret"))
    theirs = make(f"{name}other", serializer=SignedSerializer("secret"))
    note, _ = with_a_task(huey)
    for forged, why in [
        (pickle.dumps(Bomb()), "is not signed"),
        (SignedSerializer("guessed").bound_to(name).serialize(Bomb()), "another secret"),
        (theirs.serializer.serialize(Bomb()), "is signed for the queue"),
    ]:
        result = note("value")
        huey.storage.put_data(result.id, forged, is_result=True)
        with pytest.raises(BadSignature, match=why):
            result()
        huey.storage.put_data("key", forged)
        with pytest.raises(BadSignature, match=why):
            huey.get("key")


def test_a_forged_revocation_buries_the_task_that_it_is_about(make, name, consume):
    huey = make(name, serializer=SignedSerializer("secret"))
    note, ran = with_a_task(huey)
    first = note("marked by others")
    first.revoke()
    [mark] = huey.all_results()
    huey.storage.put_revocation(mark, pickle.dumps(Bomb()))
    note("after it")
    consume(huey)
    eventually(lambda: ran and huey.dead_letters(), "both to be dealt with")
    assert ran == ["after it"]
    [letter] = huey.dead_letters()
    assert "is not signed" in letter.reason


def test_forged_progress_is_refused_where_it_is_read(make, name):
    huey = make(name, serializer=SignedSerializer("secret"))
    note, _ = with_a_task(huey)
    result = note("far")
    huey.storage.put_progress(result.id, pickle.dumps(Bomb()))
    with pytest.raises(BadSignature, match="is not signed"):
        result.progress()


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_value_that_others_composed_cannot_be_enqueued_as_a_message(make, name, consume, kind):
    huey = make(name, serializer=SignedJSON("secret"))
    note, ran = with_a_task(huey)

    @huey.task()
    def echo(value):
        return value

    composed = kind(SignedJSON("secret").bound_to(name).deserialize(message_of(huey, "forged")))
    consumer = consume(huey)
    result = echo(composed)
    assert result.get(blocking=True, timeout=30, preserve=True) == composed
    assert type(result.get(preserve=True)) is kind
    huey.storage.enqueue(huey.all_results()[result.id])
    [letter] = eventually(huey.dead_letters, "a dead letter")
    assert "is not a message" in letter.reason
    assert ran == []
    consumer.stop()
    note("genuine")
    [message] = huey.storage.enqueued_items()
    huey.storage.put_data(result.id, message, is_result=True)
    with pytest.raises(UnreadableMessage, match="is a message"):
        huey.result(result.id)
