# SPDX-License-Identifier: MIT
"""What is on disk: messages, results and revocations as plain values for the serializer.

Only tuples, dicts, strings and numbers are handed to the serializer beside the user's own
values, so that any format which carries those can be used.
"""

from __future__ import annotations

from typing import Any

from huey_green.envelope import fault, fault_of_eta, is_sound, plain_number, shown
from huey_green.exceptions import (
    HueyException,
    MessageRefused,
    SerializationError,
    UnreadableMessage,
    UnreadableValue,
)
from huey_green.foreign import messages as foreign
from huey_green.limits import (
    CHORD_DEPTH,
    DEEPEST,
    MAX_MESSAGE_SIZE,
    MOST_TASKS,
    check_following,
    shortened,
    too_large,
    too_many,
)
from huey_green.message import Joined, Message, Options, Place
from huey_green.offender import find_offender, repr_of
from huey_green.serializer import Serializer
from huey_green.stored import SKIPPED, Error, Skipped

#: The first element of every message; it changes when the rest does.
VERSION = "hg1"

#: How many elements a message has; one more when it has options.
_LENGTH = 11

#: The key that marks a stored value as a task's error.
_ERROR = "huey_green.error"

#: The key that marks the value of a chord's member that was not run.
_SKIPPED = "huey_green.skipped"

#: The key under which a value is stored that could be taken for a message.
_VALUE = "huey_green.value"

#: What stands before a message in huey's sorted sets: eight bytes of time, which begin with zero.
_TIME_SIZE, _BEFORE_TIME = 8, b"\0"

#: Characters of an error that are quoted in the reason of a dead letter.
_QUOTED = 500


def encode_message(serializer: Serializer, message: Message) -> bytes:
    """Return ``message`` as bytes; raises ``SerializationError`` naming task and argument.

    Raises ``MessageRefused``, which is one and an ``InvalidArgument`` too, for one that is too
    large, brings too many others or has a field that ``decode_message`` would not take.
    """
    if message.on_complete is not None or message.on_error is not None or message.options:
        check_following(message, _following)
    try:
        data = serializer.serialize(_plain(message))
    except MessageRefused as error:
        raise MessageRefused(f"task {shown(message.name)} {error}") from None
    except Exception as error:
        name, what = _blamed(serializer, message) or (message.name, repr(error))
        raise SerializationError(
            f"the arguments of task {name} cannot be serialized: {what}"
        ) from error
    if len(data) > (largest := _max_size(serializer)):
        raise MessageRefused(
            f"task {message.name} with its arguments {too_large(len(data), largest)}"
        )
    return data


def _max_size(serializer: Serializer) -> int:
    try:
        return serializer.max_size
    except AttributeError:  # A user's own serializer need not be one of ours.
        return MAX_MESSAGE_SIZE


def _following(message: Message) -> tuple[Message | None, ...]:
    """Return the messages that a message brings."""
    place = None if message.options is None else message.options.chord
    return message.on_complete, message.on_error, place and place.callback


def _blamed(serializer: Serializer, message: Message) -> tuple[str, str] | None:
    """Return which task's argument it is, of this one and those that follow, and what is wrong."""
    for argument, value in (("args", message.args), ("kwargs", message.kwargs)):
        found = find_offender(value, serializer.serialize)
        if found is not None:
            return message.name, argument + found
    blamed = (_blamed(serializer, one) for one in _following(message) if one is not None)
    return next(filter(None, blamed), None)


def decode_message(serializer: Serializer, body: bytes) -> Message:
    """Return the message in ``body``; raises ``UnreadableMessage`` for anything else.

    One that huey itself has written is read as well. What is larger than ``max_message_size`` is
    not looked into.
    """
    if len(body) > (largest := _max_size(serializer)):
        raise UnreadableMessage(too_large(len(body), largest))
    try:
        return _message(serializer.deserialize(body))
    except _NotOurs as other:
        if not foreign.is_huey(other.plain):
            raise
        utc = getattr(serializer, "utc", True)
        return _message(foreign.plain_of(other.plain, VERSION, utc), _Reading())
    except UnreadableMessage:
        raise
    except (Exception, SystemExit) as error:
        # SystemExit: unpickling imports modules, and a script without a main guard may exit.
        if body[:1] == _BEFORE_TIME:
            return decode_message(serializer, body[_TIME_SIZE:].lstrip(_BEFORE_TIME))
        raise UnreadableMessage(
            f"cannot be deserialized: {shortened(repr_of(error), _QUOTED)}"
        ) from error


def _plain(message: Message) -> tuple[Any, ...]:
    if not is_sound(message):
        wrong = fault(message)
        if wrong is not None:
            raise MessageRefused(wrong)
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


class _NotOurs(UnreadableMessage):
    """What was deserialized, ``plain``, is no message in our format."""

    def __init__(self, plain: Any) -> None:
        super().__init__(_not_ours(plain))
        self.plain = plain


class _Reading:
    """How far one body has been read: what is in it may stand there many times over."""

    __slots__ = ("count", "depth")

    def __init__(self) -> None:
        self.count = self.depth = 0

    def follow(self, plain: Any, deeper: int = 1) -> Message | None:
        """Return the message that follows the present one, if one does."""
        if plain is None:
            return None
        self.count += 1
        self.depth += deeper
        if self.depth >= DEEPEST or self.count >= MOST_TASKS:
            raise UnreadableMessage(too_many())
        message = _message(plain, self)
        self.depth -= deeper
        return message


