# SPDX-License-Identifier: MIT
"""The idle wait of a consumer: one connection that blocks at the server, and can be called back."""

from __future__ import annotations

from typing import Any

from huey_green.storage.redis.connect import Command, Link, raise_if_error

#: Longest single wait at the server, in seconds; ``fetch`` waits again. Each wait costs nine
#: commands. How soon a silent server is noticed does not hang on it: other connections are cut
#: off with the one that finds it silent.
LONGEST_WAIT = 30.0

#: Seconds that the connection allows beyond the wait that the server was asked for.
WAIT_MARGIN = 10.0


class Waiting:
    """Blocks at the server for one caller at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link.another(read_timeout=LONGEST_WAIT + WAIT_MARGIN)
        self._control = link
        self._client: int | None = None
        self._interrupted = False

    @property
    def breaks(self) -> int:
        """How often its connection broke, or one of those beside it."""
        return self._link.breaks + self._control.breaks

    def wait(self, before: Command, blocking: Command, after: Command) -> Any:
        """Carry out three commands, of which the second blocks; return the answer of the third.

        They are sent together: the server goes on to the third the moment the second is served,
        a round trip earlier than if we asked. Returns None when interrupted before it began.
        Raises ``ScriptMissing`` if one is a script that is not known.
        """
        if self._interrupted:
            self._interrupted = False
            return None
        # While a server is silent, nothing else would tell for as long as a wait may take.
        self._control.when_silent.append(self._link.cut)
        try:
            with self._link.conversation() as (_, answers):
                following = answers(("CLIENT", "ID"), before, blocking, after)
                client = next(following)
                self._client = client if isinstance(client, int) else None
                # All are read before any is judged, or the next call would take them for its own.
                rest = list(following)
                for answer in (client, *rest):
                    raise_if_error(answer)
                return rest[-1]
        finally:
            self._control.when_silent.remove(self._link.cut)
            self._client = None
            self._interrupted = False

    def interrupt(self) -> None:
        """End the wait under way, or the next one if it has not begun."""
        self._interrupted = True
        if self._client is not None:
            self._control.execute("CLIENT", "UNBLOCK", self._client)

    def close(self) -> None:
        """Close the connection; waiting again opens it again."""
        self._link.close()
