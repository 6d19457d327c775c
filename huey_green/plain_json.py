# SPDX-License-Identifier: MIT
"""JSON text from plain values and back, exactly or not at all: what JSONSerializer writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from huey_green.exceptions import SerializationError
from huey_green.offender import brief, kind_of

_CARRIED = "None, bool, int, finite float, str, list, tuple, and dict with str as keys"
_TUPLE = "$tuple"
_ATOMS = frozenset({str, int, bool, type(None)})

#: Bits of an int from which on Python may refuse to write or read it as decimal digits.
_LONG_INT = 10_000


def encode(value: Any) -> bytes:
    """Return ``value`` as JSON; raises ``SerializationError`` with the path to what is refused."""
    try:
        text = json.dumps(_pack(value), ensure_ascii=False, separators=(",", ":"))
    except _Refused as refused:
        raise SerializationError(refused.explanation()) from None
    except RecursionError:
        raise SerializationError(
            "JSON cannot carry a value that contains itself or is nested this deeply"
        ) from None
    # Half of a surrogate pair is no Unicode, but a str may have one, a file name say.
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> Any:
    """Return what ``encode`` was given; raises ``ValueError`` for what is not JSON."""
    return json.loads(data.decode("utf-8", "surrogatepass"), object_hook=_unpacked)


class _Refused(Exception):
    """A value that JSON does not carry; the steps that lead to it come in while it is raised."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str] = []

    def explanation(self) -> str:
        where = f" at {''.join(reversed(self.steps))}" if self.steps else ""
        return f"JSON cannot carry {self.what}{where}: it carries {_CARRIED}"


def _pack(value: Any) -> Any:
    """Return ``value`` with its tuples marked; raises ``_Refused``."""
    kind = type(value)
    if kind in _ATOMS:
        if kind is int and value.bit_length() > _LONG_INT:
            _check_long(value)
        return value
    if kind is float:
        if not isfinite(value):
            raise _Refused(f"the float {value!r}")
        return value
    if kind is dict:
        return _pack_dict(value)
    if kind is tuple:
        return {_TUPLE: _pack_items(value)}
    if kind is list:
        return _pack_items(value)
    raise _Refused(kind_of(value))


def _pack_items(items: Sequence[Any]) -> list[Any]:
    packed: list[Any] = []
    try:
        for item in items:
            packed.append(_pack(item))  # noqa: PERF401 - how far it came tells which was refused
    except _Refused as refused:
        refused.steps.append(f"[{len(packed)}]")
        raise
    return packed


def _pack_dict(items: dict[Any, Any]) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    for key, value in items.items():
        if type(key) is not str:
            raise _Refused(f"a dict with the key {brief(key)} ({kind_of(key)})")
        try:
            packed[key] = _pack(value)
        except _Refused as refused:
            refused.steps.append(f"[{brief(key)}]")
            raise
    if len(packed) == 1 and _is_mark(key):
        return {f"${key}": packed[key]}
    return packed


def _check_long(value: int) -> None:
    try:
        str(value)
    except ValueError:  # sys.set_int_max_str_digits()
        raise _Refused(f"an int of {value.bit_length()} bits") from None


def _is_mark(key: str) -> bool:
    """Say whether a key is ``$tuple``, ``$$tuple``, ``$$$tuple`` and so on."""
    return key.endswith(_TUPLE) and not key.removesuffix(_TUPLE).strip("$")


def _unpacked(found: dict[str, Any]) -> Any:
    """Take one dict, whose values have been through here, back to what ``_pack`` was given."""
    if len(found) != 1:
        return found
    [(key, value)] = found.items()
    if key == _TUPLE:
        return tuple(value)
    return {key[1:]: value} if key[:1] == "$" and _is_mark(key) else found
