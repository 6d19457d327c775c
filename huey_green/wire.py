# SPDX-License-Identifier: MIT
"""What is on disk: messages, results and revocations as plain values for the serializer.

Only tuples, dicts, strings and numbers are handed to the serializer beside the user's own
values, so that any format which carries those can be used.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from huey_green.exceptions import SerializationError, UnreadableMessage
from huey_green.message import Message
from huey_green.serializer import Serializer

#: The first element of every message; it changes when the rest does.
VERSION = "hg1"

#: The key that marks a stored value as a task's error.
_ERROR = "huey_green.error"

# Real: an option may have been computed with numpy. It comes last because it is slow.
_WHOLE: tuple[type[Any], ...] = (int, Integral)
_NUMBER: tuple[type[Any], ...] = (float, int, Real)
_NUMBER_OR_NONE: tuple[type[Any], ...] = (float, int, type(None), Real)


def encode_message(serializer: Serializer, message: Message) -> bytes:
    """Return ``message`` as bytes; raises ``SerializationError`` naming the task."""
    try:
        return serializer.serialize(_plain(message))
    except Exception as error:
        raise SerializationError(
            f"the arguments of task {message.name} cannot be serialized: {error!r}"
        ) from error


def decode_message(serializer: Serializer, body: bytes) -> Message:
    """Return the message in ``body``; raises ``UnreadableMessage`` for anything else."""
    try:
        return _message(serializer.deserialize(body))
    except UnreadableMessage:
        raise
    except (Exception, SystemExit) as error:
        # SystemExit: unpickling imports modules, and a script without a main guard may exit.
        raise UnreadableMessage(f"cannot be deserialized: {error!r}") from error


def _plain(message: Message) -> tuple[Any, ...]:
    return (
        VERSION,
        *message[:-2],
        None if message.on_complete is None else _plain(message.on_complete),
        None if message.on_error is None else _plain(message.on_error),
    )


def _message(plain: Any) -> Message:
    if not isinstance(plain, (tuple, list)) or len(plain) != 11 or plain[0] != VERSION:
        raise UnreadableMessage(
            f"is not a message of huey_green (format {VERSION}) but a {type(plain).__name__}"
        )
    _, id_, name, args, kwargs, *options, on_complete, on_error = plain
    eta, retries, retry_delay, priority = options
    if not (
        isinstance(id_, str)
        and isinstance(name, str)
        and isinstance(args, (tuple, list))
        and isinstance(kwargs, dict)
        and isinstance(eta, _NUMBER_OR_NONE)
        and isinstance(retries, _WHOLE)
        and isinstance(retry_delay, _NUMBER)
        and isinstance(priority, _NUMBER_OR_NONE)
    ):
        raise UnreadableMessage("has fields of the wrong type")
    return Message(
        id_,
        name,
        tuple(args),
        kwargs,
        eta,
        retries,
        retry_delay,
        priority,
        None if on_complete is None else _message(on_complete),
        None if on_error is None else _message(on_error),
    )


class Error:
    """The stored result of a task that failed; ``metadata`` is what ``TaskException`` carries."""

    __slots__ = ("metadata",)

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"<Error: {self.metadata.get('error')}>"


def encode_value(serializer: Serializer, value: Any) -> bytes:
    """Return a result or another stored value as bytes; raises ``SerializationError``."""
    plain = {_ERROR: value.metadata} if isinstance(value, Error) else value
    try:
        return serializer.serialize(plain)
    except Exception as error:
        raise SerializationError(
            f"a value of type {type(value).__name__} cannot be serialized: {error!r}"
        ) from error


def decode_value(serializer: Serializer, data: bytes) -> Any:
    """Return the value in ``data``, a task's error as ``Error``."""
    value = serializer.deserialize(data)
    if isinstance(value, dict) and len(value) == 1 and _ERROR in value:
        return Error(value[_ERROR])
    return value
