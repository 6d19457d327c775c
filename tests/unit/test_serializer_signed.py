# SPDX-License-Identifier: MIT
import base64
import copy
import gzip
import hashlib
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green import ConfigurationError, HueyException, MemoryHuey
from huey_green.exceptions import UnreadableMessage
from huey_green.serializer import BadSignature, JSONSerializer, Serializer, SignedSerializer
from huey_green.wire import decode_message

SIGNED = SignedSerializer("secret")


exploded = []


def explode():
    exploded.append("boom")


class Bomb:
    """Pickled by somebody who wants to run code where it is unpickled."""

    def __reduce__(self):
        return explode, ()


@given(st.recursive(st.none() | st.integers() | st.binary(), st.lists))
def test_what_was_signed_comes_back(value):
    assert SIGNED.deserialize(SIGNED.serialize(value)) == value


@given(st.binary(), st.data())
def test_every_changed_byte_is_noticed(value, data):
    signed = bytearray(SIGNED.serialize(value))
    where = data.draw(st.integers(0, len(signed) - 1))
    signed[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadSignature):
        SIGNED.deserialize(bytes(signed))


@given(st.binary())
def test_no_other_bytes_are_accepted(data):
    with pytest.raises(BadSignature):
        SIGNED.deserialize(data)
    with pytest.raises(BadSignature):
        SIGNED.deserialize(b"hgs1" + data)


@pytest.mark.parametrize("how_much", [0, 1, 3, 4, 20, 35, 36, 38, 40, 41, -1])
def test_a_message_that_was_cut_short_is_refused(how_much):
    with pytest.raises(BadSignature):
        SIGNED.deserialize(SIGNED.serialize([1, 2, 3])[:how_much])


@pytest.mark.parametrize("compression", [False, True])
def test_nothing_is_unpickled_before_the_signature_was_checked(compression):
    forger = SignedSerializer("guessed", compression=compression)
    reader = SignedSerializer("secret", compression=compression)
    plain = Serializer(compression=compression)
    for forged in (plain.serialize(Bomb()), forger.serialize(Bomb()), pickle.dumps(Bomb())):
        with pytest.raises(BadSignature):
            reader.deserialize(forged)
    assert exploded == []
    reader.deserialize(reader.serialize(Bomb()))
    assert exploded.pop() == "boom", "the bomb was real"


def test_nothing_is_decompressed_before_the_signature_was_checked(monkeypatch):
    reader = SignedSerializer("secret", compression=True)
    monkeypatch.setattr("huey_green.serializer.gzip.decompress", None)
    with pytest.raises(BadSignature):
        reader.deserialize(Serializer(compression=True).serialize("x" * 1000))


def test_the_error_is_a_value_error_and_says_which_of_two_things_it_is():
    assert issubclass(BadSignature, ValueError)
    assert issubclass(BadSignature, HueyException)
    with pytest.raises(ValueError, match="is not signed"):
        SIGNED.deserialize(Serializer().serialize(1))
    with pytest.raises(ValueError, match="another secret, salt or digest, or was changed"):
        SIGNED.deserialize(SignedSerializer("other").serialize(1))


def test_secret_and_salt_and_digest_all_count():
    written = SIGNED.serialize("value")
    for other in (
        SignedSerializer("secret", "other"),
        SignedSerializer("Secret"),
        SignedSerializer("secret", digest="sha3_256"),
        SignedSerializer("secret", digest="sha512"),
        SignedSerializer("secrethuey", salt="y"),
    ):
        with pytest.raises(BadSignature):
            other.deserialize(written)
    assert SignedSerializer(b"secret", b"huey").deserialize(written) == "value"


