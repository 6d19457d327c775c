# SPDX-License-Identifier: MIT
"""What several releases of huey have written, read without any of them; and what it costs us."""

from __future__ import annotations

import base64
import json
import pickle
import pickletools
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from huey_green import JSONSerializer, MemoryHuey, RedisHuey, Serializer, SignedSerializer
from huey_green.exceptions import (
    ConfigurationError,
    MessageRefused,
    TaskException,
    UnreadableMessage,
    UnreadableValue,
)
from huey_green.foreign.pickles import HueyMessage, dumps
from huey_green.foreign.speaking import HueySpeaking, Marks
from huey_green.message import Joined, Message, Options, Place
from huey_green.testing.redis import PrivateRedis
from huey_green.wire import (
    SKIPPED,
    Error,
    decode_message,
    decode_value,
    encode_message,
    encode_value,
)

#: By release: a message with all that it could have, an error, and a chord's member.
SAMPLES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "samples.json").read_text()
)
FOR_HUEY = HueySpeaking(Serializer(), is_huey3=True, utc=True, priorities=True)
FOR_HUEY_2 = HueySpeaking(Serializer(), is_huey3=False, utc=True, priorities=True)


def sample(release: str, what: str) -> bytes:
    return base64.b64decode(SAMPLES[release][what])


def epoch(*moment: int) -> float:
    return datetime(*moment, tzinfo=timezone.utc).timestamp()  # type: ignore[misc]


@pytest.mark.parametrize("release", SAMPLES)
@pytest.mark.parametrize("serializer", [Serializer(), FOR_HUEY])
def test_a_message_of_each_release_is_read(release: str, serializer: Serializer) -> None:
    message = decode_message(serializer, sample(release, "message"))
    assert (message.id, message.name) == ("one", "__main__.add")
    assert (message.args, message.kwargs) == ((1,), {"b": 2})
    assert message.eta == epoch(2030, 1, 1, 12) + 0.5
    assert (message.retries, message.retry_delay, message.priority) == (2, 3, 5)
    assert message.on_complete is not None
    assert message.on_error is not None
    assert (message.on_complete.id, message.on_complete.args) == ("two", (3,))
    assert message.on_error.id == "three"
    assert message.options is not None
    has_expires, has_timeout = release > "2.4", release > "3"
    assert message.options.expires_at == (epoch(2030, 1, 2) if has_expires else None)
    assert message.options.timeout == (30 if has_timeout else None)


@pytest.mark.parametrize("release", [one for one in SAMPLES if "member" in SAMPLES[one]])
def test_a_member_of_a_chord_is_read(release: str) -> None:
    options = decode_message(Serializer(), sample(release, "member")).options
    assert options is not None
    assert options.chord is not None
    assert (options.chord.position, options.chord.size) == (0, 2)
    assert options.chord.callback.id == "cb"


@pytest.mark.parametrize("release", SAMPLES)
def test_an_error_of_each_release_is_read(release: str) -> None:
    found = decode_value(Serializer(), sample(release, "error"))
    assert found == Error({"error": "ValueError('x')", "task_id": "one"})


def test_moments_are_local_time_where_the_huey_has_them_so() -> None:
    local = Serializer()
    local.utc = False
    message = decode_message(local, sample("2.6.0", "message"))
    assert message.eta == datetime(2030, 1, 1, 12, 0, 0, 500000).timestamp()


def test_the_time_before_a_message_in_a_sorted_set_is_passed_over() -> None:
    timed = b"\0\x06\x60\xd6\x57\x8c\x88\x0c" + sample("3.5.4", "message")
    assert decode_message(Serializer(), timed).id == "one"


def test_zeros_are_no_message_however_many_there_are() -> None:
    with pytest.raises(UnreadableMessage, match="cannot be deserialized"):
        decode_message(Serializer(), bytes(100_000))


