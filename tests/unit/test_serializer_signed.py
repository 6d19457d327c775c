# SPDX-License-Identifier: MIT
import base64
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


@pytest.mark.parametrize("how_much", [0, 1, 3, 4, 20, 35, 36, -1])
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
    assert len(data) == 4 + hashlib.new(digest).digest_size + len(Serializer().serialize(["value"]))


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
