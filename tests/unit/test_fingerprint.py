# SPDX-License-Identifier: MIT
"""Calls that are the same have the same fingerprint, and no call takes for ever to look at."""

import pickle
from dataclasses import dataclass

import pytest

from huey_green.fingerprint import fingerprint


@dataclass
class Point:
    x: int
    y: list[int]


def call(a, b=2, *rest, **others):
    raise AssertionError


def of(*args, **kwargs):
    return fingerprint(call, args, kwargs, pickle.dumps)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of(1), of(a=1)),
        (of(1), of(1, 2)),
        (of({"k": 1, "l": 2}), of({"l": 2, "k": 1})),
        (of({1, 2, 3}), of({3, 2, 1})),
        (of([1, 2]), of((1, 2))),
        (of(Point(1, [2])), of(Point(1, [2]))),
    ],
)
def test_calls_that_are_the_same(one, other):
    assert one == other


def test_calls_that_differ():
    shared = ["x"]
    calls = [
        of(1),
        of("1"),
        of(True),
        of(1, 3),
        of([1], [2]),
        of([1, 2], []),
        of({"a": 1}),
        of({1: "a"}),
        of({1}),
        of(Point(1, [2])),
        of(Point(1, [3])),
        of([shared, shared]),
        of([shared]),
        of(b"1"),
    ]
    assert len(set(calls)) == len(calls)


def test_parts_that_are_shared_count_as_parts_that_are_equal():
    shared = [1, {"a": (2,)}]
    assert of([shared, shared]) == of([[1, {"a": (2,)}], [1, {"a": (2,)}]])


def test_what_is_shared_many_times_over_is_looked_at_once():
    value = []
    for _ in range(200):
        value = [value, value]
    assert of(value) == of(value)
