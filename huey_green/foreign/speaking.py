# SPDX-License-Identifier: MIT
"""A serializer that writes what huey reads: its messages, its errors, its revocations."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green import signals as s
from huey_green.exceptions import ConfigurationError, MessageRefused
from huey_green.foreign.pickles import HueyError, HueyMessage, dumping, loads
from huey_green.limits import MAX_MESSAGE_SIZE
from huey_green.message import Place
from huey_green.serializer import Serializer, SignedSerializer
from huey_green.wire import SKIPPED, error_in, is_plain_message, is_skipped

#: What ``wire`` of a Huey may be, and whether that huey has timeouts, back-off and chords.
WIRES = {"huey": True, "huey2": False}

#: The moment until which a canceled task is revoked: huey takes it for a far one, we know it.
_CANCELED_UNTIL = datetime.max


class HueySpeaking(Serializer):
    """Has ``serializer`` write for huey, and read what that writes.

    ``is_huey3`` says whether the huey on the other side has timeouts, back-off and chords;
    ``priorities`` whether its storage knows them, for huey refuses to enqueue them in another.
    """

    def __init__(self, serializer: Serializer, is_huey3: bool, utc: bool, priorities: bool) -> None:
        super().__init__()
        self._inner = _writing_pickles_for_huey(serializer)
        self._is_huey3 = is_huey3
        self._priorities = priorities
        self.utc = utc
        self.max_size = getattr(serializer, "max_size", MAX_MESSAGE_SIZE)

    def serialize(self, data: Any) -> bytes:
        """Return ``data`` as bytes; one of our messages, or an error, as huey has it."""
        if is_plain_message(data):
            data = self._message(data)
        elif (metadata := error_in(data)) is not None:
            data = HueyError((metadata,))
        elif is_skipped(data):
            data = SKIPPED
        return self._inner.serialize(data)

    def deserialize(self, data: bytes) -> Any:
        """Return what ``serialize`` of huey, or of one like this, was given."""
        return self._inner.deserialize(data)

    def _message(self, plain: tuple[Any, ...]) -> HueyMessage:
        (_, id_, name, args, kwargs, eta, retries, retry_delay, priority, complete, failed) = plain[
            :11
        ]
        options: dict[str, Any] = plain[11] if len(plain) > 11 else {}
        self._refuse_unknown(options)
        joins = options.get("joins")
        if joins is not None and joins[1] == 0:
            args = (*args, [])  # The values of a chord without members.
        expires_at = options.get("expires_at")
        resolved = None if expires_at is None else clock.from_epoch(expires_at, self.utc)
        return HueyMessage(
            id_,
            name,
            None if eta is None else clock.from_epoch(eta, self.utc),
            retries,
            retry_delay,
            priority if self._priorities else None,
            args,
            kwargs,
            None if complete is None else self._message(complete),
            None if failed is None else self._message(failed),
            options.get("expires", resolved),
            resolved,
            options.get("timeout"),
            self._place(options),
            options.get("retry_backoff", 0),
        )

    def _place(self, options: dict[str, Any]) -> tuple[Any, ...] | None:
        if "chord" not in options:
            return None
        place = Place(*options["chord"])
        return place.chord, place.size, place.position, self._message(place.callback)

    def _refuse_unknown(self, options: dict[str, Any]) -> None:
        if "claim" in options:
            raise MessageRefused(f"is unique or debounced, {_WHICH_HUEY_IS_NOT}")
        if self._is_huey3:
            return
        for option, what in (
            ("timeout", "a timeout"),
            ("retry_backoff", "a retry_backoff"),
            ("chord", "a place in a chord"),
            ("joins", "a place in a chord"),
        ):
            if option in options:
                raise MessageRefused(
                    f"has {what}, which huey 2 does not know: leave it out, or take wire='huey' "
                    "if the other side is huey 3"
                )


_WHICH_HUEY_IS_NOT = (
    "which huey does not know: leave it out as long as Huey has wire='huey' or 'huey2'"
)


def refuse_declared(name: str, task_class: Any, is_huey3: bool) -> None:
    """Raise ``ConfigurationError`` for a task with options that huey could not keep."""
    for option in ("unique", "debounce", "max_concurrency", "result_ttl"):
        if getattr(task_class, option) not in (None, False):
            raise ConfigurationError(f"task {name} has {option}, {_WHICH_HUEY_IS_NOT}")
    for option in () if is_huey3 else ("timeout", "retry_backoff"):
        if getattr(task_class, f"default_{option}"):
            raise ConfigurationError(
                f"task {name} has {option}, which huey 2 does not know: leave it out, or take "
                "wire='huey' if the other side is huey 3"
            )


def _writing_pickles_for_huey(serializer: Serializer) -> Serializer:
    """Return a copy that pickles, and signs, as huey does; a user's own format stays what it is."""
    inner = copy(serializer)
    kind = type(inner)
    if getattr(kind, "_serialize", None) is Serializer._serialize:
        inner._serialize = dumping(inner.pickle_protocol)  # type: ignore[assignment, method-assign]
    if getattr(kind, "_deserialize", None) is Serializer._deserialize:
        inner._deserialize = loads  # type: ignore[method-assign]
    if isinstance(inner, SignedSerializer):
        inner.sign_as_huey()
    return inner


class Marks:
    """A serializer of revocation marks: huey's are a naive datetime, or None, and a flag."""

    def __init__(self, serializer: Serializer, utc: bool) -> None:
        self._serializer = serializer
        self._utc = utc

    def serialize(self, mark: tuple[Any, ...]) -> bytes:
        """Return a mark as huey has it."""
        ends_at, once, *signal = mark
        until = None if ends_at is None else clock.from_epoch(ends_at, self._utc)
        if signal == [s.SIGNAL_CANCELED]:
            until = _CANCELED_UNTIL
        return self._serializer.serialize((until, once))

    def deserialize(self, data: bytes) -> tuple[Any, ...]:
        """Return a mark as we have it."""
        until, once = self._serializer.deserialize(data)
        if until == _CANCELED_UNTIL:
            return None, True, s.SIGNAL_CANCELED
        return (None if until is None else clock.to_epoch(until, self._utc)), once


__all__ = ["WIRES", "HueySpeaking", "Marks", "refuse_declared"]
