# SPDX-License-Identifier: MIT
"""Bytes with an HMAC before them: what SignedSerializer writes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from huey_green.exceptions import ConfigurationError, HueyException


class BadSignature(HueyException, ValueError):
    """Bytes that were not signed with a known secret: they are refused before they are read.

    Either somebody else writes to the queue, or ``secret``, ``salt`` or ``digest`` are not the
    same on both sides.
    """


#: What signed bytes begin with.
_SIGNED = b"hgs1"


class Signer:
    """Signs with the first of ``secrets``, and accepts what was signed with any of them."""

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

    def sign(self, message: bytes) -> bytes:
        """Return ``message`` behind its signature."""
        return b"".join((_SIGNED, self._signature(self._keys[0], message), message))

    def unsign(self, signed: bytes) -> bytes:
        """Return the message that was signed; raises ``BadSignature``."""
        if not signed.startswith(_SIGNED):
            raise BadSignature("is not signed: no SignedSerializer has written it")
        end = len(_SIGNED) + self._size
        signature, message = signed[len(_SIGNED) : end], signed[end:]
        # All are tried, so that the time it takes does not tell which one it was.
        known = [
            hmac.compare_digest(self._signature(key, message), signature) for key in self._keys
        ]
        if not any(known):
            raise BadSignature(
                "is signed with another secret, salt or digest, or was changed afterwards"
            )
        return message

    def _signature(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._digest)


def _bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _digest_size(digest: str) -> int:
    """Return the size of a hash in bytes; raises ``ConfigurationError`` for one that is not fit."""
    fit = {name for name in hashlib.algorithms_guaranteed if not name.startswith("shake")}
    fit -= {"md5", "sha1"}
    if digest not in fit:
        raise ConfigurationError(f"digest is one of {', '.join(sorted(fit))}, not {digest!r}")
    return hashlib.new(digest).digest_size