def test_a_message_that_a_format_made_a_list_is_read() -> None:
    plain = ["id", "shop.add", None, 0, 0, None, [1], {}, None, None, None, "2030-01-01T00:00:00"]
    message = decode_message(JSONSerializer(), json.dumps(plain).encode())
    assert message.args == (1,)
    assert message.options is not None
    assert message.options.expires_at == epoch(2030, 1, 1)


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, "\n", "not printable"),
        (2, datetime.max, "a moment that no datetime"),
        (2, "tomorrow", "no moment"),
        (3, -1, "no whole number"),
        (4, "soon", "no number"),
        (7, {1: 2}, "no string"),
        (8, HueyMessage("more"), "where a message of huey's would follow"),
        (12, "long", "timeout"),
        (13, (1, 2, 3, None, 5), "not of 4 parts"),
        (13, ("c", 1, 5, HueyMessage("id", "n", None, 0, 0, 0, (), {}, None, None)), "no whole"),
    ],
)
def test_fields_of_a_message_of_hueys_are_checked_as_ours_are(
    position: int, value: Any, reason: str
) -> None:
    fields = ["id", "shop.add", None, 0, 0, None, (), {}, None, None, None, None, None, None, 0]
    fields[position] = value
    serializer = Serializer()
    serializer.utc = False
    with pytest.raises(UnreadableMessage, match=reason):
        decode_message(serializer, dumps(HueyMessage(*fields)))


def test_a_pipeline_of_hueys_is_bounded() -> None:
    first = None
    for _ in range(300):
        first = HueyMessage("id", "shop.add", None, 0, 0, None, (), {}, first, None)
    with pytest.raises(UnreadableMessage, match="brings more than 250 tasks"):
        decode_message(Serializer(), dumps(first))


def test_the_longest_pipeline_is_written_for_huey() -> None:
    first = None
    for _ in range(250):
        first = Message("id", "shop.add", on_complete=first)
    assert first is not None
    body = encode_message(FOR_HUEY, first)
    found: Message | None = decode_message(Serializer(), body)
    for _ in range(250):
        assert found is not None
        found = found.on_complete
    assert found is None


def test_one_message_many_times_in_another_is_bounded() -> None:
    one = None
    for _ in range(40):
        one = HueyMessage("id", "shop.add", None, 0, 0, None, (), {}, one, one)
    with pytest.raises(UnreadableMessage, match="brings more than 250 tasks"):
        decode_message(Serializer(), pickle.dumps(one))


@pytest.mark.parametrize("name", ["huey.storage\nRedisStorage", "huey.api\nTask", "huey.x\ny"])
def test_what_huey_has_and_we_have_not_is_named(name: str) -> None:
    with pytest.raises(UnreadableMessage, match="which huey has and huey_green has not"):
        decode_message(Serializer(), b"c" + name.encode() + b"\n.")


def test_hueys_exceptions_are_ours() -> None:
    data = dumps(TaskException({"error": "x"}))
    assert b"huey_green" not in data
    found = Serializer().deserialize(data)
    assert type(found) is TaskException
    assert found.metadata == {"error": "x"}


def test_a_message_is_no_result() -> None:
    with pytest.raises(UnreadableValue, match="is a message"):
        decode_value(Serializer(), sample("3.5.4", "message"))


# What is written for huey.

FULL = Message(
    "id",
    "shop.add",
    (1,),
    {"b": 2},
    epoch(2030, 1, 1),
    3,
    4,
    5,
    Message("next", "shop.add"),
    Message("wrong", "shop.note"),
    Options(epoch(2030, 1, 2), 60, 30.0, 2, Place("chord", 0, 2, Message("last", "shop.sum"))),
)


def test_what_is_written_for_huey_comes_back() -> None:
    following = {"options": Options(by_huey=True)}
    expected = FULL._replace(
        on_complete=FULL.on_complete._replace(**following),  # type: ignore[union-attr]
        on_error=FULL.on_error._replace(**following),  # type: ignore[union-attr]
    )
    assert FULL.options is not None
    assert FULL.options.chord is not None
    callback = FULL.options.chord.callback._replace(
        options=Options(joins=Joined("chord", 2), by_huey=True)
    )
    place = FULL.options.chord._replace(callback=callback)
    expected = expected._replace(options=FULL.options._replace(chord=place, by_huey=True))
    for reader in (Serializer(), FOR_HUEY):
        assert decode_message(reader, encode_message(FOR_HUEY, FULL)) == expected


