# SPDX-License-Identifier: MIT
"""Does by hand, one at a time, what a consumer does: for tests that say when what happens."""

from huey_green import clock
from huey_green.message import Settlement

#: Seconds after which a test gives up waiting for a result; none that passes comes near.
PATIENCE = 30.0

#: The name under which tasks are leased here.
NAME = "by hand"


def run_one(huey):
    """Fetch one message, run its task and settle it; say whether there was one."""
    deliveries = huey.storage.fetch(NAME, 1)
    for delivery in deliveries:
        if delivery.attempt > 1:
            huey.storage.begin(NAME, deliveries)
        outcome = huey.executor.run(delivery)
        assert huey.storage.settle(NAME, [Settlement(delivery, outcome.effects)]) == []
        for event in outcome.events:
            huey.signals.send(*event)
    return bool(deliveries)


def run_all(huey):
    """Run all that is ready, and what becomes ready by that; return how many messages it were."""
    count = 0
    while run_one(huey):
        count += 1
    return count


def promote(huey):
    """Move what is due from the schedule to the queue; return how many messages it were."""
    return huey.storage.promote(
        now=clock.wall(), priority_of=lambda body: huey.deserialize_task(body).priority
    ).moved


def takes_results(huey):
    """Say whether reading a result takes it out of the store: not where it expires by itself."""
    return not hasattr(huey.storage, "expire_time")


def unread_results(huey):
    """Return the results that are still there to be read, where reading takes them away."""
    return huey.all_results() if takes_results(huey) else {}
