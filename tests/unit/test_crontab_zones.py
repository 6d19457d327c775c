# SPDX-License-Identifier: MIT
"""Crontabs by the wall clock of a time zone, above all on the days on which it is changed."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from huey_green import cron, crontab

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
KATHMANDU, APIA, BEIRUT = "Asia/Kathmandu", "Pacific/Apia", "Asia/Beirut"

#: Moments (UTC) at which the clocks of a zone were put forward, then back.
CHANGES = {
    BERLIN: ("2024-03-31T01:00", "2024-10-27T01:00"),
    NEW_YORK: ("2024-03-10T07:00", "2024-11-03T06:00"),
    LORD_HOWE: ("2024-10-05T15:30", "2024-04-06T15:00"),  # By half an hour.
    KATHMANDU: ("1985-12-31T18:30", "1985-12-31T18:30"),  # By a quarter, and never again.
    APIA: ("2011-12-30T10:00", "2011-12-30T10:00"),  # By a day.
    BEIRUT: ("2024-03-30T22:00", "2024-10-26T21:00"),  # At midnight.
}


def utc(text):
    """Return the epoch seconds of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def shown(validate, after, until):
    """Return what clocks in the zone show when the task runs between these moments."""
    found = validate.occurrences(after, until)
    return [datetime.fromtimestamp(at, validate.zone).strftime("%d %H:%M %z") for at in found]


def one_day_around(moment):
    at = utc(moment)
    return at - 86400 / 2, at + 86400 / 2


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "forward", "back"),
    [
        (BERLIN, 2, 30, "31 03:00 +0200", "27 02:30 +0200"),
        (BERLIN, 2, 0, "31 03:00 +0200", "27 02:00 +0200"),
        (BERLIN, 2, 59, "31 03:00 +0200", "27 02:59 +0200"),
        (BERLIN, 3, 0, "31 03:00 +0200", "27 03:00 +0100"),
        (BERLIN, 1, 59, "31 01:59 +0100", "27 01:59 +0200"),
        (BERLIN, "2-3", "30", "31 03:00 +0200, 31 03:30 +0200", "27 02:30 +0200, 27 03:30 +0100"),
        (
            BERLIN,
            "2",
            "0,20,40",
            "31 03:00 +0200",
            "27 02:00 +0200, 27 02:20 +0200, 27 02:40 +0200",
        ),
        (NEW_YORK, 2, 30, "10 03:00 -0400", "03 02:30 -0500"),
        (NEW_YORK, 1, 30, "10 01:30 -0500", "03 01:30 -0400"),
        (LORD_HOWE, 2, 0, "06 02:30 +1100", "07 02:00 +1030"),
        (LORD_HOWE, 2, 15, "06 02:30 +1100", "07 02:15 +1030"),
        (LORD_HOWE, 1, 45, "06 01:45 +1030", "07 01:45 +1100"),
        (KATHMANDU, 0, 7, "01 00:15 +0545", "01 00:15 +0545"),
        (KATHMANDU, 0, 20, "01 00:20 +0545", "01 00:20 +0545"),
        (BEIRUT, 0, 0, "31 01:00 +0300", "27 00:00 +0200"),
        (BEIRUT, 23, 30, "30 23:30 +0200", "26 23:30 +0300"),
        (APIA, 12, 0, "31 00:00 +1400", "31 00:00 +1400"),
    ],
)
def test_a_fixed_time_comes_once_on_the_days_of_change(zone, hour, minute, forward, back):
    validate = crontab(hour=hour, minute=minute, tz=zone)
    spring, autumn = (one_day_around(moment) for moment in CHANGES[zone])
    if zone == APIA:  # 30 December was left out, 12 o'clock of the other days was not.
        spring = autumn = (spring[0] + 43000, spring[1] - 43000)
    assert ", ".join(shown(validate, *spring)) == forward
    assert ", ".join(shown(validate, *autumn)) == back


