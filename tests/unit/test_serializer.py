# SPDX-License-Identifier: MIT
import gzip
import json
import pickle
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green import ConfigurationError, MemoryHuey, Serializer

PLAIN = Serializer()
GZIP = Serializer(compression=True)
ZLIB = Serializer(compression=True, use_zlib=True)
VALUES = [None, 0, "", "text", b"\x1f\x8b bytes", [1, (2, 3)], {"a": {1, 2}}, "x" * 10_000]


class JSONSerializer(Serializer):
    def _serialize(self, data):
        return json.dumps(data).encode()

    def _deserialize(self, data):
        return json.loads(data)


@pytest.mark.parametrize("serializer", [PLAIN, GZIP, ZLIB], ids=["plain", "gzip", "zlib"])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_comes_back_as_it_was(serializer, value):
    assert serializer.deserialize(serializer.serialize(value)) == value


def test_the_formats_are_what_they_are_called():
    value = "x" * 10_000
    assert pickle.loads(PLAIN.serialize(value)) == value
    assert pickle.loads(gzip.decompress(GZIP.serialize(value))) == value
    assert pickle.loads(zlib.decompress(ZLIB.serialize(value))) == value
    assert len(GZIP.serialize(value)) < 1000 > len(ZLIB.serialize(value))


def test_the_level_says_how_much_to_compress():
    value = list(range(5000))
    least = Serializer(compression=True, compression_level=0).serialize(value)
    most = Serializer(compression=True, compression_level=9).serialize(value)
    assert len(most) < len(least)
    assert GZIP.deserialize(least) == GZIP.deserialize(most) == value


@pytest.mark.parametrize("level", [-1, 10])
def test_a_level_that_does_not_exist_is_refused(level):
    with pytest.raises(ConfigurationError, match="compression_level"):
        Serializer(compression=True, compression_level=level)


@pytest.mark.parametrize("protocol", [0, 2, 4, pickle.HIGHEST_PROTOCOL, -1, None])
def test_the_pickle_protocol_can_be_chosen(protocol):
    value = [1, (2, "three")]
    written = Serializer(pickle_protocol=protocol).serialize(value)
    assert written == pickle.dumps(value, protocol)
    assert PLAIN.deserialize(written) == value


def test_a_protocol_that_this_python_does_not_have_is_refused():
    with pytest.raises(ConfigurationError, match="pickle_protocol is at most"):
        Serializer(pickle_protocol=99)


class Forgetful(Serializer):
    """Made by somebody who does not know of what ``Serializer`` sets up."""

    def __init__(self):
        self.own = True


def test_a_subclass_that_does_not_call_our_init_works():
    assert Forgetful().deserialize(Forgetful().serialize([1])) == [1]
    huey = MemoryHuey(serializer=Forgetful(), compression=True)
    huey.put("key", "x" * 1000)
    assert len(huey.all_results()["key"]) < 100
    assert huey.get("key") == "x" * 1000


@pytest.mark.parametrize("reader", [GZIP, ZLIB], ids=["gzip", "zlib"])
@pytest.mark.parametrize("writer", [PLAIN, GZIP, ZLIB], ids=["plain", "gzip", "zlib"])
@given(value=st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists))
def test_what_was_written_before_compression_was_switched_on_or_changed_is_read(
    reader, writer, value
):
    assert reader.deserialize(writer.serialize(value)) == value


@pytest.mark.parametrize("use_zlib", [False, True])
@given(value=st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_a_format_of_ones_own_is_compressed_like_any_other(use_zlib, value):
    own = JSONSerializer(compression=True, use_zlib=use_zlib)
    data = own.serialize(value)
    unpacked = zlib.decompress(data) if use_zlib else gzip.decompress(data)
    assert json.loads(unpacked) == value
    assert own.deserialize(data) == value
    assert own.deserialize(JSONSerializer().serialize(value)) == value


class FirstByteOfZlib(Serializer):
    """A format whose data may begin as zlib's does."""

    def _serialize(self, data):
        return b"x" + repr(data).encode()

    def _deserialize(self, data):
        return int(data[1:])


def test_a_format_whose_data_looks_compressed_is_read_all_the_same():
    assert FirstByteOfZlib(compression=True).deserialize(FirstByteOfZlib().serialize(7)) == 7


def test_a_huey_that_compresses_does_so_with_the_given_serializer_too():
    given_one = JSONSerializer()
    huey = MemoryHuey(serializer=given_one, compression=True)
    huey.put("key", ["value"])
    assert json.loads(gzip.decompress(huey.all_results()["key"])) == ["value"]
    assert huey.get("key") == ["value"]
    assert not given_one.comp, "what the user made is the user's"
