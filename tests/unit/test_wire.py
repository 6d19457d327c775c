# SPDX-License-Identifier: MIT
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green import Serializer
from huey_green.exceptions import SerializationError, UnreadableMessage
from huey_green.message import Message
from huey_green.wire import (
    VERSION,
    Error,
    decode_message,
    decode_value,
    encode_message,
    encode_value,
)

PICKLE = Serializer()


class JSONSerializer(Serializer):
    def _serialize(self, data):
        return json.dumps(data).encode()

    def _deserialize(self, data):
        return json.loads(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1)
single_messages = st.tuples(
    names,
    names,
    st.lists(values, max_size=3).map(tuple),
    st.dictionaries(st.text(), values, max_size=3),
    st.none() | st.floats(0, 4e9),
    st.integers(0, 100),
    st.integers(0, 1000) | st.floats(0, 1000),
    st.none() | st.integers(-9, 9) | st.floats(-9, 9),
).map(lambda fields: Message(*fields))
messages = st.recursive(
    single_messages,
    lambda inner: st.tuples(single_messages, st.none() | inner, st.none() | inner).map(
        lambda three: three[0]._replace(on_complete=three[1], on_error=three[2])
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "serializer",
    [PICKLE, Serializer(compression=True), JSONSerializer()],
    ids=["pickle", "gzip", "json"],
)
@given(message=messages)
def test_a_message_comes_back_as_it_was_with_all_that_follows_it(serializer, message):
    assert decode_message(serializer, encode_message(serializer, message)) == message


@given(body=st.binary())
def test_other_bytes_are_refused(body):
    with pytest.raises(UnreadableMessage):
        decode_message(PICKLE, body)


@given(value=values | st.lists(values, min_size=11, max_size=11).map(tuple))
def test_another_object_is_refused(value):
    with pytest.raises(UnreadableMessage):
        decode_message(PICKLE, PICKLE.serialize(value))


@given(message=messages, data=st.data())
def test_a_message_that_was_cut_off_is_refused(message, data):
    body = encode_message(PICKLE, message)
    end = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(UnreadableMessage):
        decode_message(PICKLE, body[:end])


@pytest.mark.parametrize(
    ("position", "wrong"),
    [
        (0, "hg0"),
        (1, None),
        (1, 5),
        (2, None),
        (3, None),
        (3, 5),
        (4, None),
        (4, []),
        (5, "soon"),
        (6, "many"),
        (6, None),
        (7, "long"),
        (8, "high"),
        (9, "task"),
        (9, ("hg1",)),
        (10, 5),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(position, wrong):
    fields = [VERSION, "id", "name", (), {}, None, 0, 0, None, None, None]
    assert decode_message(PICKLE, PICKLE.serialize(tuple(fields))) == Message("id", "name")
    fields[position] = wrong
    with pytest.raises(UnreadableMessage):
        decode_message(PICKLE, PICKLE.serialize(tuple(fields)))


class Exits:
    """What unpickling meets when it imports a script that ends with sys.exit()."""

    def __reduce__(self):
        return (exec, ("raise SystemExit(3)",))


def test_a_body_that_exits_when_it_is_read_is_refused_like_any_other():
    with pytest.raises(UnreadableMessage, match="SystemExit"):
        decode_message(PICKLE, pickle.dumps(Exits()))


def test_arguments_that_cannot_be_serialized_are_refused_with_the_name_of_the_task():
    with pytest.raises(SerializationError, match=r"app\.send"):
        encode_message(PICKLE, Message("id", "app.send", args=(lambda: None,)))


def test_a_value_that_cannot_be_serialized_is_refused_with_its_type():
    with pytest.raises(SerializationError, match="function"):
        encode_value(PICKLE, lambda: None)


@pytest.mark.parametrize("serializer", [PICKLE, JSONSerializer()], ids=["pickle", "json"])
def test_an_error_is_stored_apart_from_all_values(serializer):
    stored = encode_value(serializer, Error({"error": "ValueError('x')", "retries": 1}))
    found = decode_value(serializer, stored)
    assert isinstance(found, Error)
    assert found.metadata == {"error": "ValueError('x')", "retries": 1}
    assert "ValueError('x')" in repr(found)


@pytest.mark.parametrize("serializer", [PICKLE, JSONSerializer()], ids=["pickle", "json"])
@given(value=values)
def test_a_value_comes_back_as_it_was(serializer, value):
    assert decode_value(serializer, encode_value(serializer, value)) == value