def test_a_pickle_for_huey_names_nothing_of_ours() -> None:
    plain = Message("id", "shop.add", ([Error({"error": "x"}), SKIPPED],))
    for data in (
        encode_message(FOR_HUEY, plain),
        encode_value(FOR_HUEY, Error({"error": "x"})),
        encode_value(FOR_HUEY, SKIPPED),
    ):
        assert b"huey_green" not in data
        names = {arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str)}
        assert any(name.startswith("huey.") for name in names)


def test_errors_in_arguments_come_back() -> None:
    values = [Error({"error": "x"}), SKIPPED, 3]
    body = encode_message(FOR_HUEY, Message("id", "shop.add", (values,)))
    [[error, skipped, three]] = decode_message(FOR_HUEY, body).args
    assert (error, three) == (Error({"error": "x"}), 3)
    assert skipped is SKIPPED


def test_the_values_of_an_empty_chord_are_an_argument() -> None:
    message = Message("id", "shop.sum", (1,), options=Options(joins=Joined("chord", 0)))
    assert decode_message(FOR_HUEY, encode_message(FOR_HUEY, message)).args == (1, [])


def test_a_storage_without_priorities_is_told_none() -> None:
    serializer = HueySpeaking(Serializer(), is_huey3=True, utc=True, priorities=False)
    assert decode_message(serializer, encode_message(serializer, FULL)).priority is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(timeout=1.0), "timeout"),
        (Options(retry_backoff=2), "retry_backoff"),
        (Options(chord=Place("c", 0, 1, Message("x", "shop.add"))), "chord"),
        (Options(claim="unique:x"), "unique"),
    ],
)
def test_what_huey_2_cannot_carry_is_refused(options: Options, reason: str) -> None:
    with pytest.raises(MessageRefused, match=f"task 'shop.add' .*{reason}"):
        encode_message(FOR_HUEY_2, Message("id", "shop.add", options=options))


def test_a_claim_is_refused_by_huey_3_too() -> None:
    with pytest.raises(MessageRefused, match="unique or debounced"):
        encode_message(FOR_HUEY, Message("id", "shop.add", options=Options(claim="unique:x")))


@pytest.mark.parametrize(
    "options",
    [{"unique": True}, {"debounce": 5}, {"max_concurrency": 2}, {"result_ttl": 60}],
)
def test_a_task_with_options_that_huey_cannot_keep_is_refused(options: dict[str, Any]) -> None:
    huey = RedisHuey("shop", wire="huey")
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))}, which huey does not"):
        huey.task(**options)(print_nothing)


@pytest.mark.parametrize("options", [{"timeout": 5}, {"retry_backoff": 2}])
def test_huey_3_has_timeouts_and_back_off_and_huey_2_has_not(options: dict[str, Any]) -> None:
    RedisHuey("shop", wire="huey").task(**options)(print_nothing)
    with pytest.raises(ConfigurationError, match="which huey 2 does not know"):
        RedisHuey("shop", wire="huey2").task(**options)(print_nothing)


def print_nothing() -> None:
    """The body of a task that is declared and not called."""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"wire": "celery"}, "wire is 'huey'"),
        ({"wire": True}, "wire is 'huey'"),
        ({"wire": "huey", "result_ttl": 60}, "result_ttl with wire"),
    ],
)
def test_a_wire_that_cannot_be_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        RedisHuey("shop", **options)


def test_another_storage_has_no_wire() -> None:
    with pytest.raises(ConfigurationError, match="not for MemoryStorage"):
        MemoryHuey("shop", wire="huey")


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize(
    "mark",
    [(None, False), (None, True), (epoch(2030, 1, 1), False), (None, True, "canceled")],
)
def test_marks_come_back_and_are_hueys_in_between(mark: tuple[Any, ...], utc: bool) -> None:
    marks = Marks(Serializer(), utc)
    data = marks.serialize(mark)
    until, once = pickle.loads(data)
    assert isinstance(until, (datetime, type(None)))
    assert isinstance(once, bool)
    assert marks.deserialize(data) == mark


