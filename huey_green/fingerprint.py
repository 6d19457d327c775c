# SPDX-License-Identifier: MIT
"""The same key for the same call, however its arguments were written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from inspect import Signature, signature
from typing import Any

from huey_green.exceptions import InvalidArgument

Serialize = Callable[[Any], bytes]


def fingerprint(
    func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], serialize: Serialize
) -> str:
    """Return a digest of a call of ``func``: ``f(1)``, ``f(a=1)`` and ``f(1, b=default)`` agree.

    ``serialize`` tells objects apart that are not made of plain values. Raises what it raises.
    """
    arguments = _bound(func, args, kwargs)
    return _digest(_text(arguments, serialize, {})).hex()


def check_call(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise ``InvalidArgument`` if ``func`` cannot be called with these arguments."""
    try:
        _signature(func).bind_partial(*args, **kwargs)
    except TypeError as error:
        name = getattr(func, "__name__", repr(func))
        raise InvalidArgument(f"nobody can call {name}() with these arguments: {error}") from None
    except ValueError:
        return  # One that was not written in Python does not tell.


def _bound(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    try:
        # Partial: what is missing comes later, as a context does.
        bound = _signature(func).bind_partial(*args, **kwargs)
    except (TypeError, ValueError):
        # The wrong arguments: the task will say so when it runs.
        return [tuple(args), dict(kwargs)]
    bound.apply_defaults()
    return bound.arguments


@lru_cache(maxsize=1024)
def _signature(func: Callable[..., Any]) -> Signature:
    return signature(func)


def _text(value: Any, serialize: Serialize, known: dict[int, tuple[Any, bytes]]) -> bytes:
    """Return bytes that are equal for equal values.

    Not those of a serializer: pickle writes two equal strings differently from one string twice.
    ``known`` has what was seen before: parts that are shared are looked at once.
    """
    kind = type(value).__name__.encode()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return _framed(kind, repr(value).encode())
    if id(value) not in known:
        # The value too: while it is kept no other one has its id.
        known[id(value)] = value, _digest(_parts(kind, value, serialize, known))
    return known[id(value)][1]


def _parts(
    kind: bytes, value: Any, serialize: Serialize, known: dict[int, tuple[Any, bytes]]
) -> bytes:
    def text(one: Any) -> bytes:
        return _text(one, serialize, known)

    if isinstance(value, Mapping):
        pairs = [text(key) + text(one) for key, one in value.items()]
        return _framed(b"mapping", b"".join(sorted(pairs)))
    if isinstance(value, (list, tuple)):
        return _framed(b"sequence", b"".join(map(text, value)))
    if isinstance(value, (set, frozenset)):
        return _framed(b"set", b"".join(sorted(map(text, value))))
    if is_dataclass(value) and not isinstance(value, type):
        return _framed(kind, text({one.name: getattr(value, one.name) for one in fields(value)}))
    return _framed(kind, serialize(value))


def _digest(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()


def _framed(kind: bytes, content: bytes) -> bytes:
    # With its length, so that no two values run into each other.
    return b"%b:%d:%b" % (kind, len(content), content)
