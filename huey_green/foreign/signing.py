# SPDX-License-Identifier: MIT
"""huey's signatures: the message, a colon, and the HMAC-SHA-1 of the message in hexadecimal."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from huey_green.signed import BadSignature

_SEPARATOR = b":"
_SIZE = 2 * hashlib.sha1(usedforsecurity=False).digest_size


class HueySigner:
    """Signs as huey does, with the first of ``secrets``, and accepts what any of them signed.

    These signatures do not name a queue: a message that is put into another one with the same
    secret and salt is good there, too.
    """

    def __init__(self, secrets: Sequence[Any], salt: Any) -> None:
        # huey's key is no HMAC of the two, but the hash of one behind the other.
        self._keys = [
            hashlib.sha1(_bytes(salt) + _bytes(one), usedforsecurity=False).digest()
            for one in secrets
        ]

    def sign(self, message: bytes) -> bytes:
        """Return ``message`` before its signature."""
        return b"".join((message, _SEPARATOR, _signature(self._keys[0], message)))

    def unsign(self, signed: bytes) -> bytes:
        """Return the message that was signed; raises ``BadSignature``."""
        end = len(signed) - _SIZE
        message, separator, signature = signed[: end - 1], signed[end - 1 : end], signed[end:]
        if end < 1 or separator != _SEPARATOR:
            raise BadSignature("is not signed as huey's SignedSerializer signs")
        known = [hmac.compare_digest(_signature(key, message), signature) for key in self._keys]
        if not any(known):
            raise BadSignature(
                "is signed by huey with another secret or salt, or was changed afterwards"
            )
        return message


def _bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _signature(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha1).hexdigest().encode()
