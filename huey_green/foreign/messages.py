# SPDX-License-Identifier: MIT
"""huey's messages as ``wire`` has its own: what is in them is checked there, as of any other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from huey_green import clock
from huey_green.exceptions import UnreadableMessage
from huey_green.foreign.pickles import FEWEST, FIELDS, HueyMessage
from huey_green.limits import DEEPEST, MOST_TASKS, too_many


def is_huey(found: Any) -> bool:
    """Say whether something has the form of huey's messages; a format may make it a list."""
    return (
        isinstance(found, (tuple, list))
        and len(found) >= FEWEST
        and isinstance(found[0], str)
        and isinstance(found[1], str)
        and isinstance(found[6], (tuple, list))
        and isinstance(found[7], dict)
    )


def is_message_class(value: Any) -> bool:
    """Say whether a value is of huey's own class of messages, or of what stands for it here."""
    return isinstance(value, HueyMessage) or _is_of(value, "huey.registry", "Message")


def is_error_class(value: Any) -> bool:
    """Say whether a value is of huey's own class of errors, where huey is installed."""
    return _is_of(value, "huey.utils", "Error")


def _is_of(value: Any, module: str, name: str) -> bool:
    kind = type(value)
    return kind.__module__ == module and kind.__name__ == name


def plain_of(found: Any, version: str, utc: bool) -> tuple[Any, ...]:
    """Return a message of huey's, and what follows it, in the form of ours of this ``version``.

    Its naive datetimes are in UTC or in local time. Raises ``UnreadableMessage``.
    """
    return _Conversion(version, utc).plain(found, 0)


class _Conversion:
    def __init__(self, version: str, utc: bool) -> None:
        self._version = version
        self._utc = utc
        self._count = 0

    def plain(self, found: Any, depth: int) -> tuple[Any, ...]:
        self._count += 1
        if depth >= DEEPEST or self._count > MOST_TASKS:
            raise UnreadableMessage(too_many())
        if not is_huey(found):
            raise UnreadableMessage(
                f"brings a {type(found).__name__} where a message of huey's would follow"
            )
        one = dict(zip(FIELDS, found, strict=False))
        return (
            self._version,
            *(one["id"], one["name"], one["args"], one["kwargs"]),
            self._moment(one["eta"], "eta"),
            *(one["retries"], one["retry_delay"], one["priority"]),
            self._following(one["on_complete"], depth),
            self._following(one["on_error"], depth),
            self._options(one, depth),
        )

    def _following(self, found: Any, depth: int) -> tuple[Any, ...] | None:
        return None if found is None else self.plain(found, depth + 1)

    def _options(self, one: dict[str, Any], depth: int) -> dict[str, Any]:
        options: dict[str, Any] = {"by_huey": True}
        expires, resolved = one.get("expires"), one.get("expires_resolved")
        if isinstance(expires, (datetime, str)):
            resolved = expires if resolved is None else resolved
        elif expires is not None:
            options["expires"] = clock.time_to_live(expires)
        if resolved is not None:
            options["expires_at"] = self._moment(resolved, "expires_resolved")
        for name in ("timeout", "retry_backoff"):
            if one.get(name):
                options[name] = one[name]
        if (place := one.get("chord_config")) is not None:
            if not isinstance(place, (tuple, list)) or len(place) != 4:
                raise UnreadableMessage("has a chord_config that is not of 4 parts")
            chord, size, position, callback = place
            following = self.plain(callback, depth + 1)
            # huey gives the callback the values when it enqueues it; here it asks for them.
            following[-1]["joins"] = (chord, size)
            options["chord"] = (chord, position, size, following)
        return options

    def _moment(self, value: Any, field: str) -> Any:
        """Return a moment in epoch seconds; formats without datetimes have it as ISO text."""
        try:
            if isinstance(value, str):
                value = datetime.fromisoformat(value)
            return clock.to_epoch(value, self._utc) if isinstance(value, datetime) else value
        except (ValueError, OverflowError, OSError) as error:
            raise UnreadableMessage(f"has an {field} that is no moment: {error}") from error