def test_a_date_within_a_gap_is_made_up_for_after_it_and_others_are_not():
    around = utc("2024-03-30T12:00"), utc("2024-04-01T12:00")
    assert shown(crontab.daily(0, 30, tz=BEIRUT), *around) == ["31 01:00 +0300", "01 00:30 +0300"]
    sunday = crontab(hour=0, minute=30, day_of_week="sun", tz=BEIRUT)
    assert shown(sunday, *around) == ["31 01:00 +0300"]
    assert shown(crontab(hour=0, minute=30, day="30", tz=BEIRUT), *around) == []


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, BEIRUT])
def test_a_task_of_every_hour_goes_on_by_real_time(zone):
    for change in CHANGES[zone]:
        after, until = one_day_around(change)
        every_five = crontab(minute="*/5", tz=zone).occurrences(after, until)
        assert every_five == [after + 300 * n for n in range(1, 289)]
        hourly = crontab(minute=0, hour="0-23", tz=zone).occurrences(after, until)
        assert hourly == [after + 3600 * n for n in range(1, 25)]


def test_where_clocks_are_changed_by_half_an_hour_every_five_minutes_is_every_five_minutes():
    for change in CHANGES[LORD_HOWE]:
        after, until = one_day_around(change)
        found = crontab(minute="*/5", tz=LORD_HOWE).occurrences(after, until)
        assert found == [after + 300 * n for n in range(1, 289)]


def minute_by_minute(zone, hours, minutes, days, after, until):
    """Walk through the minutes as a person would who watches the clock, and return those due."""
    due = []

    def fits(moment):
        return moment.hour in hours and moment.minute in minutes and moment.day in days

    minute = timedelta(minutes=1)
    at = after // 60 * 60 + 60
    before = datetime.fromtimestamp(at - 60, zone).replace(tzinfo=None)
    while at <= until:
        moment = datetime.fromtimestamp(at, zone)
        clock = moment.replace(tzinfo=None, fold=0)
        missed = before + minute
        has_missed = False
        while missed < clock:
            has_missed = has_missed or fits(missed)
            missed += minute
        is_every_hour = len(hours) == 24
        if (fits(clock) and (is_every_hour or not moment.fold)) or (
            has_missed and not is_every_hour
        ):
            due.append(at)
        before = clock
        at += 60
    return due


def listed(numbers):
    return ",".join(map(str, sorted(numbers)))


@given(
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU, BEIRUT, "UTC"]),
    change=st.integers(0, 1),
    hours=st.one_of(
        st.just(set(range(24))),
        st.sets(st.integers(0, 23), min_size=1),
        st.sets(st.integers(0, 3), min_size=1),
    ),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=8),
    days=st.one_of(st.just(set(range(1, 32))), st.sets(st.integers(1, 29), min_size=1)),
    shift=st.integers(-90_000, 90_000),
    length=st.integers(0, 30_000),
)
@example(BERLIN, 1, {2}, {30}, set(range(1, 32)), 1800, 1)
@settings(deadline=None, max_examples=60)
def test_it_is_what_somebody_gets_who_watches_the_clock(
    zone, change, hours, minutes, days, shift, length
):
    place = zone if zone in CHANGES else BERLIN
    after = utc(CHANGES[place][change]) + shift
    until = after + length
    validate = crontab(
        hour=listed(hours), minute=listed(minutes), day=listed(days), tz=ZoneInfo(zone)
    )
    expected = minute_by_minute(ZoneInfo(zone), hours, minutes, days, after, until)
    assert list(validate.occurrences(after, until)) == expected


@given(
    cuts=st.lists(st.floats(-90_000, 90_000), min_size=2, max_size=8).map(sorted),
    zone=st.sampled_from([BERLIN, LORD_HOWE]),
    change=st.integers(0, 1),
    hour=st.sampled_from(["*", "1-3", "2"]),
)
@settings(deadline=None, max_examples=60)
def test_however_the_time_is_cut_into_pieces_the_moments_are_the_same(cuts, zone, change, hour):
    at = utc(CHANGES[zone][change])
    validate = crontab(hour=hour, minute="*/15", tz=zone)
    moments = [at + cut for cut in cuts]
    pieces = [
        found for after, until in pairwise(moments) for found in validate.occurrences(after, until)
    ]
    assert pieces == list(validate.occurrences(moments[0], moments[-1]))