NAMES = ["shop", "shop-1", "Shop", "", "sh", "op", "naïve", "\udc80", "x" * 70_000, "\0", "a\nb"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_is_signed_for_one_queue_is_refused_in_every_other(name):
    here = SIGNED.bound_to(name)
    written = here.serialize(["value"])
    assert here.deserialize(written) == ["value"]
    assert here.bound_to(name).deserialize(written) == ["value"]
    others = [SIGNED, *(here.bound_to(other) for other in NAMES if other != name)]
    for other in others:
        with pytest.raises(BadSignature, match="is signed for the queue"):
            other.deserialize(written)
        with pytest.raises(BadSignature, match="and not for the queue"):
            here.deserialize(other.serialize(["value"]))


@given(st.text(), st.text(), st.binary(), st.binary())
def test_a_name_cannot_be_moved_into_the_message_nor_back(name, other, value, more):
    first = SignedSerializer("secret").bound_to(name)
    second = SignedSerializer("secret").bound_to(other)
    if name != other:
        with pytest.raises(BadSignature):
            second.deserialize(first.serialize(value + more))


def test_a_refusal_names_both_queues_and_no_more_of_a_long_name_than_is_read():
    written = SIGNED.bound_to("orders").serialize(1)
    with pytest.raises(BadSignature, match="for the queue 'orders', and not for the queue 'mails'"):
        SIGNED.bound_to("mails").deserialize(written)
    with pytest.raises(BadSignature, match="for the queue 'orders', and not for no queue"):
        SIGNED.deserialize(written)
    with pytest.raises(BadSignature) as caught:
        SIGNED.bound_to("mails").deserialize(SIGNED.bound_to("x" * 10_000).serialize(1))
    assert len(str(caught.value)) < 300


def test_one_object_given_to_two_hueys_signs_for_each_of_them():
    orders = MemoryHuey("orders", serializer=SIGNED)
    mails = MemoryHuey("mails", serializer=SIGNED, compression=True)
    task = orders.task(name="note")(print)
    other = mails.task(name="note")(print)
    assert orders.deserialize_task(orders.serialize_task(task.s(1))).args == (1,)
    assert mails.deserialize_task(mails.serialize_task(other.s(2))).args == (2,)
    assert gzip.decompress(mails.serialize_task(other.s(3)).partition(b"mails")[2])
    for one, another, wanted in ((orders, mails, other), (mails, orders, task)):
        with pytest.raises(UnreadableMessage, match="is signed for the queue"):
            one.deserialize_task(another.serialize_task(wanted.s(4)))
    assert SIGNED.deserialize(SIGNED.serialize(5)) == 5, "what was given is as it was"


@pytest.mark.parametrize("bound", [SIGNED, SIGNED.bound_to("orders")])
def test_a_signed_serializer_can_be_pickled_and_copied(bound):
    for other in (pickle.loads(pickle.dumps(bound)), copy.copy(bound), copy.deepcopy(bound)):
        assert other.deserialize(bound.serialize("there")) == "there"
        assert bound.deserialize(other.serialize("back")) == "back"


class NoSerializerOfOurs:
    """What is needed of one, and no more."""

    def serialize(self, data):
        return json.dumps(data).encode()

    def deserialize(self, data):
        return json.loads(data)


class Plain(Serializer):
    """One that was written before there was anything to be bound to."""

    def __init__(self):
        """Without calling the one of Serializer."""

    def _serialize(self, data):
        return json.dumps(data).encode()

    def _deserialize(self, data):
        return json.loads(data)


@pytest.mark.parametrize("serializer", [NoSerializerOfOurs(), Plain(), JSONSerializer()])
def test_a_serializer_that_knows_nothing_of_queues_is_used_as_it_is(serializer):
    huey = MemoryHuey("any", serializer=serializer)
    assert huey.serializer is serializer
    task = huey.task()(print)
    assert huey.deserialize_task(huey.serialize_task(task.s("argument"))).args == ("argument",)


class Tagged(Serializer):
    """One of somebody's own that wants to know its queue."""

    queue = "nobody's"

    def bound_to(self, queue):
        bound = copy.copy(self)
        bound.queue = queue
        return bound

    def _serialize(self, data):
        return super()._serialize((self.queue, data))

    def _deserialize(self, data):
        queue, value = super()._deserialize(data)
        if queue != self.queue:
            raise ValueError(f"of {queue}")
        return value


def test_a_serializer_of_ones_own_is_told_its_queue():
    given = Tagged()
    huey = MemoryHuey("mine", serializer=given, compression=True)
    assert (given.queue, huey.serializer.queue, huey.serializer.comp) == ("nobody's", "mine", True)
    huey.put("key", "value")
    assert huey.get("key") == "value"


def test_a_secret_is_replaced_in_three_steps_while_messages_wait():
    old = SignedSerializer("old")
    both = SignedSerializer(["old", "new"])
    turned = SignedSerializer(["new", "old"])
    new = SignedSerializer("new")
    assert both.deserialize(old.serialize(1)) == 1
    assert old.deserialize(both.serialize(2)) == 2
    assert both.deserialize(turned.serialize(3)) == 3
    assert turned.deserialize(both.serialize(4)) == 4
    assert new.deserialize(turned.serialize(5)) == 5
    with pytest.raises(BadSignature):
        new.deserialize(both.serialize(6))


@pytest.mark.parametrize("secret", [None, "", b"", [], [None], ["good", ""], 5, [5]])
def test_without_a_secret_it_says_what_to_do(secret):
    with pytest.raises(ConfigurationError, match=r"secret=.*token_hex"):
        SignedSerializer(secret)


def test_an_empty_salt_is_refused():
    with pytest.raises(ConfigurationError, match="salt"):
        SignedSerializer("secret", salt="")


@pytest.mark.parametrize("digest", ["sha1", "md5", "shake_128", "sha257", "", None])
def test_a_digest_that_is_not_fit_is_refused_with_those_that_are(digest):
    with pytest.raises(ConfigurationError, match=r"blake2b.*sha256"):
        SignedSerializer("secret", digest=digest)


@pytest.mark.parametrize("digest", ["sha256", "sha512", "sha3_384", "blake2b", "blake2s"])
def test_modern_digests_are_accepted(digest):
    signed = SignedSerializer("secret", digest=digest)
    data = signed.serialize(["value"])
    assert signed.deserialize(data) == ["value"]
    unsigned = Serializer().serialize(["value"])
    assert data.endswith(unsigned)
    assert len(data) - len(unsigned) == 4 + hashlib.new(digest).digest_size + 4


@pytest.mark.parametrize("use_zlib", [False, True])
def test_it_compresses(use_zlib):
    signed = SignedSerializer("secret", compression=True, compression_level=9, use_zlib=use_zlib)
    data = signed.serialize("x" * 10_000)
    assert len(data) < 200
    assert signed.deserialize(data) == "x" * 10_000


def test_compression_can_be_switched_on_with_signed_messages_waiting():
    assert SignedSerializer("secret", compression=True).deserialize(SIGNED.serialize(5)) == 5


class Reversed(SignedSerializer):
    """A format of somebody's own, who has never thought of signatures."""

    def _serialize(self, data):
        return base64.b64encode(json.dumps(data).encode())

    def _deserialize(self, data):
        return json.loads(base64.b64decode(data))


class SignedJSON(SignedSerializer, JSONSerializer):
    """Two of ours together."""


class JSONSigned(JSONSerializer, SignedSerializer):
    """The other way round, which must not lose the signature."""


@pytest.mark.parametrize("kind", [Reversed, SignedJSON, JSONSigned])
def test_a_subclass_with_another_format_is_signed_like_any_other(kind):
    signed = kind("secret", compression=True)
    data = signed.serialize({"a": [1]})
    assert signed.deserialize(data) == {"a": [1]}
    with pytest.raises(BadSignature):
        signed.deserialize(data[:-1] + b"?")
    with pytest.raises(BadSignature):
        signed.deserialize(kind("other").serialize(1))
    assert SignedJSON("secret").serialize({"a": 1}).endswith(b'{"a":1}')


def test_a_huey_of_forged_messages_runs_none_and_buries_them():
    huey = MemoryHuey(serializer=SignedSerializer("secret"), compression=True)
    ran = []
    task = huey.task()(ran.append)
    task("mine")
    forger = MemoryHuey(serializer=SignedSerializer("guessed"), compression=True)
    forger.storage = huey.storage
    forger.task()(ran.append)("forged")
    [mine, forged] = huey.storage.enqueued_items()
    assert huey.deserialize_task(mine).args == ("mine",)
    with pytest.raises(UnreadableMessage, match=r"BadSignature.*another secret"):
        decode_message(huey.serializer, forged)


def test_the_secret_is_not_shown():
    assert "secret-word" not in repr(vars(SignedSerializer("secret-word")))
    assert "secret-word" not in repr(vars(SignedSerializer("secret-word")._signer))
