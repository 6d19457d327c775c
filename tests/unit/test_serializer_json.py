# SPDX-License-Identifier: MIT
import json
import sys
from collections import OrderedDict, namedtuple
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green.exceptions import SerializationError
from huey_green.message import Message
from huey_green.serializer import JSONSerializer
from huey_green.wire import Error, decode_message, decode_value, encode_message, encode_value

JSON = JSONSerializer()

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
)
# Every kind of key that the mark of a tuple could be mistaken for.
KEYS = st.text() | st.from_regex(r"\A\$*tuple\Z") | st.just("__tuple__")
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(st.just("$tuple"), inner)
    ),
)


def kinds(value):
    """Return the types in a value, in its own shape."""
    if isinstance(value, dict):
        return {key: kinds(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [kinds(one) for one in value]
    return type(value)


@given(PLAIN)
def test_what_is_carried_comes_back_equal_and_of_the_same_types(value):
    back = JSON.deserialize(JSON.serialize(value))
    assert back == value
    assert kinds(back) == kinds(value)


@given(st.lists(st.integers(0xD800, 0xDFFF)).map(lambda codes: "".join(map(chr, codes))))
def test_halves_of_surrogate_pairs_come_back_and_are_not_joined(text):
    assert JSON.deserialize(JSON.serialize([text])) == [text]


def test_it_is_json_that_others_can_read():
    value = {"to": "Zoë", "n": [1, 2.5, True, None], "pair": (1, ("a",))}
    assert json.loads(JSON.serialize(value)) == {
        "to": "Zoë",
        "n": [1, 2.5, True, None],
        "pair": {"$tuple": [1, {"$tuple": ["a"]}]},
    }


@pytest.mark.parametrize("depth", range(4))
def test_a_dict_that_looks_like_a_tuple_is_one_dollar_longer(depth):
    value = {f"{'$' * depth}tuple": [1, 2]}
    written = {f"{'$' * (depth + 1)}tuple": [1, 2]} if depth else value
    assert json.loads(JSON.serialize(value)) == written
    assert JSON.deserialize(JSON.serialize(value)) == value


@pytest.mark.parametrize("text", [b'{"$tuple": 1, "a": 2}', b'{"tuple": [1]}', b'{"$": 1}'])
def test_other_dicts_of_other_writers_are_read_as_they_are(text):
    assert JSON.deserialize(text) == json.loads(text)


class Point(namedtuple("Point", "x y")):
    """Would come back as a tuple."""


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (b"bytes", "bytes"),
        ({1, 2}, "a set"),
        (datetime(2024, 1, 1), "a datetime.datetime"),
        (Decimal("1.5"), "a decimal.Decimal"),
        (1j, "a complex"),
        (float("nan"), "the float nan"),
        (float("-inf"), "the float -inf"),
        (object(), "an object"),
        (int, "the class int"),
        (Point(1, 2), "a test_serializer_json.Point"),
        (Colour.RED, "a test_serializer_json.Colour"),
        (OrderedDict(), "a collections.OrderedDict"),
        ({1: 2}, "a dict with the key 1 (an int)"),
        ({None: 2}, "a dict with the key None (a NoneType)"),
        ({"a": 1, ("b",): 2}, "a dict with the key ('b',) (a tuple)"),
        (ValueError("no"), "a ValueError"),
    ],
)
@pytest.mark.parametrize(
    ("wrapped", "where"),
    [
        (lambda value: value, ""),
        (lambda value: [0, value], " at [1]"),
        (lambda value: {"when": {"then": (0, value)}}, " at ['when']['then'][1]"),
        (lambda value: ([], ({"a": 1, "x": [value]},)), " at [1][0]['x'][0]"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_the_path_to_it(value, what, wrapped, where):
    with pytest.raises(SerializationError) as raised:
        JSON.serialize(wrapped(value))
    what = "a bytes" if what == "bytes" else what
    assert str(raised.value).startswith(f"JSON cannot carry {what}{where}: it carries None, bool")


def test_the_first_of_several_is_named():
    with pytest.raises(SerializationError, match=r"a set at \[0\]\['b'\]"):
        JSON.serialize([{"a": 1, "b": set(), "c": b""}, b""])


def test_an_int_that_python_will_not_write_is_refused():
    assert JSON.deserialize(JSON.serialize(10**4000)) == 10**4000
    too_long = 10 ** (sys.get_int_max_str_digits() + 1)
    with pytest.raises(SerializationError, match=r"an int of \d+ bits at \['n'\]"):
        JSON.serialize({"n": too_long})


def test_a_value_that_contains_itself_is_refused():
    circle = []
    circle.append({"again": circle})
    with pytest.raises(SerializationError, match="contains itself"):
        JSON.serialize(circle)


def test_it_can_be_compressed():
    packed = JSONSerializer(compression=True, use_zlib=True)
    value = ["x" * 10_000, (1, 2)]
    assert len(packed.serialize(value)) < 200
    assert packed.deserialize(packed.serialize(value)) == value
    assert packed.deserialize(JSON.serialize(value)) == value


def test_messages_travel():
    last = Message("3", "app.last", (), {}, on_error=Message("4", "app.oops", ((1, 2),)))
    message = Message("1", "app.add", (1, (2, [3])), {"a": {"b": None}}, 1.5, 2, 0.5, -3, last)
    assert decode_message(JSON, encode_message(JSON, message)) == message


def test_long_pipelines_travel():
    message = Message("0", "app.add", (0,))
    for number in range(1, 100):
        message = Message(str(number), "app.add", (number,), on_complete=message)
    assert decode_message(JSON, encode_message(JSON, message)) == message


def test_errors_travel():
    metadata = {"error": "ValueError('no')", "retries": 0, "traceback": "...", "task_id": "1"}
    back = decode_value(JSON, encode_value(JSON, Error(metadata)))
    assert isinstance(back, Error)
    assert back.metadata == metadata


def test_a_message_with_something_else_in_it_is_refused_by_its_argument():
    message = Message("1", "app.send", ({"when": datetime(2024, 1, 1)},))
    with pytest.raises(
        SerializationError, match=r"task app\.send .*args\[0\]\['when'\] is a datet"
    ):
        encode_message(JSON, message)