@pytest.mark.parametrize("zone", sorted(CHANGES))
def test_a_daily_task_comes_once_a_day_all_year(zone):
    year = int(CHANGES[zone][0][:4])
    validate = crontab.daily(2, 15, tz=zone)
    begin = datetime(year, 1, 1, 12, tzinfo=ZoneInfo(zone)).timestamp()
    end = datetime(year + 1, 1, 1, 12, tzinfo=ZoneInfo(zone)).timestamp()
    found = validate.occurrences(begin, end)
    # Also in Apia, which had no 30 December: that day's came in the first minute of the 31st.
    days = (datetime(year + 1, 1, 1) - datetime(year, 1, 1)).days
    assert len(found) == len(set(found)) == days


def test_called_with_an_aware_datetime_it_says_whether_the_task_runs_in_that_minute():
    validate = crontab.daily(2, 30, tz=BERLIN)
    tokyo = ZoneInfo("Asia/Tokyo")
    assert validate(datetime(2024, 7, 1, 0, 30, 59, tzinfo=timezone.utc))
    assert validate(datetime(2024, 7, 1, 9, 30, tzinfo=tokyo))
    assert not validate(datetime(2024, 7, 1, 2, 30, tzinfo=timezone.utc))
    assert not validate(datetime(2024, 7, 1, 0, 31, tzinfo=timezone.utc))
    assert validate(datetime(2024, 3, 31, 1, 0, tzinfo=timezone.utc))
    assert not validate(datetime(2024, 3, 31, 1, 30, tzinfo=timezone.utc))
    assert validate(datetime(2024, 10, 27, 0, 30, tzinfo=timezone.utc))
    assert not validate(datetime(2024, 10, 27, 1, 30, tzinfo=timezone.utc))
    assert validate(datetime(2024, 10, 27, 0, 30, tzinfo=timezone.utc)) is True


def test_called_with_a_naive_datetime_it_takes_it_for_what_the_clock_in_the_zone_shows():
    validate = crontab.daily(2, 30, tz=BERLIN)
    assert validate(datetime(2024, 7, 1, 2, 30)) is True
    assert validate(datetime(2024, 7, 1, 0, 30)) is False
    assert validate(datetime(2024, 10, 27, 2, 30, fold=1))


def test_a_crontab_without_a_zone_has_no_moments_of_its_own():
    assert not hasattr(crontab(), "occurrences")


def test_a_zone_is_given_by_name_or_as_it_is():
    moment = datetime(2024, 1, 1, 11, tzinfo=timezone.utc)
    nepal = timezone(timedelta(hours=5, minutes=45))
    for zone in (BERLIN, ZoneInfo(BERLIN)):
        assert crontab.daily(12, tz=zone)(moment)
    assert crontab.daily(16, 45, tz=nepal)(moment)
    assert crontab.hourly(45, tz=KATHMANDU)(moment)
    assert crontab.daily(11, tz=timezone.utc)(moment)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("utc", "did you mean 'UTC'?"),
        ("Europe/Berlni", "did you mean 'Europe/Berlin'?"),
        ("Xyzzy", "use one such as"),
        ("", "use one such as"),
        ("../../etc/passwd", "there is no such time zone"),
        ("Europe", "there is no such time zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(name, hint):
    with pytest.raises(ValueError, match="crontab tz=") as caught:
        crontab(tz=name)
    assert hint in str(caught.value)


def test_what_is_no_zone_is_refused():
    with pytest.raises(TypeError, match="tz is a time zone or its name, not 2"):
        crontab(tz=2)


def test_without_a_time_zone_database_the_error_names_the_package(monkeypatch):
    monkeypatch.setattr(cron, "available_timezones", set)
    with pytest.raises(ValueError, match="pip install tzdata"):
        crontab(tz="Nowhere/Land")
