# SPDX-License-Identifier: MIT
"""Messages that are right, and what can be made of them: other fields, other bytes."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from huey_green.message import Joined, Message, Options, Place
from huey_green.serializer import Serializer
from huey_green.wire import encode_message

#: The tasks of ``fuzz_app``, by the names that stand in messages.
TASKS = ("chaos.fuzz_app.plain", "chaos.fuzz_app.with_value")

#: What no field wants, or some do not.
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 5, 2.5, 10**9, 10**30, 10**400, -(10**400)),
    *(1e-300, 1e300, float("nan"), float("inf"), -float("inf")),
    *("", "x", "a\nb", "nul\0", "\ud800", "x" * 2000, b"", b"bytes"),
    *((), [], {}, [None], {"k": None}, ("hg1",), [[[[]]]]),
)

Bytes = Callable[[random.Random, bytes, bytes], bytes]


class Maker:
    """Makes messages and spoils them, always the same ones from one seed."""

    def __init__(self, seed: str, serializer: Serializer) -> None:
        self._random = random.Random(seed)
        self._serializer = serializer
        self._count = 0

    def good(self) -> bytes:
        """Return a message of one of the kinds that there are."""
        return encode_message(self._serializer, self._message())

    def bad(self) -> bytes:
        """Return a message that was changed in some way; it may still be one."""
        chosen = self._random.random()
        if chosen < 0.35:
            return self._with_other_fields()
        if chosen < 0.352:
            return self._monster()
        body, other = self.good(), self.good()
        for _ in range(self._random.choice((1, 1, 1, 2, 5))):
            body = self._random.choice(CHANGES)(self._random, body, other)
        return body

    # Right ones.

    def _message(self) -> Message:
        rng = self._random
        message = self._single()
        if rng.random() < 0.3:
            message = message._replace(on_complete=self._single())
        if rng.random() < 0.1:
            message = message._replace(on_error=self._single())
        if rng.random() < 0.1 and message.on_complete is not None:
            place = Place(f"chord {self._count}", 0, 1, self._joined())
            last = message.on_complete._replace(options=Options(chord=place))
            message = message._replace(on_complete=last)
        elif rng.random() < 0.15:
            message = message._replace(options=self._options())
        return message

    def _single(self) -> Message:
        rng = self._random
        self._count += 1
        return Message(
            f"{rng.getrandbits(64):016x} {self._count}",
            rng.choice(TASKS),
            tuple(self._value(2) for _ in range(rng.choice((0, 1, 1, 2)))),
            {f"k{i}": self._value(2) for i in range(rng.choice((0, 0, 1, 2)))},
            rng.choice((None, None, None, None, 1e9, 4e9)),
            rng.choice((0, 0, 2)),
            rng.choice((0, 5, 2.5)),
            rng.choice((None, None, 5, -1.5)),
        )

    def _options(self) -> Options:
        chosen = self._random.random()
        if chosen < 0.3:
            return Options(expires_at=4e9, expires=86400.0, timeout=1000.0, retry_backoff=2)
        if chosen < 0.5:
            return Options(claim=f"unique:{self._count}", progress=True)
        if chosen < 0.75:
            return Options(chord=Place(f"chord {self._count}", 0, 1, self._joined()))
        return Options(joins=Joined(f"chord {self._count}", 2))

    def _joined(self) -> Message:
        return self._single()._replace(options=Options(joins=Joined(f"chord {self._count}", 1)))

    def _value(self, depth: int) -> Any:
        rng = self._random
        kind = rng.randrange(8 if depth else 5)
        if kind == 5:
            return [self._value(depth - 1) for _ in range(rng.randrange(3))]
        if kind == 6:
            return {f"key {i}": self._value(depth - 1) for i in range(rng.randrange(3))}
        if kind == 7:
            return tuple(self._value(depth - 1) for _ in range(rng.randrange(3)))
        words = ("", "some text", "\u00e4\u20ac\U0001f33f", "-" * 60)
        return (None, rng.getrandbits(40), rng.random(), rng.choice(words), False)[kind]

    # Other fields.

    def _with_other_fields(self) -> bytes:
        plain = _thawed(self._serializer.deserialize(self.good()))
        for _ in range(self._random.choice((1, 1, 2, 4))):
            self._change(plain)
        return self._written(plain)

    def _change(self, plain: Any) -> None:
        """Change one part of nested lists and dicts, anywhere in them."""
        rng = self._random
        holder = plain
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                return
            key = rng.choice(keys)
            inner = holder[key]
            if not isinstance(inner, (list, dict)) or not inner or rng.random() < 0.3:
                break
            holder = inner
        way = rng.random()
        if way < 0.1:
            del holder[key]
        elif way < 0.2 and isinstance(holder, list):
            holder.insert(key, self._odd())
        elif way < 0.3:
            holder[key] = _nested(rng, inner, plain)
        else:
            holder[key] = self._odd()

    def _odd(self) -> Any:
        chosen = self._random.choice(ODD)
        # Not twice the same: as an id it has to be somebody's.
        if chosen == "x":
            return f"x {self._random.getrandbits(64):x}"
        return copy.deepcopy(chosen) if isinstance(chosen, (list, dict)) else chosen

    def _written(self, plain: Any) -> bytes:
        try:
            return self._serializer.serialize(plain)
        except Exception:
            # This serializer does not write it. A hostile producer has its own.
            try:
                return json.dumps(plain, default=str).encode("utf-8", "surrogatepass")
            except RecursionError:
                return b"[" * 2000

    def _monster(self) -> bytes:
        """Return what is very large, very deep, or both once it is expanded."""
        chosen = self._random.randrange(5)
        if chosen == 0:
            return bytes(300_000)
        if chosen == 1:
            return gzip.compress(bytes(20_000_000))
        if chosen == 2:
            return b"[" * 100_000
        if chosen == 3:
            return b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b"."
        return b"\x80\x04)" + b"\x85" * 100_000 + b"."


def _thawed(plain: Any) -> Any:
    """Return nested tuples as lists, which can be changed."""
    if isinstance(plain, (tuple, list)):
        return [_thawed(one) for one in plain]
    if isinstance(plain, dict):
        return {key: _thawed(value) for key, value in plain.items()}
    return plain


def _nested(rng: random.Random, inner: Any, whole: Any) -> Any:
    kind = rng.randrange(3)
    if kind == 0:  # The message in itself, so far.
        return json.loads(json.dumps(whole, default=str))
    made = inner
    for _ in range(rng.choice((3, 400))):
        made = [made] if kind == 1 else {"k": made}
    return made


# Other bytes.


def _flip(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(body) or 1)
    return body[:at] + bytes([(body[at] if body else 0) ^ (1 << rng.randrange(8))]) + body[at + 1 :]


def _set(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(body) or 1)
    byte = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return body[:at] + bytes([byte]) + body[at + 1 :]


def _cut(rng: random.Random, body: bytes, other: bytes) -> bytes:
    return body[: rng.randrange(len(body) or 1)]


def _behead(rng: random.Random, body: bytes, other: bytes) -> bytes:
    return body[rng.randrange(len(body) or 1) :]


def _cut_out(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(body) or 1)
    return body[:at] + body[at + rng.randrange(1, 20) :]


def _insert(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.randbytes(rng.choice((1, 4, 40))) + body[at:]


def _duplicate(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(body) or 1)
    end = at + rng.randrange(1, 60)
    return body[:end] + body[at:]


def _splice(rng: random.Random, body: bytes, other: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)] + other[rng.randrange(len(other) + 1) :]


def _append(rng: random.Random, body: bytes, other: bytes) -> bytes:
    return body + rng.choice((b"\0", b".", b"}", other, rng.randbytes(30)))


def _erase(rng: random.Random, body: bytes, other: bytes) -> bytes:
    at, count = rng.randrange(len(body) or 1), rng.randrange(1, 20)
    return body[:at] + bytes(count) + body[at + count :]


CHANGES: tuple[Bytes, ...] = (
    *(_flip, _flip, _flip, _set, _set, _cut, _behead, _cut_out),
    *(_insert, _duplicate, _splice, _append, _erase),
)
