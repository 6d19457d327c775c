# SPDX-License-Identifier: MIT
"""How large a message may be: told at the call, and not looked into when it comes all the same."""

import gzip
import tracemalloc
import zlib

import pytest

from huey_green import ConfigurationError, Huey, InvalidArgument, MemoryHuey, Serializer
from huey_green.exceptions import SerializationError, UnreadableMessage
from huey_green.limits import LEAST_MESSAGE_SIZE, LONGEST_TRACEBACK, MAX_MESSAGE_SIZE, expand
from huey_green.message import Delivery, Message
from huey_green.serializer import JSONSerializer, SignedSerializer
from huey_green.wire import decode_message, decode_value, encode_message

LEAST = LEAST_MESSAGE_SIZE
SERIALIZERS = {
    "pickle": Serializer,
    "json": JSONSerializer,
    "gzip": lambda: Serializer(compression=True),
    "zlib": lambda: JSONSerializer(compression=True, use_zlib=True),
    "signed": lambda: SignedSerializer("a secret", compression=True),
}


@pytest.fixture(params=SERIALIZERS)
def huey(request):
    """A queue for small messages, in each way to write them."""
    return MemoryHuey(serializer=SERIALIZERS[request.param](), max_message_size=LEAST)


def declare(huey):
    @huey.task()
    def echo(text, times=1):
        return text * times

    return echo


def test_a_task_that_is_too_large_is_refused_at_the_call_with_its_name_and_size(huey):
    echo = declare(huey)
    with pytest.raises(InvalidArgument, match=r"echo.* 3\d\d,\d\d\d bytes.*max_message_size"):
        echo("x" * 300_000)
    assert len(huey) == 0
    echo("x" * 200_000)
    assert len(huey) == 1


def test_one_too_large_among_many_keeps_all_of_its_batch_from_being_sent(huey):
    echo = declare(huey)
    with pytest.raises(InvalidArgument, match="max_message_size"):
        huey.enqueue_many([echo.s("a"), echo.s("x" * 300_000), echo.s("b")])
    assert len(huey) == 0


def test_one_that_comes_all_the_same_is_a_dead_letter(huey):
    declare(huey)
    body = b"x" * (LEAST + 100_000)
    outcome = huey.executor.run(Delivery(body))
    assert outcome.effects.dead.body == body
    assert "takes 362,144 bytes, more than the 262,144" in outcome.effects.dead.reason


def test_a_result_that_is_too_large_is_the_tasks_error(huey):
    echo = declare(huey)
    outcome = huey.executor.run(Delivery(huey.serialize_task(echo.s("x", 300_000))))
    assert outcome.effects.dead is None
    [(_, stored)] = outcome.effects.results
    said = huey.decode_result(stored).metadata["error"]
    assert "a value of type str" in said
    assert "max_message_size" in said


def test_a_value_that_is_too_large_is_refused(huey):
    with pytest.raises(InvalidArgument, match="a value of type list"):
        huey.put("key", ["x" * 300_000])
    assert huey.get("key") is None


def test_an_error_that_is_very_long_is_stored_without_its_middle(huey):
    @huey.task()
    def fails():
        raise ValueError("x" * 5_000_000)

    outcome = huey.executor.run(Delivery(huey.serialize_task(fails.s())))
    [(_, stored)] = outcome.effects.results
    metadata = huey.decode_result(stored).metadata
    assert "(5,000,014 characters)" in metadata["error"]
    assert len(metadata["traceback"]) <= LONGEST_TRACEBACK
    assert metadata["traceback"].startswith("Traceback")


def test_the_serializer_that_was_given_is_left_as_it_was():
    given = Serializer(compression=True)
    small = MemoryHuey(serializer=given, max_message_size=LEAST)
    assert given.max_size == MAX_MESSAGE_SIZE
    assert small.serializer.max_size == LEAST
    assert MemoryHuey(serializer=given).serializer is given


@pytest.mark.parametrize("size", [0, -1, LEAST - 1, 1e9, "64 MB", None])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ConfigurationError, match="max_message_size is bytes"):
        Huey(max_message_size=size)


class Foreign:
    """A serializer that knows nothing of this package."""

    def serialize(self, value):
        return repr(value).encode()

    def deserialize(self, data):
        return eval(data)


def test_a_serializer_of_a_users_own_is_bounded_too():
    huey = MemoryHuey(serializer=Foreign(), max_message_size=LEAST)
    echo = declare(huey)
    with pytest.raises(InvalidArgument, match="max_message_size"):
        echo("x" * 300_000)
    huey = MemoryHuey(serializer=Foreign())
    with pytest.raises(UnreadableMessage, match="max_message_size"):
        decode_message(huey.serializer, bytes(MAX_MESSAGE_SIZE + 1))


# What is small only as long as it is compressed.


def bomb(megabytes, compress):
    return compress(bytes(megabytes * 1_000_000))


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
def test_what_expands_to_too_much_is_refused_before_it_does(compress):
    body = bomb(200, compress)
    assert len(body) < 300_000
    serializer = Serializer(compression=True)
    serializer.max_size = 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableMessage, match="expands to more than the 1,000,000 bytes"):
            decode_message(serializer, body)
        with pytest.raises(UnreadableMessage, match="expands to more than the 1,000,000 bytes"):
            decode_value(serializer, body)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_many_small_streams_one_after_the_other_are_counted_together():
    stream = gzip.compress(bytes(100_000))
    assert len(expand(stream * 10, 31, 1_000_000)) == 1_000_000
    with pytest.raises(UnreadableMessage, match="expands to more"):
        expand(stream * 11, 31, 1_000_000)


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_what_just_fits_is_expanded(size):
    assert expand(gzip.compress(bytes(size)), 31, 1000) == bytes(size)
    assert expand(gzip.compress(bytes(size)) + bytes(20), 31, 1000) == bytes(size)
    with pytest.raises(zlib.error, match="cut off"):
        expand(gzip.compress(bytes(size))[:-1], 31, 1000)


def test_what_was_written_with_compression_comes_back():
    for make in SERIALIZERS.values():
        serializer = make()
        message = Message("id", "name", ("x" * 100_000,))
        assert decode_message(serializer, encode_message(serializer, message)) == message


def test_arguments_that_are_nested_too_deeply_are_refused_at_the_call(huey):
    echo = declare(huey)
    nested = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(SerializationError, match=r"echo.*args\[0\]\[0\]"):
        echo(nested)
