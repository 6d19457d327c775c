# SPDX-License-Identifier: MIT
"""Whatever is read is a message that every storage and every task can live with, or it is refused.

Bytes of pickles are changed elsewhere (``test_fuzz``), in a process whose memory is bounded.
"""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huey_green import MemoryHuey, Serializer
from huey_green.exceptions import SerializationError, UnreadableMessage
from huey_green.limits import LAST_MOMENT, LONGEST_NAME, MOST_MEMBERS
from huey_green.message import Delivery, Message, Options, Outgoing
from huey_green.serializer import JSONSerializer
from huey_green.wire import VERSION, decode_message, encode_message

PICKLE = Serializer()
BYTES_SAFE = {
    "json": JSONSerializer(),
    "json in gzip": JSONSerializer(compression=True),
    "json in zlib": JSONSerializer(compression=True, use_zlib=True),
}

# A machine that is busy with other things is slow, and that is no failure.
patiently = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    print_blob=True,
)

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63, 10**9, math.nan, math.inf, 1e300, 5e-324]),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.sampled_from(["\ud800", "x" * 2000, "a\nb", "\0", VERSION]),
    st.binary(max_size=5),
)
anything = st.recursive(
    odd,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(odd.filter(lambda one: one == one), inner, max_size=3)
    ),
    max_leaves=8,
)
good = (VERSION, "id", "app.task", (1,), {"k": 2}, None, 0, 0, None, None, None)
names_of_options = st.sampled_from(Options._fields) | st.text(max_size=3)


@st.composite
def plains(draw, depth=2):
    """Draw something like a message, with a few parts that are not."""
    plain = list(good)
    for _ in range(draw(st.integers(0, 3))):
        plain[draw(st.integers(0, len(plain) - 1))] = draw(anything)
    if depth and draw(st.booleans()):
        plain[draw(st.sampled_from([-1, -2]))] = draw(plains(depth - 1))
    if draw(st.booleans()):
        plain.append(draw(options(depth)))
    if draw(st.integers(0, 9)) == 0:
        plain = plain[: draw(st.integers(0, len(plain)))]
    return tuple(plain) if draw(st.booleans()) else plain


@st.composite
def options(draw, depth):
    found = draw(st.dictionaries(names_of_options, anything, max_size=3))
    if depth and draw(st.booleans()):
        callback = draw(plains(depth - 1))
        place = [draw(anything) if draw(st.booleans()) else one for one in ("c", 0, 2)]
        found["chord"] = (*place, callback)
    if draw(st.booleans()):
        found["joins"] = draw(st.tuples(st.just("c"), anything))
    return found


def all_of(message):
    yield message
    place = None if message.options is None else message.options.chord
    for one in (message.on_complete, message.on_error, place and place.callback):
        if one is not None:
            yield from all_of(one)


def check(message):
    """See that a message can be lived with, and all that it brings."""
    for one in all_of(message):
        for name in (one.id, one.name):
            assert 0 < len(name) <= LONGEST_NAME
            assert name.encode().isascii() or name.isprintable()
            assert "\n" not in name
        assert all(isinstance(key, str) for key in one.kwargs)
        assert 0 <= one.retries < 2**63
        assert math.isfinite(one.retry_delay)
        assert one.retry_delay >= 0
        assert one.priority is None or math.isfinite(one.priority)
        assert one.eta is None or one.eta <= LAST_MOMENT
        if one.options is not None and one.options.joins is not None:
            assert 0 <= one.options.joins.size <= MOST_MEMBERS
        if one.options is not None and one.options.chord is not None:
            assert 0 <= one.options.chord.position < one.options.chord.size <= MOST_MEMBERS
    # It can be written again, as a retry is, and stored with its priority.
    again = decode_message(PICKLE, encode_message(PICKLE, message))
    assert [one.id for one in all_of(again)] == [one.id for one in all_of(message)]
    Outgoing(b"", message.priority)


@patiently
@given(plain=plains() | anything)
def test_other_fields_are_refused_or_can_be_lived_with(plain):
    try:
        message = decode_message(PICKLE, PICKLE.serialize(plain))
    except UnreadableMessage as error:
        said = str(error)
        assert len(said) < 1000
        return
    check(message)


@pytest.mark.parametrize("name", BYTES_SAFE)
@patiently
@given(plain=plains(), data=st.data())
def test_other_bytes_are_refused_or_can_be_lived_with(name, plain, data):
    serializer = BYTES_SAFE[name]
    try:
        body = serializer.serialize(plain)
    except SerializationError:
        body = serializer.serialize(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(at, min(len(body), at + 20)))
        body = body[:at] + data.draw(st.binary(max_size=5) | st.just(body[at:end] * 2)) + body[end:]
    try:
        message = decode_message(serializer, body)
    except UnreadableMessage:
        return
    check(message)


@patiently
@given(plain=plains())
def test_each_ends_in_one_way(plain):
    huey = MemoryHuey()
    ran = []

    @huey.task(name="task")
    def task(*args, **kwargs):
        ran.append(args)

    name = huey.registry.task_to_string(task.task_class)
    body = PICKLE.serialize(_renamed(plain, name))
    outcome = huey.executor.run(Delivery(body, "receipt"))
    effects = outcome.effects
    names = {event[0] for event in outcome.events}
    ends = [
        bool(ran),
        effects.dead is not None,
        bool(effects.schedule),
        bool(names & {"expired", "canceled"}),
    ]
    assert ends.count(True) == 1, (ends, outcome)


def _renamed(plain, name):
    if isinstance(plain, (tuple, list)):
        return type(plain)(_renamed(one, name) for one in plain)
    if isinstance(plain, dict):
        return {key: _renamed(value, name) for key, value in plain.items()}
    return name if plain == "app.task" else plain


def test_the_message_that_all_this_is_about_is_good():
    assert decode_message(PICKLE, PICKLE.serialize(good)) == Message(
        "id", "app.task", (1,), {"k": 2}
    )
