# SPDX-License-Identifier: MIT
import functools
import json
import pickle
import threading
from collections import OrderedDict, defaultdict, deque, namedtuple
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green.offender import DEPTH, find_offender

LOCK = threading.Lock()
LOCKED = "_thread.lock (cannot pickle '_thread.lock' object)"


def as_json(value):
    return json.dumps(value).encode()


class Client:
    def __init__(self, session=LOCK):
        self.timeout = 5
        self.session = session

    def send(self):
        """A method, to be handed over bound."""


class Slotted:
    __slots__ = ("session",)

    def __init__(self):
        self.session = LOCK


class Choosing:
    """Leaves out one thing that cannot be pickled, and forgot another."""

    def __init__(self):
        self.lock = LOCK
        self.callback = lambda: None

    def __getstate__(self):
        state = dict(self.__dict__)
        del state["lock"]
        return state


class Closing(Client):
    closed = []

    def __del__(self):
        self.closed.append(self.session)


class Point(namedtuple("Point", "x y")):
    """A tuple with attributes."""


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (LOCK, f" is a {LOCKED}"),
        ((1, LOCK), f"[1] is a {LOCKED}"),
        ([[0], [0, {"a": (LOCK,)}]], f"[1][1]['a'][0] is a {LOCKED}"),
        (({"client": Client()},), f"[0]['client'].session is a {LOCKED}"),
        ({1, (2, LOCK)}, f"{{...}}[1] is a {LOCKED}"),
        (frozenset([LOCK]), f"{{...}} is a {LOCKED}"),
        (deque([1, LOCK]), f"[1] is a {LOCKED}"),
        (OrderedDict(a=LOCK), f"['a'] is a {LOCKED}"),
        (defaultdict(list, a=[LOCK]), f"['a'][0] is a {LOCKED}"),
        (Point(1, LOCK), f"[1] is a {LOCKED}"),
        (Slotted(), f".session is a {LOCKED}"),
        (Client(Client()), f".session.session is a {LOCKED}"),
        (Client().send, f".__self__.session is a {LOCKED}"),
        (functools.partial(print, LOCK), f".args[0] is a {LOCKED}"),
        (functools.partial(print, end=LOCK), f".keywords['end'] is a {LOCKED}"),
        (ValueError("no", LOCK), f".args[1] is a {LOCKED}"),
        ((None for _ in ()), " is a generator (cannot pickle 'generator' object)"),
    ],
)
def test_pickle_is_stopped_by_the_smallest_part_that_it_refuses(value, answer):
    assert find_offender(value, pickle.dumps) == answer


def test_a_key_is_named_as_such():
    found = find_offender({"a": {LOCK: 1}}, pickle.dumps)
    assert found.startswith("['a'] has the key <")
    assert found.endswith(f", a {LOCKED}")
    assert find_offender([{(1, 2): 3}], as_json).startswith("[0] has the key (1, 2), a tuple (")


def test_what_a_class_leaves_out_of_its_state_is_not_blamed():
    found = find_offender([Choosing()], pickle.dumps)
    assert found.startswith("[0].callback is a function (")


def test_the_error_of_the_part_is_quoted_and_shortened():
    def refuse(value):
        raise ValueError("because " * 1000)

    found = find_offender(5, refuse)
    assert found.startswith(" is an int (because because")
    assert found.endswith("...)")
    assert len(found) < 300


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ([{"when": datetime(2024, 1, 1)}], "[0]['when'] is a datetime.datetime ("),
        ([Client(5)], "[0] is a test_offender.Client ("),
        ([{1, 2}], "[0] is a set ("),
        ([{"kind": Client}], "[0]['kind'] is the class test_offender.Client ("),
    ],
)
def test_a_value_whose_kind_is_refused_is_itself_to_blame_and_not_what_is_in_it(value, answer):
    assert find_offender(value, as_json).startswith(answer)


def test_a_value_that_is_not_refused_has_no_offender():
    assert find_offender([1, {"a": "b"}], pickle.dumps) is None


def test_one_of_many_is_found_without_trying_each():
    tried = []

    def counted(value):
        tried.append(value)
        return pickle.dumps(value)

    value = [*range(50_000), LOCK, *range(40_000)]
    assert find_offender(value, counted) == f"[50000] is a {LOCKED}"
    assert len(tried) < 50


def test_circles_end():
    client = Client()
    client.session = [client, {"lock": LOCK}]
    assert find_offender(client, pickle.dumps) == f".session[1]['lock'] is a {LOCKED}"
    circle = []
    circle.append([circle])
    assert find_offender(circle, as_json).startswith("[0] is a list (")


def test_a_long_way_down_is_not_gone_to_the_end():
    value = LOCK
    for _ in range(2 * DEPTH):
        value = [value]
    found = find_offender(value, pickle.dumps)
    assert found == f"{'[0]' * (DEPTH - 1)} is a list (cannot pickle '_thread.lock' object)"


def test_nothing_is_made_of_a_class_that_would_notice_its_end():
    one = Closing()
    assert find_offender([one], pickle.dumps) == f"[0].session is a {LOCKED}"
    assert Closing.closed == []


class Hostile:
    def __reduce_ex__(self, protocol):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    def __hash__(self):
        return 1

    @property
    def __dict__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [Hostile(), [Hostile()], {Hostile(): 1}, {1: Hostile()}])
def test_a_hostile_value_is_no_reason_to_raise(value):
    found = find_offender(value, pickle.dumps)
    assert found is None or "test_offender.Hostile (no)" in found


@given(
    st.recursive(
        st.integers() | st.text() | st.just(LOCK),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_there_is_an_answer_for_all_that_is_refused_and_only_for_that(value):
    found = find_offender(value, pickle.dumps)
    try:
        pickle.dumps(value)
    except TypeError:
        assert found.endswith(f" is a {LOCKED}")
    else:
        assert found is None
