# SPDX-License-Identifier: MIT
"""The arithmetic of the summary."""

from __future__ import annotations

import pytest

from huey_green.demo.tally import Pace, Tally, duration, per_second, percentile, size


def fetched(host: str, seconds: float, served_in: float) -> dict[str, object]:
    """Return the record of a page."""
    return {"host": host, "seconds": seconds, "served_in": served_in, "bytes": 1000, "links": 7}


def failed(host: str, kind: str, seconds: float, will_retry: bool) -> dict[str, object]:
    """Return the record of a failed attempt that the server has not timed."""
    return {
        "host": host,
        "kind": kind,
        "seconds": seconds,
        "served_in": 0.0,
        "will_retry": will_retry,
    }


def test_pages_attempts_and_hosts_are_counted_apart():
    tally = Tally(asked=3)
    tally.page(fetched("a", 0.3, 0.2))
    tally.attempt_failed(failed("b", "timeout", 3.0, will_retry=True))
    tally.page(fetched("b", 0.5, 0.4))
    tally.attempt_failed(failed("b", "HTTP 500", 0.1, will_retry=False))
    tally.gave_up("b")

    assert (tally.fetched, tally.failed, tally.finished) == (2, 1, 3)
    assert tally.retries == 1
    assert tally.errors == {"timeout": 1, "HTTP 500": 1}
    assert (tally.bytes, tally.links) == (2000, 14)
    assert (tally.hosts["b"].fetched, tally.hosts["b"].failed, tally.hosts["b"].retries) == (1,) * 3
    assert tally.hosts["a"].seconds == [0.3]


def test_one_worker_is_charged_what_the_server_says_else_what_was_measured():
    tally = Tally(patience=3.0)
    tally.page(fetched("a", 0.3, 0.2))
    tally.attempt_failed(failed("a", "connection reset", 0.1, will_retry=True))
    tally.attempt_failed(failed("a", "timeout", 3.4, will_retry=True))
    assert tally.alone == pytest.approx(3.3)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (10, 1.0), (50, 5.0), (95, 10.0), (100, 10.0)]
)
def test_a_percentile_is_one_of_the_values(percent, expected):
    assert percentile([float(n) for n in range(10, 0, -1)], percent) == expected


def test_nothing_has_no_percentile_and_no_rate():
    assert percentile([], 50) == 0.0
    assert per_second(10, 0.0) == 0.0
    assert per_second(10, 4.0) == 2.5


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *[(0.0, "0.0 s"), (8.34, "8.3 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s")],
        *[(665, "11 min 5 s"), (3599.6, "1 h 0 min"), (7385, "2 h 3 min")],
    ],
)
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


def test_sizes_are_in_powers_of_ten():
    assert (size(900), size(61_440), size(58_720_256)) == ("1 kB", "61 kB", "58.7 MB")


def test_the_best_second_is_one_of_at_least_a_second():
    pace = Pace()
    for seconds, finished in [
        (0.0, 0),
        (0.1, 500),
        (0.9, 600),
        (1.0, 700),
        (1.5, 1300),
        (2.2, 1900),
    ]:
        pace.add(seconds, finished)
    assert pace.best == pytest.approx((1900 - 700) / 1.2)


def test_a_short_run_has_no_best_second():
    pace = Pace()
    pace.add(0.0, 0)
    pace.add(0.9, 60)
    assert pace.best == 0.0
