# SPDX-License-Identifier: MIT
"""Bad messages and bad values in a consumer, among good ones, which they do not disturb."""

import struct

import pytest
from driving import PATIENCE

from huey_green import TaskException
from huey_green.message import Message
from huey_green.testing.concurrency import eventually
from huey_green.wire import encode_message


def test_whatever_is_bad_says_why_and_leaves_the_good_alone(huey, start, add):
    @huey.task()
    def unserializable():
        return {"answer": [1, lambda: 2]}

    @huey.task()
    def forgotten():
        raise AssertionError

    @huey.task()
    def careless():
        raise RuntimeError("careless")

    good, bad = [], []
    for number in range(50):
        good.append(add(number, 1))
        if number % 10 == 0:
            huey.storage.enqueue(b"garbage %d" % number)
            far = Message(f"far {number}", f"{add.task_class.__module__}.add", (), {}, eta=12.5)
            body = encode_message(huey.serializer, far)
            huey.storage.enqueue(body.replace(struct.pack(">d", 12.5), struct.pack(">d", 1e300)))
            bad += [
                (forgotten(), r"forgotten is not registered"),
                (add(1, 2, 3), r"TypeError.*takes 2 positional arguments but 3 were given"),
                (add(c=1), r"TypeError.*unexpected keyword argument 'c'"),
                (unserializable(), r"cannot be serialized: value\['answer'\]\[1\] is a function"),
                (careless(), r"RuntimeError\('careless'\)"),
            ]
    forgotten.unregister()
    start(huey)
    values = [result(blocking=True, timeout=PATIENCE) for result in good]
    assert values == [number + 1 for number in range(50)]
    for result, said in bad:
        with pytest.raises(TaskException, match=said):
            result(blocking=True, timeout=PATIENCE)
    eventually(lambda: not huey.storage.in_flight())
    letters = huey.dead_letters()
    assert len(letters) == 5 * 3
    for said in ("deserialized", "forgotten is not registered", "no datetime can hold"):
        assert sum(said in letter.reason for letter in letters) == 5, said
    assert (len(huey), huey.scheduled_count()) == (0, 0)
    assert add(1, 2)(blocking=True, timeout=PATIENCE) == 3
