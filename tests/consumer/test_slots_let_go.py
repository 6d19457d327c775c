# SPDX-License-Identifier: MIT
"""What a quiet consumer lets go of is gone at once, and not only when the next is let go."""

from __future__ import annotations

from patched import eventually, patched


@patched
def test_a_greenlet_that_was_idle_for_long_leaves_nothing_behind():
    import gc
    import weakref

    import gevent

    from huey_green.consumer import slots as module
    from huey_green.message import Delivery

    module.IDLE = 1.0
    slots = module.Slots(3, lambda delivery: gevent.sleep(0.01))
    slots.put([Delivery(b"1"), Delivery(b"2"), Delivery(b"3")])
    eventually(lambda: len(slots._parked) == 3, "three idle greenlets")
    idle = [weakref.ref(one) for one in slots._parked]
    eventually(lambda: not slots._greenlets, "their end")
    gc.collect()
    assert [one() for one in idle] == [None] * 3
