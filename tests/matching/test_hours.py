"""When a party is closed: weekly hours in the town's time, and dates that override them."""

from datetime import UTC, date, datetime, timedelta

from matching.hours import closed_hours

MONDAY = datetime(2026, 11, 29, 16, tzinfo=UTC)  # Monday 30 November 00:00 in the town
ALWAYS, CLOSED_DAY = "1" * 168, "0" * 24


def week(*open_hours):
    return "".join("1" if hour in open_hours else "0" for hour in range(168))


def hours(start, count):
    return [MONDAY + timedelta(hours=start + n) for n in range(count)]


def test_hours_count_from_monday_in_the_town():
    assert closed_hours(week(0, 1), {}, hours(0, 4)) == hours(2, 2)
    assert closed_hours(week(167), {}, hours(166, 2)) == hours(166, 1)


def test_the_week_begins_again_after_sunday():
    assert closed_hours(week(0, 167), {}, hours(167, 3)) == hours(169, 1)


def test_a_week_without_a_free_hour_is_closed():
    assert closed_hours("0" * 168, {}, hours(0, 200)) == hours(0, 200)
    assert closed_hours(ALWAYS, {}, hours(0, 200)) == []


def test_a_date_overrides_its_day_and_no_other():
    monday = date(2026, 11, 30)
    assert closed_hours(ALWAYS, {monday: CLOSED_DAY}, hours(22, 4)) == hours(22, 2)
    evening = "0" * 20 + "1" * 4
    assert closed_hours(week(), {monday: evening}, hours(19, 3)) == hours(19, 1)


def test_any_time_zone_is_the_same_hour():
    assert closed_hours(week(20), {}, [datetime.fromisoformat("2026-11-30T20:00:00+08:00")]) == []
    assert closed_hours(week(20), {}, [datetime.fromisoformat("2026-11-30T12:00:00+00:00")]) == []
