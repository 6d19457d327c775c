# SPDX-License-Identifier: MIT
"""Bytes from objects and back: pickle by default, or JSON, signed, or in a format of your own."""

from __future__ import annotations

import gzip
import pickle
import zlib
from collections.abc import Sequence
from copy import copy
from typing import Any

from huey_green import plain_json
from huey_green.exceptions import ConfigurationError, MessageRefused
from huey_green.foreign import pickles
from huey_green.foreign.signing import HueySigner
from huey_green.limits import MAX_MESSAGE_SIZE, expand, too_large
from huey_green.signed import BadSignature, Signer, is_signed

_PICKLE_MAGIC = b"\x80"
_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_FIRST = 0x78
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Serializer:
    """Turns tasks and results into bytes. Override ``_serialize`` and ``_deserialize``.

    ``compression`` compresses with gzip, or zlib with ``use_zlib``, at ``compression_level``
    0 (least) to 9 (most). Data that was written without compression is read all the same, so
    that it can be switched on with tasks in the queue. ``pickle_protocol`` is the protocol to
    write; all are read. (API reference, "Serializer".)
    """

    # Defaults for a subclass whose __init__ does not call this one.
    comp = False
    comp_level = 6
    use_zlib = False
    pickle_protocol: int | None = pickle.HIGHEST_PROTOCOL
    #: Most bytes, before they are compressed and after they are expanded: ``max_message_size``.
    max_size = MAX_MESSAGE_SIZE
    #: Whether datetimes in messages of huey's are in UTC, not in local time: ``utc`` of the Huey.
    utc = True

    def __init__(
        self,
        compression: bool = False,
        compression_level: int = 6,
        use_zlib: bool = False,
        pickle_protocol: int | None = pickle.HIGHEST_PROTOCOL,
    ) -> None:
        if not 0 <= compression_level <= 9:
            raise ConfigurationError(
                f"compression_level is 0 (least) to 9 (most), not {compression_level!r}"
            )
        if pickle_protocol is not None and pickle_protocol > pickle.HIGHEST_PROTOCOL:
            raise ConfigurationError(
                f"pickle_protocol is at most {pickle.HIGHEST_PROTOCOL} here, not {pickle_protocol}"
            )
        self.comp = compression
        self.comp_level = compression_level
        self.use_zlib = use_zlib
        self.pickle_protocol = pickle_protocol

    def _serialize(self, data: Any) -> bytes:
        return pickle.dumps(data, self.pickle_protocol)

    def _deserialize(self, data: bytes) -> Any:
        try:
            return pickle.loads(data)
        except Exception:
            if not pickles.names_huey(data):
                raise
            # Written by huey, or for it: its classes are not here, or those of another release.
            return pickles.loads(data)

    def serialize(self, data: Any) -> bytes:
        """Return ``data`` as bytes, compressed if this serializer compresses."""
        serialized = self._serialize(data)
        if self.comp:
            if len(serialized) > self.max_size:
                raise MessageRefused(too_large(len(serialized), self.max_size))
            if self.use_zlib:
                return zlib.compress(serialized, self.comp_level)
            return gzip.compress(serialized, self.comp_level)
        return serialized

    def deserialize(self, data: bytes) -> Any:
        """Return what ``serialize`` was given; raises whatever the format raises on other bytes."""
        return self._deserialize(self._decompress(data) if self.comp else data)

    def bound_to(self, queue: str) -> Serializer:
        """Return the serializer of the Huey of this name; Huey asks when it is given one.

        This one returns itself. One whose bytes are good in a single queue returns a copy of
        itself that knows the name, so that one object can be given to several Hueys.
        """
        return self

    def _decompress(self, data: bytes) -> bytes:
        if data.startswith(_GZIP_MAGIC):
            return expand(data, _GZIP_WINDOW, self.max_size)
        if data and data[0] == _ZLIB_FIRST:
            try:
                return expand(data, zlib.MAX_WBITS, self.max_size)
            except zlib.error:
                return data  # A format whose data may begin with the same byte.
        return data


class JSONSerializer(Serializer):
    """JSON instead of pickle: what comes back is equal to what went, or it is refused.

    Carried are None, bool, int, finite float, str, list, tuple, and dict with str as keys; each
    of exactly that type, because a subclass would come back as something else. All others raise
    ``SerializationError`` with the path to the value that is refused.

    A tuple is written as ``{"$tuple": [...]}``, so that it comes back as one: in a pipeline it
    becomes the arguments of the next task, which a list does not. A dict with ``"$tuple"`` as its
    only key is written with one ``$`` more. Text is UTF-8.
    """

    def _serialize(self, data: Any) -> bytes:
        return plain_json.encode(data)

    def _deserialize(self, data: bytes) -> Any:
        try:
            return plain_json.decode(data)
        except ValueError as error:
            raise ValueError(f"is not JSON{_guessed(data)} ({error})") from error


