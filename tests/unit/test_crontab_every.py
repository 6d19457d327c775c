# SPDX-License-Identifier: MIT
"""``every()``: periodic tasks by seconds."""

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey_green.cron import every

NOW = 1_800_000_000.0


def test_the_moments_are_the_multiples_of_the_interval():
    assert every(seconds=15).occurrences(NOW, NOW + 60) == [NOW + n for n in (15, 30, 45, 60)]
    assert every(seconds=15).occurrences(NOW - 1, NOW) == [NOW]
    assert every(seconds=15).occurrences(NOW, NOW + 14.999) == []
    assert every(minutes=20).occurrences(NOW, NOW + 3600) == [NOW + n for n in (1200, 2400, 3600)]
    assert every(hours=12).occurrences(0, 86400) == [43200, 86400]
    assert every(seconds=0.5).occurrences(0, 1.5) == [0.5, 1.0, 1.5]


def test_the_units_add_up():
    assert every(hours=1, minutes=1, seconds=1.5).interval == 3661.5


@given(
    interval=st.floats(0.1, 5000.0),
    start=st.floats(1e9, 2e9),
    cuts=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=6).map(sorted),
)
@settings(deadline=None)
def test_however_the_time_is_cut_into_pieces_the_moments_are_the_same(interval, start, cuts):
    validate = every(seconds=interval)
    ends = [start + cut * interval for cut in cuts]
    pieces = []
    for after, until in zip([start, *ends], ends, strict=False):
        pieces += validate.occurrences(after, until)
    assert pieces == list(validate.occurrences(start, ends[-1]))
    assert pieces == sorted(set(pieces))
    assert math.isclose(len(pieces), cuts[-1], abs_tol=1.01)
    assert all(math.isclose(at / interval, round(at / interval), rel_tol=1e-9) for at in pieces)
    # What a consumer goes by when several are to agree.
    assert len({round(at * 1000) for at in pieces}) == len(pieces)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "not 0"),
        ({"seconds": 0}, "not 0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"minutes": 1, "seconds": -1}, "seconds=-1"),
        ({"seconds": math.nan}, "seconds=nan"),
        ({"minutes": math.inf}, "minutes=inf"),
        ({"hours": -math.inf}, "hours=-inf"),
        ({"seconds": 10**400}, "seconds=1000"),
        ({"seconds": 0.09}, "not 0.09"),
        ({"hours": 367 * 24}, "366 days"),
    ],
)
def test_what_is_no_interval_is_refused(given, error):
    with pytest.raises(ValueError, match="every") as caught:
        every(**given)
    assert error in str(caught.value)


@pytest.mark.parametrize("given", [{"seconds": "15"}, {"minutes": None}, {"hours": True}])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(TypeError, match=r"every\(\) takes a number of (seconds|minutes|hours)"):
        every(**given)


def test_called_with_a_datetime_it_says_whether_there_is_a_moment_in_that_minute():
    noon = datetime(2024, 1, 1, 12, 0, 30)
    assert every(seconds=15)(noon) is True
    assert every(hours=1)(noon) is True
    assert every(hours=1)(noon + timedelta(minutes=1)) is False
    assert every(minutes=7)(noon.replace(tzinfo=timezone.utc)) is every(minutes=7)(noon)
    in_nepal = noon.astimezone(timezone.utc).replace(
        tzinfo=timezone(timedelta(hours=5, minutes=45))
    )
    assert not every(hours=1)(in_nepal)
    minutes = [noon + timedelta(minutes=n) for n in range(60)]
    assert sum(map(every(seconds=90), minutes)) == 40


def test_it_shows_what_it_was_given():
    assert repr(every(minutes=1, seconds=30)) == "every(seconds=90)"
    assert repr(every(seconds=0.25)) == "every(seconds=0.25)"
