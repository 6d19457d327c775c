# SPDX-License-Identifier: MIT
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey_green import clock
from huey_green.backoff import exponential, jittered

EAST = timezone(timedelta(hours=9))


def test_a_naive_datetime_read_as_utc_is_what_it_says():
    assert clock.to_epoch(datetime(1970, 1, 2), utc=True) == 86400.0
    assert clock.to_epoch(datetime(1970, 1, 1, 9, tzinfo=EAST), utc=True) == 0.0
    assert clock.to_epoch(datetime(1970, 1, 1, 9, tzinfo=EAST), utc=False) == 0.0
    assert clock.to_epoch(12, utc=True) == 12.0


@pytest.mark.parametrize("utc", [True, False])
@given(seconds=st.floats(min_value=0, max_value=4e9))
def test_epoch_seconds_survive_the_way_through_a_naive_datetime(utc, seconds):
    moment = clock.from_epoch(seconds, utc)
    assert moment.tzinfo is None
    assert clock.to_epoch(moment, utc) == pytest.approx(seconds, abs=1e-6)


@pytest.fixture
def noon(monkeypatch):
    """Stop the clock; return the moment, in epoch seconds."""
    seconds = datetime(2024, 5, 6, 12, tzinfo=timezone.utc).timestamp()
    monkeypatch.setattr(clock, "wall", lambda: seconds)
    return seconds


@pytest.mark.parametrize("delay", [90, 90.0, timedelta(seconds=90)])
@pytest.mark.parametrize("utc", [True, False])
def test_a_delay_counts_from_now(noon, delay, utc):
    assert clock.to_epoch(clock.as_eta(None, delay, utc), utc) == noon + 90


def test_an_aware_eta_is_what_it_says_and_becomes_naive():
    eta = datetime(2024, 5, 6, 21, tzinfo=EAST)
    assert clock.as_eta(eta, None, utc=True) == datetime(2024, 5, 6, 12)
    assert clock.to_epoch(clock.as_eta(eta, None, utc=False), utc=False) == eta.timestamp()


def test_a_naive_eta_is_local_time():
    eta = datetime(2024, 5, 6, 12)
    assert clock.as_eta(eta, None, utc=False) == eta
    assert clock.to_epoch(clock.as_eta(eta, None, utc=True), utc=True) == eta.timestamp()


def test_neither_eta_nor_delay_is_at_once():
    assert clock.as_eta(None, None, utc=True) is None


def test_delays_grow_by_the_factor_up_to_the_cap():
    assert [exponential(n, 0.1, 2.0, 1.0) for n in range(5)] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert [exponential(n, 3.0, 1.0, 10.0) for n in range(3)] == [3.0, 3.0, 3.0]
    assert exponential(0, 5.0, 2.0, 1.0) == 1.0


@pytest.mark.parametrize("factor", [1.15, 2, 10.0, 1e6, 1e300])
def test_every_growing_delay_reaches_its_cap_and_none_overflows(factor):
    assert exponential(10**6, 0.1, factor, 3600.0) == 3600.0


@given(
    attempt=st.integers(0, 10**9),
    initial=st.floats(1e-6, 1e6),
    factor=st.floats(1.0, 1e6),
    cap=st.floats(1e-6, 1e6),
)
def test_a_delay_is_never_above_its_cap_nor_below_the_first(attempt, initial, factor, cap):
    assert min(initial, cap) <= exponential(attempt, initial, factor, cap) <= cap


@given(delay=st.floats(0, 1e6), share=st.floats(0, 1))
def test_jitter_stays_within_its_share_either_way(delay, share):
    spread = delay * share * (1 + 1e-9) + 1e-9
    assert abs(jittered(delay, share) - delay) <= spread


def test_jitter_spreads():
    assert len({jittered(10.0) for _ in range(50)}) > 40
