# SPDX-License-Identifier: MIT
"""What may stand in a message, on its way in and on its way out."""

import pickle

import pytest

from huey_green import InvalidArgument, MemoryHuey, Serializer
from huey_green.exceptions import MessageRefused, SerializationError, UnreadableMessage
from huey_green.limits import CHORD_DEPTH, DEEPEST, MOST_TASKS
from huey_green.message import Joined, Message, Options, Place
from huey_green.serializer import JSONSerializer
from huey_green.wire import VERSION, decode_message, encode_message

PICKLE = Serializer()
HUGE = 10**400
NAN, INFINITE = float("nan"), float("inf")

FIELDS = ("format", "id", "name", "args", "kwargs", "eta", "retries", "retry_delay", "priority")
GOOD = (VERSION, "id", "name", (), {}, None, 0, 0, None, None, None)
CALLBACK = GOOD

BAD_FIELDS = {
    "id": [None, 5, "", "a\nb", "a\0b", "\ud800", "x" * 1001, b"id", ("id",)],
    "name": [None, 5, "", "a\x1b[31m", "\u2028", "x" * 1_000_000, b"name"],
    "args": [None, 5, "text", {}, {1, 2}],
    "kwargs": [None, [], "text", {1: 2}, {None: 1}, {b"k": 1}],
    "eta": ["soon", NAN, INFINITE, -INFINITE, 1e300, HUGE, (), 1j],
    "retries": ["many", None, -1, 1.5, NAN, HUGE, 2**63],
    "retry_delay": ["long", None, -1, NAN, INFINITE, HUGE, 1e11],
    "priority": ["high", NAN, INFINITE, -INFINITE, HUGE, -HUGE, 2**63, [1]],
}
BAD_OPTIONS = {
    "expires_at": [NAN, INFINITE, "late", HUGE],
    "expires": [-1, NAN, INFINITE, "late", HUGE],
    "timeout": [-1, NAN, INFINITE, "long", HUGE],
    "retry_backoff": [-1, NAN, INFINITE, "x", HUGE],
    "chord": [
        *(5, "four", (), ("c", 0, 1), ("c", 0, 1, CALLBACK, 1), ("c", 0, 1, None)),
        *(("c", 0, 1, 5), (5, 0, 1, CALLBACK), ("a\nb", 0, 1, CALLBACK), ("", 0, 1, CALLBACK)),
        *(("c", 1, 1, CALLBACK), ("c", -1, 1, CALLBACK), ("c", 0, 0, CALLBACK)),
        *(("c", 0, 10**9, CALLBACK), ("c", 0, HUGE, CALLBACK), ("c", 0.5, 2, CALLBACK)),
        *(("c", NAN, 2, CALLBACK), ("c", 0, "2", CALLBACK)),
    ],
    "joins": [5, (), ("c",), ("c", 1, 2), ("c", 10**9), ("c", -1), ("c", "1"), (5, 1), ("c", HUGE)],
    "claim": [5, "", "\ud800", "x" * 100_001, b"claim"],
    "progress": [5, "yes", None],
}


def said_of(plain):
    with pytest.raises(UnreadableMessage) as caught:
        decode_message(PICKLE, pickle.dumps(plain))
    return str(caught.value)


def ids_of(table):
    return [f"{name}-{number}" for name, values in table.items() for number in range(len(values))]


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, value) for name, values in BAD_FIELDS.items() for value in values],
    ids=ids_of(BAD_FIELDS),
)
def test_a_field_that_is_wrong_is_refused_with_its_name_and_nothing_long(field, value):
    plain = list(GOOD)
    plain[FIELDS.index(field)] = value
    said = said_of(tuple(plain))
    assert field in said
    assert len(said) < 300
    assert said.isprintable()


@pytest.mark.parametrize(
    ("option", "value"),
    [(name, value) for name, values in BAD_OPTIONS.items() for value in values],
    ids=ids_of(BAD_OPTIONS),
)
def test_an_option_that_is_wrong_is_refused(option, value):
    said = said_of((*GOOD, {option: value}))
    assert len(said) < 300
    assert said.isprintable()
    assert "cannot be deserialized" not in said, "it was not looked at before it was used"


@pytest.mark.parametrize("options", [5, "options", [], [("timeout", 5)]])
def test_options_that_are_no_dict_are_refused(options):
    assert "options" in said_of((*GOOD, options))


def test_an_option_of_a_later_version_is_let_be():
    message = decode_message(PICKLE, pickle.dumps((*GOOD, {"timeout": 5, "colour": "blue"})))
    assert message.options == Options(timeout=5)


@pytest.mark.parametrize("length", [0, 1, 5, 10, 13, 1000])
def test_another_number_of_fields_is_refused_with_that_number(length):
    said = said_of(((VERSION,) + (None,) * (length - 1))[:length])
    assert "is not a message of huey_green" in said
    assert length == 0 or str(length) in said


