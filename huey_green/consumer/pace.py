# SPDX-License-Identifier: MIT
"""How a consumer gives way to what else runs in its event loop: the requests of a web server."""

from __future__ import annotations

from gevent.hub import Waiter, get_hub

from huey_green import clock

#: Seconds for which tasks are begun until the event loop has a turn.
SLICE = 0.0005

#: Seconds: the longest pause is as for a slice of that length. A task that held the event loop
#: for a second has no second of its own to be made up for.
LONGEST = 0.02

#: Most deliveries of one fetch, and most settlements of one round trip: what is done with them
#: is done in one go.
AT_ONCE = 10


class Pace:
    """Begins tasks for a slice, then rests until nothing else has anything to do.

    While others have, tasks go on after a pause all the same, so that ``share`` of the time is
    theirs: with 1 the event loop has one turn between slices, with 0.5 as much time as they had.
    """

    at_once = AT_ONCE

    def __init__(self, share: float) -> None:
        self._rest_share = (1 - share) / share
        self._began_at = clock.monotonic()

    def is_spent(self) -> bool:
        """Say whether the slice is over."""
        return clock.monotonic() - self._began_at > SLICE

    def rest(self) -> None:
        """Wait for others; the next slice begins with the end of it.

        ``gevent.sleep(0)`` would not do: the event loop looks at sockets only after fifty of
        those, or 5 ms. An idle watcher is called when it has looked and nothing was there.
        """
        used = min(clock.monotonic() - self._began_at, LONGEST)
        hub = get_hub()
        idle, timer = hub.loop.idle(), hub.loop.timer(used * self._rest_share)
        waiter: Waiter[None] = Waiter(hub)
        try:
            idle.start(waiter.switch, None)
            timer.start(waiter.switch, None, update=True)
            waiter.get()
        finally:
            idle.close()
            timer.close()
            self._began_at = clock.monotonic()
