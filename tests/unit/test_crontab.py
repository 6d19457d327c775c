# SPDX-License-Identifier: MIT
import inspect
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey_green import crontab

#: The numbers that each field can have, and a datetime that has a given one.
FIELDS = {
    "minute": (range(60), lambda number: datetime(2024, 5, 6, 7, number)),
    "hour": (range(24), lambda number: datetime(2024, 5, 6, number, 8)),
    "day": (range(1, 32), lambda number: datetime(2024, 5, number, 7, 8)),
    "month": (range(1, 13), lambda number: datetime(2024, number, 6, 7, 8)),
    # 5 May 2024 was a Sunday.
    "day_of_week": (range(7), lambda number: datetime(2024, 5, 5 + number, 7, 8)),
}


def matching(field, value, strict=False):
    """Return the numbers of ``field`` that a crontab with this one field accepts."""
    numbers, moment = FIELDS[field]
    validate = crontab(**{field: value}, strict=strict)
    return [number for number in numbers if validate(moment(number))]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("minute", "*", list(range(60))),
        ("minute", "*/15", [0, 15, 30, 45]),
        ("minute", "*/1", list(range(60))),
        ("minute", "*/59", [0, 59]),
        ("minute", "*/100", [0]),
        ("minute", "5", [5]),
        ("minute", 5, [5]),
        ("minute", 0, [0]),
        ("minute", "05", [5]),
        ("minute", "10-13", [10, 11, 12, 13]),
        ("minute", "10-10", [10]),
        ("minute", "1,2,40", [1, 2, 40]),
        ("minute", "40,1,1", [1, 40]),
        ("minute", "1, 2 , 40", [1, 2, 40]),
        ("minute", "10-20/5", [10, 15, 20]),
        ("minute", "50/4", [50, 54, 58]),
        ("minute", "*/30,1-3,59", [0, 1, 2, 3, 30, 59]),
        ("hour", "*/4", [0, 4, 8, 12, 16, 20]),
        ("hour", "9-11,16-18", [9, 10, 11, 16, 17, 18]),
        ("hour", "23", [23]),
        ("day", "*/10", [1, 11, 21, 31]),
        ("day", "31", [31]),
        ("day", "0,1", [1]),
        ("month", "*/3", [1, 4, 7, 10]),
        ("month", "11-12", [11, 12]),
        ("month", "12,13", [12]),
        ("day_of_week", "*", [0, 1, 2, 3, 4, 5, 6]),
        ("day_of_week", "0", [0]),
        ("day_of_week", "7", [0]),
        ("day_of_week", "0,7", [0]),
        ("day_of_week", "5-7", [0, 5, 6]),
        ("day_of_week", "6-7", [0, 6]),
        ("day_of_week", "1-5", [1, 2, 3, 4, 5]),
        ("day_of_week", "*/2", [0, 2, 4, 6]),
        ("day_of_week", "6,8", [6]),
        ("day_of_week", "0-7", [0, 1, 2, 3, 4, 5, 6]),
        ("minute", "0-999999999", list(range(60))),
        ("minute", "0-59/999999999", [0]),
    ],
)
def test_a_field_accepts_what_it_lists_and_nothing_else(field, value, expected):
    assert matching(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("hour", "22-2", [0, 1, 2, 22, 23]),
        ("hour", "20-3/2", [0, 2, 20, 22]),
        ("hour", "21-3/2", [1, 3, 21, 23]),
        ("minute", "58-1,30", [0, 1, 30, 58, 59]),
        ("day", "30-2", [1, 2, 30, 31]),
        ("month", "11-2", [1, 2, 11, 12]),
        ("day_of_week", "5-1", [0, 1, 5, 6]),
        ("day_of_week", "5-0", [0, 5, 6]),
        ("day_of_week", "7-2", [0, 1, 2]),
        ("day_of_week", "7-7", [0]),
        ("day_of_week", "6-0/2", [6]),
    ],
)
def test_a_range_that_ends_before_it_begins_goes_round_the_end(field, value, expected):
    assert matching(field, value, strict=True) == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        *[("month", text, [1]) for text in ("jan", "JAN", "Jan", "january", "JANUARY", "January")],
        ("month", "dec", [12]),
        ("month", "may", [5]),
        ("month", "jan-mar,sep", [1, 2, 3, 9]),
        ("month", "nov-february", [1, 2, 11, 12]),
        ("month", "feb-nov/3", [2, 5, 8, 11]),
        ("month", "nov/1", [11, 12]),
        *[("day_of_week", text, [1]) for text in ("mon", "MON", "Monday", "monday", "mOnDaY")],
        ("day_of_week", "mon-fri", [1, 2, 3, 4, 5]),
        ("day_of_week", "fri-mon", [0, 1, 5, 6]),
        ("day_of_week", "sat-sun", [0, 6]),
        ("day_of_week", "sun-tue", [0, 1, 2]),
        ("day_of_week", "sun-sun", [0]),
        ("day_of_week", "mon-7", [0, 1, 2, 3, 4, 5, 6]),
        ("day_of_week", "tue, thu ,Saturday", [2, 4, 6]),
        ("day_of_week", "mon-sun/2", [0, 1, 3, 5]),
    ],
)
def test_months_and_days_of_the_week_have_names(field, value, expected):
    assert matching(field, value, strict=True) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("minute", text) for text in ("", "a", "-1", "1-", "-", "*/0", "*/", "*/-2", "*/x")],
        *[("minute", text) for text in ("1-2-3", "1;2", "1,,2", "3,", "1.5", "1 - 2", "**", "5*")],
        *[("minute", text) for text in ("\u00b2", "\u0663", "9" * 5000, True, 5.0, -1, "jan")],
        *[("minute", text) for text in ("60", "99-120", "70-5", "5-1/0", "1-5/0", None)],
        ("hour", "24"),
        ("day", "0"),
        ("month", "13"),
        *[("month", text) for text in ("ja", "janu", "mon", "jan-foo", "foo-jan", "0", "jan feb")],
        *[("day_of_week", text) for text in ("8", "mo", "jan", "mon-", "fri-8/2x")],
    ],
)
def test_what_cannot_be_read_or_never_matches_is_refused_with_field_and_text(field, value):
    with pytest.raises(ValueError, match=field) as caught:
        crontab(**{field: value})
    assert repr(str(value)) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("minute", "59-61"), ("hour", "0,24"), ("day", "0,1"), ("month", "12,13")],
        *[("day_of_week", "6,8"), ("day_of_week", "5-9"), ("day", "0-5"), ("minute", "0-70/7")],
    ],
)
def test_strict_refuses_a_number_that_the_field_never_has(field, value):
    assert matching(field, value)
    with pytest.raises(ValueError, match=field):
        crontab(**{field: value}, strict=True)