def _message(plain: Any, reading: _Reading | None = None) -> Message:
    options = None
    if isinstance(plain, (tuple, list)) and len(plain) == _LENGTH + 1:
        *plain, options = plain
    if not isinstance(plain, (tuple, list)) or len(plain) != _LENGTH or plain[0] != VERSION:
        whole = plain if options is None else [*plain, options]
        raise _NotOurs(whole) if reading is None else UnreadableMessage(_not_ours(whole))
    (_, id_, name, args, kwargs, eta, retries, retry_delay, priority, complete, failed) = plain
    if isinstance(args, list):
        args = tuple(args)
    message = Message(id_, name, args, kwargs, eta, retries, retry_delay, priority)
    if complete is not None or failed is not None or options is not None:
        reading = reading or _Reading()
        message = message._replace(
            on_complete=reading.follow(complete),
            on_error=reading.follow(failed),
            options=None if options is None else _options(options, reading),
        )
    return message if is_sound(message) else _checked(message)


def _checked(message: Message) -> Message:
    wrong = fault_of_eta(message) or fault(message)
    if wrong is not None:
        raise UnreadableMessage(wrong)
    return message._replace(
        eta=plain_number(message.eta),
        retries=plain_number(message.retries),
        retry_delay=plain_number(message.retry_delay),
        priority=plain_number(message.priority),
    )


def _not_ours(plain: Any) -> str:
    what = f"is not a message of huey_green (format {VERSION}) but a {type(plain).__name__}"
    if not isinstance(plain, (tuple, list)) or not plain:
        return what
    if plain[0] == VERSION:
        return f"{what} of {len(plain)} fields, not {_LENGTH} or {_LENGTH + 1}"
    return f"{what} that begins with {shown(plain[0])}"


def _options(plain: Any, reading: _Reading) -> Options:
    if not isinstance(plain, dict):
        raise UnreadableMessage(f"has the options {shown(plain)}, which are no dict")
    options = Options(**{name: plain[name] for name in Options._fields if name in plain})
    if options.chord is not None:
        chord, position, size, callback = _parts(options.chord, 4, "chord")
        following = reading.follow(callback, CHORD_DEPTH)
        if following is None:
            raise UnreadableMessage("has a place in a chord without a callback")
        place = Place(chord, plain_number(position), plain_number(size), following)
        options = options._replace(chord=place)
    if options.joins is not None:
        chord, size = _parts(options.joins, 2, "joins")
        options = options._replace(joins=Joined(chord, plain_number(size)))
    return options


def _parts(plain: Any, count: int, option: str) -> tuple[Any, ...]:
    if not isinstance(plain, (tuple, list)) or len(plain) != count:
        raise UnreadableMessage(f"has the option {option} {shown(plain)}, not of {count} parts")
    return tuple(plain)


def encode_value(serializer: Serializer, value: Any) -> bytes:
    """Return a result or another stored value as bytes; raises ``SerializationError``."""
    plain = value
    if isinstance(value, Error):
        plain = {_ERROR: value.metadata}
    elif value is SKIPPED:
        plain = {_SKIPPED: True}
    elif is_plain_message(value):
        # A task may return what others have composed. Signed as it is, they could enqueue it.
        plain = {_VALUE: value}
    try:
        data = serializer.serialize(plain)
    except MessageRefused as error:
        raise MessageRefused(f"a value of type {type(value).__name__} {error}") from None
    except Exception as error:
        path = find_offender(value, serializer.serialize)
        raise SerializationError(
            f"a value of type {type(value).__name__} cannot be serialized: "
            f"{'value' + path if path else repr(error)}"
        ) from error
    if len(data) > (largest := _max_size(serializer)):
        raise MessageRefused(
            f"a value of type {type(value).__name__} {too_large(len(data), largest)}"
        )
    return data


def decode_value(serializer: Serializer, data: bytes) -> Any:
    """Return the value in ``data``, a task's error as ``Error``.

    Raises ``UnreadableValue`` for what no serializer like this one has written.
    """
    try:
        value = serializer.deserialize(data)
    except HueyException:
        raise  # A signature says itself what is wrong with it.
    except (Exception, SystemExit) as error:
        raise UnreadableValue(
            f"the stored value, {len(data):,} bytes that begin with {shown(bytes(data[:20]))}, "
            f"cannot be deserialized: {shortened(repr_of(error), _QUOTED)}"
        ) from error
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(metadata := value.get(_ERROR), dict):
            return Error(metadata)
        if _SKIPPED in value:
            return SKIPPED
        if is_plain_message(value.get(_VALUE)):
            return value[_VALUE]
    elif isinstance(value, tuple) and foreign.is_error_class(value):
        return Error(value[0])
    if is_plain_message(value) or foreign.is_message_class(value):
        raise UnreadableValue("the stored value is a message: somebody has put it there")
    return value


def error_in(plain: Any) -> dict[str, Any] | None:
    """Return the metadata of a stored error, None for another value; of what a serializer gets."""
    metadata = plain.get(_ERROR) if isinstance(plain, dict) and len(plain) == 1 else None
    return metadata if isinstance(metadata, dict) else None


def is_skipped(plain: Any) -> bool:
    """Say whether what a serializer gets stands for a member that was not run."""
    return isinstance(plain, dict) and len(plain) == 1 and _SKIPPED in plain


def is_plain_message(value: Any) -> bool:
    """Say whether a value looks like a message as a serializer gets it."""
    return (
        isinstance(value, (tuple, list))
        and len(value) in (_LENGTH, _LENGTH + 1)
        and isinstance(value[0], str)
        and value[0] == VERSION
    )


__all__ = [
    "SKIPPED",
    "VERSION",
    "Error",
    "Skipped",
    "decode_message",
    "decode_value",
    "encode_message",
    "encode_value",
    "error_in",
    "is_plain_message",
    "is_skipped",
]
