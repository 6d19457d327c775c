# SPDX-License-Identifier: MIT
"""huey's pickles: read without huey, and written so that every release since 2.0 reads them.

huey pickles its own classes by reference, and its ``Message`` has 10, 12, 14 or 15 fields as the
release may be; each reads its own number and no other. What is written here says instead: look
up ``Message``, and make one of as many of these values as it has fields.
"""

from __future__ import annotations

import pickle
import pkgutil
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from itertools import islice
from operator import getitem
from typing import Any

from huey_green import exceptions
from huey_green.exceptions import HueyException
from huey_green.stored import SKIPPED, Error, Skipped

#: The fields of huey's ``Message``, in order; a release has the first so many of them.
FIELDS = (
    *("id", "name", "eta", "retries", "retry_delay", "priority", "args", "kwargs"),
    *("on_complete", "on_error", "expires", "expires_resolved"),
    *("timeout", "chord_config", "retry_backoff"),
)

#: How many the oldest release had that is read.
FEWEST = 10

#: Values for fields that a later release may add.
_SPARE = (None,) * 8

#: huey's exceptions; another one of ours is a ``HueyException`` to it.
_EXCEPTIONS = frozenset(
    {
        "CancelExecution",
        "ConfigurationError",
        "HueyException",
        "RetryTask",
        "TaskException",
        "TaskLockedException",
    }
)


class _Named:
    """Something of huey's, by its name; to be pickled, and never called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> None:
        raise NotImplementedError(f"{self._name} is huey's")

    def __reduce__(self) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (self._name,)


class _Called:
    """A call, to be pickled: whoever unpickles it gets what the call returns."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


_MAKE = _Named("huey.registry:Message._make")
_NUMBER = _Called(len, _Named("huey.registry:Message._fields"))
_ERROR = _Named("huey.utils:Error")


class HueyMessage(tuple[Any, ...]):
    """huey's ``Message``, with as many of ``FIELDS`` as there are."""

    __slots__ = ()
    _fields = FIELDS

    def __new__(cls, *values: Any) -> HueyMessage:
        return super().__new__(cls, values)

    @classmethod
    def _make(cls, values: Iterable[Any]) -> HueyMessage:
        return cls(*values)

    def following(self) -> tuple[HueyMessage | None, ...]:
        """Return the messages that this one brings."""
        one = dict(zip(FIELDS, self, strict=False))
        place = one.get("chord_config")
        return one.get("on_complete"), one.get("on_error"), None if place is None else place[3]

    def __reduce__(self) -> tuple[Any, ...]:
        return _MAKE, (_Called(islice, (*self, *_SPARE), _NUMBER),)


class HueyError(tuple[Any, ...]):
    """huey's ``Error``: its only field is the metadata."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _ERROR, tuple(self)


class _ErrorRead:
    """What stands for huey's ``Error`` in a pickle that is read."""

    def __new__(cls, metadata: dict[str, Any]) -> Error:  # type: ignore[misc]
        return Error(metadata)


_COUNTERPARTS: dict[tuple[str, str], Any] = {
    ("huey.registry", "Message"): HueyMessage,
    ("huey.utils", "Error"): _ErrorRead,
    ("huey.utils", "SKIPPED"): SKIPPED,
}


def _counterpart(module: str, name: str) -> Any:
    """Return what stands here for something of huey's."""
    if (found := _COUNTERPARTS.get((module, name))) is not None:
        return found
    if module == "huey.exceptions":
        error = getattr(exceptions, name, None)
        if isinstance(error, type) and issubclass(error, HueyException):
            return error
    raise pickle.UnpicklingError(f"names {module}.{name}, which huey has and huey_green has not")


def _resolve_name(name: str) -> Any:
    """``pkgutil.resolve_name``, for a pickle that was written for huey."""
    module, _, path = name.partition(":")
    if not _is_huey(module):
        return pkgutil.resolve_name(name)
    first, *rest = path.split(".")
    found = _counterpart(module, first)
    for attribute in rest:
        found = getattr(found, attribute)
    return found


def _is_huey(module: str) -> bool:
    return module == "huey" or module.startswith("huey.")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if _is_huey(module):
            return _counterpart(module, name)
        if (module, name) == ("pkgutil", "resolve_name"):
            return _resolve_name
        return super().find_class(module, name)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is Error:
            return _ERROR, (value.metadata,)
        if kind is Skipped:
            return _Named("huey.utils:SKIPPED").__reduce__()
        if isinstance(value, HueyException) and kind.__module__ == exceptions.__name__:
            return _reduced(value)
        return NotImplemented


def _reduced(error: HueyException) -> tuple[Any, ...]:
    name = type(error).__name__
    if name == "TaskException":
        return _Named("huey.exceptions:TaskException"), (error.metadata, *error.args)  # type: ignore[attr-defined]
    if name in _EXCEPTIONS:
        return _Named(f"huey.exceptions:{name}"), error.args
    return _Named("huey.exceptions:HueyException"), (f"{name}: {error}",)


def loads(data: bytes) -> Any:
    """As ``pickle.loads``, with what stands here for huey's own classes; and as dangerous."""
    return _Unpickler(BytesIO(data)).load()


def dumps(value: Any, protocol: int | None = None) -> bytes:
    """As ``pickle.dumps``; what stands here for huey's classes becomes those."""
    if isinstance(value, HueyMessage) and any(value.following()):
        value = _Called(getitem, _innermost_first(value), -1)
    buffer = BytesIO()
    _Pickler(buffer, protocol).dump(value)
    return buffer.getvalue()


def _innermost_first(message: HueyMessage) -> tuple[HueyMessage, ...]:
    """Return a message behind all that follow it: so none is pickled inside of another.

    Python would give up inside of some hundred.
    """
    order = []
    left = [message]
    while left:
        order.append(left.pop())
        left += filter(None, order[-1].following())
    return tuple(reversed(order))


def names_huey(data: bytes) -> bool:
    """Say whether a pickle may name something of huey's."""
    return b"huey." in data


def dumping(protocol: int | None) -> Callable[[Any], bytes]:
    """Return ``dumps`` for one protocol."""
    return partial(dumps, protocol=protocol)