@pytest.mark.parametrize(
    "message",
    [
        *(Message("a\nb", "n"), Message("", "n"), Message("x" * 1001, "n"), Message("i", "a\nb")),
        *(Message("i", "n", retries=-1), Message("i", "n", retries=HUGE)),
        *(Message("i", "n", priority=NAN), Message("i", "n", eta=INFINITE)),
        *(Message("i", "n", retry_delay=-1), Message("i", "n", kwargs={1: 2})),
        Message("i", "n", options=Options(timeout=NAN)),
        Message("i", "n", options=Options(joins=Joined("c", 10**9))),
        Message("i", "n", options=Options(chord=Place("c", 5, 2, Message("i", "n")))),
        Message("i", "n", on_complete=Message("i", "n", on_error=Message("\0", "n"))),
    ],
    ids=str,
)
def test_what_no_consumer_would_read_is_not_written(message):
    with pytest.raises(MessageRefused) as caught:
        encode_message(PICKLE, message)
    assert isinstance(caught.value, InvalidArgument)
    assert isinstance(caught.value, SerializationError)


def test_a_task_with_an_absurd_field_is_refused_at_the_call():
    huey = MemoryHuey()

    @huey.task()
    def work():
        return 1

    task = work.s()
    task.priority = NAN
    with pytest.raises(InvalidArgument, match=r"work.* has the priority nan"):
        huey.enqueue(task)
    assert len(huey) == 0


class Number(float):
    """A number of another library: numpy has such."""

    def __repr__(self):
        return f"Number({float(self)})"


def test_numbers_of_other_kinds_come_back_as_numbers_that_every_storage_takes():
    sent = Message("i", "n", eta=Number(5), retry_delay=Number(1.5), priority=Number(2))
    found = decode_message(PICKLE, encode_message(PICKLE, sent))
    assert [type(one) for one in (found.eta, found.retry_delay, found.priority)] == [float] * 3


def test_true_and_false_in_the_place_of_numbers_are_the_numbers_that_they_are():
    # Redis clients refuse them as arguments: a settlement could never be carried out.
    options = {"chord": ("c", False, True, CALLBACK), "joins": ("c", True)}
    decoded = decode_message(PICKLE, pickle.dumps((*GOOD, options))).options
    numbers = (decoded.chord.position, decoded.chord.size, decoded.joins.size)
    assert [(type(one), one) for one in numbers] == [(int, 0), (int, 1), (int, 1)]


# How many.


def chain(length, kind="on_complete"):
    message = None
    for number in range(length):
        message = Message(f"i{number}", "n")._replace(**{kind: message})
    return message


@pytest.mark.parametrize("serializer", [PICKLE, JSONSerializer()], ids=["pickle", "json"])
@pytest.mark.parametrize("kind", ["on_complete", "on_error"])
def test_as_many_as_may_follow_one_another_come_through(serializer, kind):
    sent = chain(DEEPEST, kind)
    assert decode_message(serializer, encode_message(serializer, sent)) == sent


@pytest.mark.parametrize("length", [DEEPEST + 1, 5000, 100_000])
def test_one_more_is_refused_when_it_is_written(length):
    with pytest.raises(MessageRefused, match=f"brings more than {DEEPEST} tasks"):
        encode_message(PICKLE, chain(length))


@pytest.mark.parametrize("length", [DEEPEST + 1, 5000, 100_000])
def test_one_more_is_refused_when_it_is_read(length):
    with pytest.raises(UnreadableMessage, match=f"brings more than {DEEPEST} tasks"):
        decode_message(PICKLE, nested_pickle(length))


def nested_pickle(length):
    """Return such a chain as pickle would write it if it did not recurse."""
    return begun(GOOD[:-2]) * length + b"N" + b"Nt" * length + b"."


def begun(values):
    """Return the pickle of a tuple that begins with these values, without its end."""
    codes = {None: b"N", 0: b"K\x00", (): b")"}
    parts = [b"("]
    for value in values:
        if isinstance(value, str):
            parts.append(b"\x8c" + bytes([len(value)]) + value.encode())
        else:
            parts.append(b"}" if value == {} else codes[value])
    return b"".join(parts)


def test_what_stands_in_a_message_many_times_over_is_counted_each_time():
    # Thirty tuples, each of which has the next one twice: a billion messages.
    plain = GOOD
    for _ in range(30):
        plain = (*GOOD[:-2], plain, plain)
    assert len(pickle.dumps(plain)) < 2000
    assert f"{MOST_TASKS} in all" in said_of(plain)
    message = Message("i", "n")
    for _ in range(30):
        message = message._replace(on_complete=message, on_error=message)
    with pytest.raises(MessageRefused, match=f"{MOST_TASKS} in all"):
        encode_message(PICKLE, message)


def test_callbacks_in_callbacks_count_like_steps(deep_stack):
    plain = GOOD
    for _ in range(DEEPEST // CHORD_DEPTH + 1):
        plain = (*GOOD, {"chord": ("c", 0, 1, plain)})
    with deep_stack:
        body = pickle.dumps(plain)
    with pytest.raises(UnreadableMessage, match=f"brings more than {DEEPEST} tasks"):
        decode_message(PICKLE, body)


def test_chords_in_chords_come_through_as_long_as_they_are_no_more_than_that():
    sent = Message("i", "n")
    for _ in range((DEEPEST - 1) // CHORD_DEPTH):
        sent = Message("i", "n", options=Options(chord=Place("c", 0, 1, sent)))
    assert decode_message(PICKLE, encode_message(PICKLE, sent)) == sent
