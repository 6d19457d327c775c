# SPDX-License-Identifier: MIT
"""What stands in place of a value where a task has none: it failed, or was not run."""

from __future__ import annotations

from typing import Any


class Error:
    """The stored result of a task that failed; ``metadata`` is what ``TaskException`` carries."""

    # Named as it always was: pickles name it.
    __module__ = "huey_green.wire"
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

    __module__ = "huey_green.wire"
    __slots__ = ()

    def __repr__(self) -> str:
        return "SKIPPED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "SKIPPED"


#: The only one there is: compare with ``is``.
SKIPPED = Skipped()
