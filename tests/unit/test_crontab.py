# SPDX-License-Identifier: MIT
from datetime import datetime, timedelta

import pytest

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
    ],
)
def test_a_field_accepts_what_it_lists_and_nothing_else(field, value, expected):
    assert matching(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("minute", text) for text in ("", "a", "-1", "1-", "-", "*/0", "*/", "*/-2", "*/x")],
        *[("minute", text) for text in ("1-2-3", "1;2", "1,,2", "3,", "1.5", "1 - 2", "**", "5*")],
        *[("minute", text) for text in ("5-1", "60", "99-120", "1-5/0", None)],
        ("hour", "24"),
        ("day", "0"),
        ("month", "13"),
        ("month", "jan"),
        ("day_of_week", "8"),
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
        *[("day_of_week", "6,8"), ("day_of_week", "5-9")],
    ],
)
def test_strict_refuses_a_number_that_the_field_never_has(field, value):
    assert matching(field, value)
    with pytest.raises(ValueError, match=field):
        crontab(**{field: value}, strict=True)


def test_strict_accepts_sunday_as_seven():
    assert matching("day_of_week", "7", strict=True) == [0]
    assert matching("day_of_week", "1-7", strict=True) == [0, 1, 2, 3, 4, 5, 6]


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