class SignedSerializer(Serializer):
    """Signs what it writes, and reads nothing that is not signed with one of its secrets.

    For a queue to which others could write: whoever can write pickles to a queue can run code in
    its consumers. ``secret`` is one, or a list of which the first signs and all are accepted, so
    that a secret can be replaced while tasks wait. ``salt`` keeps apart queues that share a
    secret. ``digest`` is the hash of the HMAC, by its name in ``hashlib``. The other arguments
    are those of ``Serializer``.

    The signature covers the bytes as they are stored, compressed ones too, and is compared in
    constant time; ``deserialize`` raises ``BadSignature``, a ``ValueError``, before anything is
    decompressed or unpickled. It neither hides what is written nor notices that an old message
    was put in again. Subclasses override ``_serialize`` and ``_deserialize`` as of any other
    serializer, and have them signed; ``class Signed(SignedSerializer, JSONSerializer)`` signs
    JSON.
    """

    def __init__(
        self,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        salt: str | bytes = "huey",
        *,
        digest: str = "sha256",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._signer: Signer | None = Signer(secret, salt, digest)
        secrets = secret if isinstance(secret, (list, tuple)) else [secret]
        self._huey_signer = HueySigner(secrets, salt)

    def bound_to(self, queue: str) -> SignedSerializer:
        """Return a copy that signs for this queue, and reads nothing that others signed for."""
        bound = copy(self)
        if self._signer is not None:
            bound._signer = self._signer.for_queue(queue)
        return bound

    def sign_as_huey(self) -> None:
        """Sign from now on as huey's SignedSerializer, and read what that has signed; no other.

        It compresses what it has signed: so its bytes are expanded before they are looked at.
        """
        signer, pack, unpack = self._huey_signer, self._serialize, self._deserialize
        self._signer = None
        self._serialize = lambda data: signer.sign(pack(data))  # type: ignore[method-assign]
        self._deserialize = lambda data: unpack(signer.unsign(data))  # type: ignore[method-assign]

    def serialize(self, data: Any) -> bytes:
        """Return ``data`` as bytes, compressed if this serializer compresses, and signed."""
        serialized = super().serialize(data)
        return serialized if self._signer is None else self._signer.sign(serialized)

    def deserialize(self, data: bytes) -> Any:
        """Return what ``serialize`` was given; raises ``BadSignature``."""
        return super().deserialize(data if self._signer is None else self._signer.unsign(data))


def compressing(serializer: Serializer, compression: bool, use_zlib: bool) -> Serializer:
    """Return ``serializer``, or a copy of it that compresses where that is asked for besides."""
    if compression and not serializer.comp:
        serializer = copy(serializer)
        serializer.comp, serializer.use_zlib = True, use_zlib
    return serializer


def bound(serializer: Serializer, queue: str) -> Serializer:
    """Return the serializer for a queue: what ``serializer.bound_to`` says, if it has that."""
    bind = getattr(serializer, "bound_to", None)
    return serializer if bind is None else bind(queue)


def sized(serializer: Serializer, max_size: int) -> Serializer:
    """Return ``serializer``, or a copy of it whose ``max_size`` is this one."""
    if getattr(serializer, "max_size", MAX_MESSAGE_SIZE) != max_size:
        serializer = copy(serializer)
        serializer.max_size = max_size
    return serializer


def dated(serializer: Serializer, utc: bool) -> Serializer:
    """Return ``serializer``, or a copy of it that reads huey's datetimes as local time."""
    if not utc:
        serializer = copy(serializer)
        serializer.utc = False
    return serializer


def _guessed(data: bytes) -> str:
    """Say what data seems to be, by its first bytes."""
    if is_signed(data):
        return " but signed by a SignedSerializer"
    if data.startswith(_PICKLE_MAGIC):
        return " but a pickle"
    if data.startswith(_GZIP_MAGIC):
        return " but compressed"
    return ""


__all__ = [
    "BadSignature",
    "JSONSerializer",
    "Serializer",
    "SignedSerializer",
    "bound",
    "compressing",
    "dated",
    "sized",
]