class PlainJSON(Serializer):
    """A user's own format, as one writes it for huey."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return json.loads(data)


class NoSerializer:
    """A format that is no subclass of anything."""

    def serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def deserialize(self, data: bytes) -> Any:
        return json.loads(data)


@pytest.mark.parametrize("own", [PlainJSON(), NoSerializer()])
def test_a_format_of_ones_own_gets_the_fields_of_hueys_message(own: Any) -> None:
    speaking = HueySpeaking(own, is_huey3=True, utc=True, priorities=True)
    message = Message("id", "shop.add", (1,), {"b": 2}, retries=3, priority=4)
    body = encode_message(speaking, message._replace(on_complete=Message("next", "shop.add")))
    fields = json.loads(body)
    assert fields[:8] == ["id", "shop.add", None, 3, 0, 4, [1], {"b": 2}]
    assert fields[8][0] == "next"
    found = decode_message(speaking, body)
    assert found.on_complete is not None
    assert found._replace(on_complete=None, options=None) == message
    assert json.loads(encode_value(speaking, Error({"error": "x"}))) == [{"error": "x"}]


def test_immediate_mode_needs_no_redis_and_can_be_left() -> None:
    huey = RedisHuey("shop", wire="huey", immediate=True)
    task = huey.task()(sum)
    assert task([1, 2])() == 3
    huey.immediate = False
    assert type(huey.storage).__name__ == "HueyRedisStorage"
    assert type(huey.serializer) is HueySpeaking
    huey.immediate = True
    huey.immediate = False
    assert type(huey.storage).__name__ == "HueyRedisStorage"


@pytest.mark.parametrize("rubbish", [b"\x80rubbish", pickle.dumps(7), pickle.dumps(())])
def test_rubbish_among_what_huey_left_stops_no_consumer(
    redis_server: PrivateRedis, rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    huey = RedisHuey("rubbish", url=redis_server.url)
    task = huey.task(name="one")(sum)
    try:
        huey.storage.put_data(f"rt:{huey.registry.task_to_string(task.task_class)}", rubbish)
        huey.hooks_startup.run()
        assert "not all that huey left could be taken over" in caplog.text
    finally:
        huey.flush()
        huey.storage.close()


# Signed and compressed.

#: Written by huey 3.5.4 with the secret "s3".
SIGNED = b"\x80\x05\x95\t\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.:"
SIGNED += b"76b0c29ef101ea60428b560e4c0f5f9ddddb02c4"


def test_hueys_signature_is_read_and_written_with_the_wire_alone() -> None:
    serializer = SignedSerializer(secret="s3")
    speaking = HueySpeaking(serializer, is_huey3=True, utc=True, priorities=False)
    assert speaking.deserialize(SIGNED) == "hello"
    assert speaking.deserialize(speaking.serialize("hello")) == "hello"
    with pytest.raises(ValueError, match="is not signed"):
        serializer.deserialize(SIGNED)


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (SIGNED.replace(b"hello", b"hallo"), "another secret or salt"),
        (SIGNED[:-1], "is not signed as huey"),
        (SIGNED[:-1] + b"0", "another secret or salt"),
        (b"", "is not signed as huey"),
        (b":" + SIGNED[-40:], "another secret or salt"),
    ],
)
def test_a_forged_signature_of_hueys_is_refused(signed: bytes, reason: str) -> None:
    speaking = HueySpeaking(SignedSerializer(secret="s3"), True, utc=True, priorities=False)
    with pytest.raises(ValueError, match=reason):
        speaking.deserialize(signed)


def test_what_an_earlier_secret_signed_is_read() -> None:
    rotated = SignedSerializer(secret=["new", "s3"])
    speaking = HueySpeaking(rotated, is_huey3=True, utc=True, priorities=False)
    assert speaking.deserialize(SIGNED) == "hello"
    assert (
        HueySpeaking(
            SignedSerializer(secret="new"), is_huey3=True, utc=True, priorities=False
        ).deserialize(speaking.serialize("hello"))
        == "hello"
    )


@pytest.mark.parametrize("use_zlib", [True, False])
def test_a_compressed_message_of_hueys_is_read(use_zlib: bool) -> None:
    compressing = Serializer(compression=True, use_zlib=use_zlib)
    speaking = HueySpeaking(compressing, is_huey3=True, utc=True, priorities=False)
    body = encode_message(speaking, FULL)
    assert decode_message(compressing, body).id == "id"
    assert compressing.deserialize(sample("3.5.4", "error")) == Error(
        {"error": "ValueError('x')", "task_id": "one"}
    )
