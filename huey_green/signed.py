# SPDX-License-Identifier: MIT
"""Bytes with an HMAC before them: what SignedSerializer writes.

They are a mark, the HMAC, and what it covers: the name of the queue, with its length, and the
message. The name stands there to be read, so that a refusal can tell whose the message was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from copy import copy
from typing import Any

from huey_green.exceptions import ConfigurationError, HueyException


class BadSignature(HueyException, ValueError):
    """Bytes that were not signed for this queue with a known secret: refused before they are read.

    Either somebody else writes to the queue, or ``secret``, ``salt``, ``digest`` or the name of
    the Huey are not the same on both sides.
    """


#: What signed bytes begin with.
_SIGNED = b"hgs1"

#: Bytes that say how long the name of the queue is, and what they say where there is none.
_LENGTH_SIZE = 4
_NO_QUEUE = b"\xff" * _LENGTH_SIZE


class Signer:
    """Signs with the first of ``secrets``, and accepts what was signed with any of them.

    It signs for one queue, ``for_queue``; or for none, for one without a name.
    """

    def __init__(
        self,
        secrets: str | bytes | Sequence[str | bytes] | None,
        salt: str | bytes,
        digest: str,
    ) -> None:
        given = secrets if isinstance(secrets, (list, tuple)) else [secrets]
        if not given or not all(one and isinstance(one, (str, bytes)) for one in given):
            raise ConfigurationError(
                "SignedSerializer needs a secret, a str or bytes or a list of those: pass secret=, "
                "the same in the application and in the consumer and known to nobody else; "
                "python -c 'import secrets; print(secrets.token_hex())' makes one"
            )
        if not salt:
            raise ConfigurationError("the salt of a SignedSerializer is not empty")
        self._digest = digest
        self._size = _digest_size(digest)
        # A key for each salt, which no other pair of salt and secret has.
        self._keys = [hmac.digest(_bytes(one), _bytes(salt), digest) for one in given]
        self._place = _place(None)

    def for_queue(self, name: str) -> Signer:
        """Return a signer with the same secrets whose bytes are good in this queue alone."""
        other = copy(self)
        other._place = _place(name)
        return other

    def sign(self, message: bytes) -> bytes:
        """Return ``message`` behind its signature."""
        covered = self._place + message
        return b"".join((_SIGNED, self._signature(self._keys[0], covered), covered))

    def unsign(self, signed: bytes) -> bytes:
        """Return the message that was signed; raises ``BadSignature``."""
        if not is_signed(signed):
            raise BadSignature("is not signed: no SignedSerializer has written it")
        end = len(_SIGNED) + self._size
        signature, covered = signed[len(_SIGNED) : end], signed[end:]
        # All are tried, so that the time it takes does not tell which one it was.
        known = [
            hmac.compare_digest(self._signature(key, covered), signature) for key in self._keys
        ]
        if not any(known):
            raise BadSignature(
                "is signed with another secret, salt or digest, or was changed afterwards"
            )
        if not covered.startswith(self._place):
            raise BadSignature(
                f"is signed for {_place_named(covered)}, and not for {_place_named(self._place)}:"
                " it was put in the wrong place, or the names of the Hueys differ"
            )
        return covered[len(self._place) :]

    def _signature(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._digest)


def is_signed(data: bytes) -> bool:
    """Say whether data looks as if a signer had written it."""
    return data.startswith(_SIGNED)


def _place(queue: str | None) -> bytes:
    """Return what stands before each message that is signed for a queue; no place begins another.

    With its length: without it the end of a name could be taken for the beginning of a message.
    """
    if queue is None:
        return _NO_QUEUE
    name = queue.encode("utf-8", "surrogatepass")
    return len(name).to_bytes(_LENGTH_SIZE, "big") + name


def _place_named(covered: bytes) -> str:
    """Say to a person for which queue something is signed."""
    length, name = covered[:_LENGTH_SIZE], covered[_LENGTH_SIZE:]
    if length == _NO_QUEUE:
        return "no queue"
    shown = name[: int.from_bytes(length, "big")].decode("utf-8", "backslashreplace")
    return f"the queue {shown[:100]!r}"


def _bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _digest_size(digest: str) -> int:
    """Return the size of a hash in bytes; raises ``ConfigurationError`` for one that is not fit."""
    fit = {name for name in hashlib.algorithms_guaranteed if not name.startswith("shake")}
    fit -= {"md5", "sha1"}
    if digest not in fit:
        raise ConfigurationError(f"digest is one of {', '.join(sorted(fit))}, not {digest!r}")
    return hashlib.new(digest).digest_size
