# SPDX-License-Identifier: MIT
"""A consumer whose clock is wrong runs tasks when the storage's clock says so."""

from __future__ import annotations

import pytest
from patched import eventually, patched


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_consumer_whose_clock_is_an_hour_off_is_neither_early_nor_late(ahead, url, name):
    _test_a_clock(ahead=ahead, url=url, name=name)


@patched
def _test_a_clock(ahead, url, name):
    import logging
    import time

    from huey_green import RedisHuey, clock

    logging.disable()
    huey = RedisHuey(name, url=url)
    ran = {}

    @huey.task()
    def note(what):
        ran.setdefault(what, []).append(time.time())
        return what

    @huey.task(retries=1, retry_delay=0.3)
    def fails_once(what):
        ran.setdefault(what, []).append(time.time())
        if len(ran[what]) == 1:
            raise ValueError(what)
        return what

    begins_at = time.time()
    handles = [note.schedule(("later",), delay=0.5), note("now", expires=600), fails_once("twice")]
    clock.wall = lambda: time.time() + ahead
    consumer = huey.create_consumer(workers=5, periodic=False)
    consumer.start()
    values = [handle.get(blocking=True, timeout=20, preserve=True) for handle in handles[:2]]
    assert values == ["later", "now"]
    eventually(lambda: len(ran.get("twice", ())) >= 2, "the retry")
    consumer.stop(graceful=True)
    assert len(ran["later"]) == len(ran["now"]) == 1
    assert ran["later"][0] >= begins_at + 0.5
    assert ran["twice"][1] - ran["twice"][0] >= 0.3
    huey.storage.close()
