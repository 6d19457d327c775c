# SPDX-License-Identifier: MIT
"""What is on disk: messages, results and revocations as plain values for the serializer.

Only tuples, dicts, strings and numbers are handed to the serializer beside the user's own
values, so that any format which carries those can be used.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from huey_green.exceptions import SerializationError, UnreadableMessage
from huey_green.message import Joined, Message, Options, Place
from huey_green.offender import find_offender
from huey_green.serializer import Serializer

#: The first element of every message; it changes when the rest does.
VERSION = "hg1"

#: How many elements a message has; one more when it has options.
_LENGTH = 11

#: The key that marks a stored value as a task's error.
_ERROR = "huey_green.error"

#: The key that marks the value of a chord's member that was not run.
_SKIPPED = "huey_green.skipped"

# Real: an option may have been computed with numpy. It comes last because it is slow.
_WHOLE: tuple[type[Any], ...] = (int, Integral)
_NUMBER: tuple[type[Any], ...] = (float, int, Real)
_NUMBER_OR_NONE: tuple[type[Any], ...] = (float, int, type(None), Real)


def encode_message(serializer: Serializer, message: Message) -> bytes:
    """Return ``message`` as bytes; raises ``SerializationError`` naming task and argument."""
    try:
        return serializer.serialize(_plain(message))
    except Exception as error:
        name, what = _blamed(serializer, message) or (message.name, repr(error))
        raise SerializationError(
            f"the arguments of task {name} cannot be serialized: {what}"
        ) from error


def _blamed(serializer: Serializer, message: Message) -> tuple[str, str] | None:
    """Return which task's argument it is, of this one and those that follow, and what is wrong."""
    for argument, value in (("args", message.args), ("kwargs", message.kwargs)):
        found = find_offender(value, serializer.serialize)
        if found is not None:
            return message.name, argument + found
    place = None if message.options is None else message.options.chord
    following = (message.on_complete, message.on_error, place and place.callback)
    blamed = (_blamed(serializer, one) for one in following if one is not None)
    return next(filter(None, blamed), None)


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
    *values, on_complete, on_error, options = message
    plain = (
        VERSION,
        *values,
        None if on_complete is None else _plain(on_complete),
        None if on_error is None else _plain(on_error),
    )
    return plain if options is None else (*plain, _plain_options(options))


def _plain_options(options: Options) -> dict[str, Any]:
    plain = {name: value for name, value in options._asdict().items() if value}
    if options.chord is not None:
        *place, callback = options.chord
        plain["chord"] = (*place, _plain(callback))
    if options.joins is not None:
        plain["joins"] = tuple(options.joins)
    return plain


def _message(plain: Any) -> Message:
    options = None
    if isinstance(plain, (tuple, list)) and len(plain) == _LENGTH + 1:
        *plain, options = plain
    if not isinstance(plain, (tuple, list)) or len(plain) != _LENGTH or plain[0] != VERSION:
        raise UnreadableMessage(
            f"is not a message of huey_green (format {VERSION}) but a {type(plain).__name__}"
        )
    (_, id_, name, args, kwargs, eta, retries, retry_delay, priority, complete, failed) = plain
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
        None if complete is None else _message(complete),
        None if failed is None else _message(failed),
        None if options is None else _options(options),
    )


def _options(plain: dict[str, Any]) -> Options:
    options = Options(**{name: plain[name] for name in Options._fields if name in plain})
    if options.chord is not None:
        chord, index, size, callback = options.chord
        options = options._replace(chord=Place(chord, index, size, _message(callback)))
    if options.joins is not None:
        options = options._replace(joins=Joined(*options.joins))
    return options


class Error:
    """The stored result of a task that failed; ``metadata`` is what ``TaskException`` carries."""

    __slots__ = ("metadata",)

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"<Error: {self.metadata.get('error')}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and self.metadata == other.metadata

    __hash__ = None  # type: ignore[assignment]


class Skipped:
    """What a chord's callback gets in place of the value of a member that was not run."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SKIPPED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "SKIPPED"


#: The only one there is: compare with ``is``.
SKIPPED = Skipped()


def encode_value(serializer: Serializer, value: Any) -> bytes:
    """Return a result or another stored value as bytes; raises ``SerializationError``."""
    plain = value
    if isinstance(value, Error):
        plain = {_ERROR: value.metadata}
    elif value is SKIPPED:
        plain = {_SKIPPED: True}
    try:
        return serializer.serialize(plain)
    except Exception as error:
        path = find_offender(value, serializer.serialize)
        raise SerializationError(
            f"a value of type {type(value).__name__} cannot be serialized: "
            f"{'value' + path if path else repr(error)}"
        ) from error


def decode_value(serializer: Serializer, data: bytes) -> Any:
    """Return the value in ``data``, a task's error as ``Error``."""
    value = serializer.deserialize(data)
    if isinstance(value, dict) and len(value) == 1:
        if _ERROR in value:
            return Error(value[_ERROR])
        if _SKIPPED in value:
            return SKIPPED
    return value
