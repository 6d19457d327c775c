# SPDX-License-Identifier: MIT
"""A native thread that had a hub leaves nothing of it behind."""

from __future__ import annotations

from patched import patched, unpatched


@unpatched
def test_a_native_thread_that_has_ended_leaves_no_hub():
    import gc

    from gevent.hub import Hub

    from huey_green.consumer.native import NativeThread

    for number in range(3):
        thread = NativeThread("short")
        assert thread.call(lambda value: value + 1, number) == number + 1
        thread.end()
    del thread
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Hub)] == []


@patched
def test_a_heartbeat_that_has_ended_leaves_no_hub():
    import gc

    from gevent import event, get_hub, sleep
    from gevent.hub import Hub

    from huey_green.consumer.heartbeat import Heartbeat

    beaten = event.Event()
    loop = get_hub().loop

    class Storage:
        def independent(self, patience=None):
            return self

        def extend(self, consumer, lease):
            sleep(0.001)  # As a socket that has no answer yet.
            loop.run_callback_threadsafe(beaten.set)

        def close(self):
            pass

    heartbeat = Heartbeat(Storage(), "consumer", 0.01)
    heartbeat.start()
    assert beaten.wait(30)
    heartbeat.stop()
    del heartbeat
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Hub)] == [get_hub()]


@patched
def test_a_call_in_a_native_thread_that_slept_leaves_no_hub():
    import gc
    import time

    from gevent import get_hub
    from gevent.hub import Hub

    from huey_green.native import NativePool

    for _ in range(3):
        pool = NativePool(2)
        assert pool.call(lambda: time.sleep(0.001) or 7) == 7
        assert pool.call(lambda: 8) == 8
        pool.close()
    del pool
    gc.collect()
    assert [one for one in gc.get_objects() if isinstance(one, Hub)] == [get_hub()]