def test_strict_accepts_sunday_as_seven():
    assert matching("day_of_week", "7", strict=True) == [0]
    assert matching("day_of_week", "1-7", strict=True) == [0, 1, 2, 3, 4, 5, 6]


@st.composite
def ranges(draw):
    """A field, the text of some ranges in it, and the numbers they stand for, one by one."""
    field = draw(st.sampled_from(sorted(FIELDS)))
    allowed = list(FIELDS[field][0])
    texts, expected = [], set()
    for _ in range(draw(st.integers(1, 4))):
        first, last = draw(st.sampled_from(allowed)), draw(st.sampled_from(allowed))
        step = draw(st.integers(1, 8))
        texts.append(f"{first}-{last}" + (f"/{step}" if step > 1 or draw(st.booleans()) else ""))
        place, taken = allowed.index(first), 0
        while True:
            if taken % step == 0:
                expected.add(allowed[place])
            if allowed[place] == last:
                break
            place, taken = (place + 1) % len(allowed), taken + 1
    return field, ",".join(texts), sorted(expected)


@given(ranges())
@settings(deadline=None)
def test_ranges_stand_for_what_one_meets_walking_from_their_begin_to_their_end(case):
    field, text, expected = case
    assert matching(field, text, strict=True) == expected


@pytest.mark.parametrize(
    ("day", "month"),
    [(31, 2), (30, "feb"), ("30-31", 2), (31, "apr,jun,sep,nov"), ("31", "2,4"), ("30,31", "2")],
)
def test_a_date_that_never_comes_is_refused(day, month):
    with pytest.raises(ValueError, match=r"crontab day=3[01] never comes: .* has at most \d+ days"):
        crontab(day=day, month=month, minute=0)


@pytest.mark.parametrize(
    ("day", "month", "comes"),
    [
        (29, 2, datetime(2028, 2, 29)),
        (31, "2,3", datetime(2024, 3, 31)),
        ("29-31", "feb", datetime(2024, 2, 29)),
        ("30-2", "feb", datetime(2024, 2, 1)),
    ],
)
def test_a_date_that_comes_now_and_then_is_not(day, month, comes):
    assert crontab(day=day, month=month)(comes)


def test_hourly_and_daily_are_short_forms():
    five_past = datetime(2024, 1, 1, 13, 5)
    assert crontab.hourly(minute=5)(five_past)
    assert crontab.hourly("*/5")(five_past)
    assert not crontab.hourly()(five_past)
    assert crontab.hourly()(five_past.replace(minute=0))
    assert crontab.daily(13, 5)(five_past)
    assert crontab.daily(hour="9-17", minute="5")(five_past)
    assert not crontab.daily(minute=5)(five_past)
    assert not crontab.daily(13)(five_past)
    assert crontab.daily()(datetime(2024, 1, 1))
    with pytest.raises(ValueError, match="hour='24'"):
        crontab.daily(24)


def test_crontab_is_a_function_with_the_documented_arguments():
    assert inspect.isfunction(crontab)
    names = [*("month", "day", "day_of_week", "hour", "minute", "strict", "tz")]
    parameters = inspect.signature(crontab).parameters
    assert list(parameters) == names
    assert [one.default for one in parameters.values()] == [*"*****", False, None]


def test_a_crontab_shows_what_it_was_given():
    assert repr(crontab(minute=5, hour="*/2")) == "crontab(hour='*/2', minute='5')"
    assert repr(crontab(month="jan", tz="UTC")) == "crontab(month='jan', tz='UTC')"
    assert repr(crontab()) == "crontab()"


def test_without_arguments_every_minute_matches():
    validate = crontab()
    start = datetime(2023, 12, 31, 23, 0)
    assert all(validate(start + timedelta(minutes=n)) for n in range(120))


def test_all_fields_have_to_match():
    validate = crontab(minute="0", hour="*/3", day="1-7", month="1", day_of_week="1")
    first_monday = datetime(2024, 1, 1, 3, 0)
    assert validate(first_monday)
    for other in (
        first_monday.replace(minute=1),
        first_monday.replace(hour=4),
        first_monday.replace(day=8),
        first_monday.replace(day=2),
        first_monday.replace(month=2),
    ):
        assert not validate(other)


def test_the_positional_order_is_hueys():
    validate = crontab("2", "3", "*", "4", "5")
    assert validate(datetime(2024, 2, 3, 4, 5))
    assert not validate(datetime(2024, 5, 4, 3, 2))


def test_seconds_do_not_matter():
    validate = crontab(minute="5")
    assert validate(datetime(2024, 1, 1, 0, 5, 59, 999999))
