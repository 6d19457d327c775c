# SPDX-License-Identifier: MIT
"""Finds the part of a value for which a serializer refuses the whole of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from reprlib import Repr
from types import MethodType
from typing import Any, NamedTuple

#: How deep to look, how many parts of one value to look at, how much of an error to quote.
DEPTH, PARTS, QUOTED = 25, 100_000, 200

#: Builtin kinds that are made empty without calling anything of a user's.
_KINDS = (dict, list, tuple, set, frozenset, deque, BaseException, object)

_BRIEF = Repr()
_BRIEF.maxother = _BRIEF.maxstring = 40

Serialize = Callable[[Any], bytes]


class _Part(NamedTuple):
    """A part of a value: where, what it is, and what to hand to the serializer to try it."""

    where: str
    value: Any
    trial: Any
    is_key: bool = False


def find_offender(value: Any, serialize: Serialize) -> str | None:
    """Return which part of ``value`` makes ``serialize`` raise, what it is, and what was raised.

    The answer is meant to be put behind the name of the value: with ``"args"`` in front of it,
    it reads ``args[1]['client'].session is a socket.socket (cannot pickle ...)``. It is the
    smallest such part, as far down as dicts, lists, tuples, sets and the attributes of instances
    lead. None when there is nothing to be found. Never raises; takes a few times as long as
    the serializing itself, and is meant for after a failure.
    """
    try:
        return _find(value, serialize)
    except Exception:  # Of a user's __reduce__, __repr__, __eq__...
        return None


def kind_of(value: Any) -> str:
    """Return what a value is, with an article: ``a datetime.datetime``, ``an int``."""
    kind = value if isinstance(value, type) else type(value)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{prefix}{kind.__qualname__}"
    if isinstance(value, type):
        return f"the class {name}"
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def repr_of(error: BaseException) -> str:
    """Return an error's repr, or what can be said of one that has none: it is a user's class."""
    try:
        return repr(error)
    except Exception as failed:
        return f"<{type(error).__name__}, whose repr raised {type(failed).__name__}>"


def brief(value: Any) -> str:
    """Return the repr of a key or a member, shortened."""
    return _BRIEF.repr(value)


def _find(value: Any, serialize: Serialize) -> str | None:
    refusal = _refusal(value, serialize)
    if refusal is None:
        return None
    path = ""
    above = [value]  # Kept alive, so that their ids stay theirs.
    while len(above) < DEPTH and not _is_refused_by_kind(value, serialize, refusal):
        known = {id(one) for one in above}
        parts = [part for part in islice(_parts(value), PARTS) if id(part.value) not in known]
        part = _refused_one(parts, serialize)
        inner = None if part is None else _refusal(part.trial, serialize)
        if part is None or inner is None:
            break
        value, refusal = part.value, inner
        if part.is_key:
            return f"{path} has the key {brief(value)}, {kind_of(value)} ({_quoted(refusal)})"
        path += part.where
        above.append(value)
    return f"{path} is {kind_of(value)} ({_quoted(refusal)})"


def _refusal(value: Any, serialize: Serialize) -> Exception | None:
    try:
        serialize(value)
    except Exception as error:
        return error.with_traceback(None)
    return None


def _quoted(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def _refused_one(parts: list[_Part], serialize: Serialize) -> _Part | None:
    """Return the first part that is refused, by halving: each step costs half of the last one."""
    while len(parts) > 1:
        half = parts[: len(parts) // 2]
        is_here = _refusal([part.trial for part in half], serialize) is not None
        parts = half if is_here else parts[len(half) :]
    return parts[0] if parts else None


def _is_refused_by_kind(value: Any, serialize: Serialize, refusal: Exception) -> bool:
    """Say whether an empty value of this kind is refused too: then no part of it is to blame."""
    kind = type(value)
    if hasattr(kind, "__del__"):
        return False  # It would be called for the empty one.
    base = next(one for one in _KINDS if isinstance(value, one))
    try:
        empty = base.__new__(kind)
    except TypeError:  # A kind made in C says that this is not safe.
        return False
    # Another error may come from a __getstate__ that misses attributes.
    return type(_refusal(empty, serialize)) is type(refusal)


def _parts(value: Any) -> Iterator[_Part]:
    if isinstance(value, dict):
        yield from (_Part(f"[{brief(key)}]", one, one) for key, one in value.items())
        yield from (_Part("", key, {key: None}, is_key=True) for key in value)
    elif isinstance(value, (list, tuple, deque)):
        yield from (_Part(f"[{index}]", one, one) for index, one in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from (_Part("{...}", one, one) for one in value)
    for name, one in _attributes(value).items():
        yield _Part(f".{name}", one, one)


def _attributes(value: Any) -> dict[str, Any]:
    """Return the attributes with which ``pickle`` would store a value."""
    if isinstance(value, MethodType):
        return {"__self__": value.__self__}
    if isinstance(value, partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    if isinstance(value, type) or type(value) in _KINDS:
        return {}
    found = {"args": value.args} if isinstance(value, BaseException) else {}
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:
        return found
    state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
    # With __slots__, the state is a pair: those in __dict__, those in slots.
    for some in state if isinstance(state, tuple) else (state,):
        if isinstance(some, dict):
            found.update(some)
    return found
