# SPDX-License-Identifier: MIT
"""huey's helpers, as huey 3.5.4 was seen to behave."""

import time
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from huey_green import constants, utils
from huey_green.wire import Error

NAIVE = datetime(2024, 7, 1, 12, 0)
NEW_YORK = NAIVE.replace(tzinfo=ZoneInfo("America/New_York"))
FRACTION = datetime(2024, 7, 1, 1, 2, 3, 456789)
AWARE_FRACTION = FRACTION.replace(tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_constants():
    assert constants.WORKER_TYPES == ("thread", "greenlet", "process")
    assert constants.WORKER_TYPES == (
        constants.WORKER_THREAD,
        constants.WORKER_GREENLET,
        constants.WORKER_PROCESS,
    )
    assert isinstance(constants.EmptyData, type)


def test_an_error_is_the_one_that_results_hold():
    assert utils.Error is Error
    assert utils.Error({"error": "x"}).metadata == {"error": "x"}


def test_is_naive():
    assert utils.is_naive(NAIVE)
    assert not utils.is_naive(NEW_YORK)


@pytest.mark.parametrize(
    ("function", "given", "answer"),
    [
        ("make_naive", NAIVE, datetime(2024, 7, 1, 14, 0)),
        ("make_naive", NEW_YORK, datetime(2024, 7, 1, 18, 0)),
        ("make_naive", AWARE_FRACTION, datetime(2024, 7, 1, 3, 2, 3)),
        ("aware_to_utc", NAIVE, datetime(2024, 7, 1, 10, 0)),
        ("aware_to_utc", NEW_YORK, datetime(2024, 7, 1, 16, 0)),
        ("aware_to_utc", AWARE_FRACTION, FRACTION),
        ("local_to_utc", NAIVE, datetime(2024, 7, 1, 10, 0)),
        ("local_to_utc", NEW_YORK, datetime(2024, 7, 1, 10, 0)),
        ("local_to_utc", FRACTION, datetime(2024, 6, 30, 23, 2, 3)),
        ("local_to_utc", datetime(2024, 3, 31, 2, 30), datetime(2024, 3, 31, 1, 30)),
        ("local_to_utc", datetime(2024, 10, 27, 2, 30), datetime(2024, 10, 27, 0, 30)),
        ("local_to_utc", datetime(2024, 10, 27, 2, 30, fold=1), datetime(2024, 10, 27, 1, 30)),
    ],
)
def test_zones(function, given, answer):
    assert getattr(utils, function)(given) == answer


@pytest.mark.parametrize(
    ("given", "utc", "answer"),
    [
        (NAIVE, True, datetime(2024, 7, 1, 10, 0)),
        (NAIVE, False, NAIVE),
        (NEW_YORK, True, datetime(2024, 7, 1, 16, 0)),
        (NEW_YORK, False, datetime(2024, 7, 1, 18, 0)),
        (FRACTION, True, datetime(2024, 6, 30, 23, 2, 3)),
        (FRACTION, False, FRACTION),
        (AWARE_FRACTION, True, FRACTION),
        (AWARE_FRACTION, False, datetime(2024, 7, 1, 3, 2, 3)),
    ],
)
def test_a_moment_is_normalized(given, utc, answer):
    assert utils.normalize_time(eta=given, utc=utc) == answer
    assert utils.normalize_expire_time(given, utc) == answer


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize("delay", [0, 10, 1.5, -1, timedelta(0), timedelta(hours=1)])
def test_a_delay_is_normalized(delay, utc):
    span = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
    zone = timezone.utc if utc else None
    before = datetime.now(zone).replace(tzinfo=None)
    times = [
        utils.normalize_time(delay=delay, utc=utc),
        utils.normalize_expire_time(delay, utc),
    ]
    after = datetime.now(zone).replace(tzinfo=None)
    assert all(before + span <= moment <= after + span for moment in times)


@pytest.mark.parametrize("given", [{}, {"eta": NAIVE, "delay": 1}])
def test_one_of_moment_and_delay_is_needed(given):
    with pytest.raises(ValueError, match="either an eta"):
        utils.normalize_time(**given)


@pytest.mark.parametrize("eta", [5, date(2024, 1, 1)])
def test_a_moment_is_a_datetime(eta):
    with pytest.raises(ValueError, match="eta must be a datetime"):
        utils.normalize_time(eta=eta)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("x", b"x"),
        ("ü", b"\xc3\xbc"),
        (b"y", b"y"),
        (5, b"5"),
        (1.5, b"1.5"),
        (True, b"True"),
        (None, None),
    ],
)
def test_encode(given, answer):
    assert utils.encode(given) == answer


def test_load_class():
    assert utils.load_class("huey_green.wire.Error") is Error
    assert utils.load_class("os.path.join") is __import__("os").path.join
    with pytest.raises(AttributeError):
        utils.load_class("huey_green.wire.Nonsense")
    with pytest.raises(ModuleNotFoundError):
        utils.load_class("nonsense.Name")
    with pytest.raises(ValueError):
        utils.load_class("nonsense")
