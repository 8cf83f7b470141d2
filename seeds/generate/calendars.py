"""Weekly hours and closed dates (layer: pure)."""

from datetime import date, timedelta

from seeds.generate.dice import Dice, Weighted

CLOSED_DAY = "0" * 24

# Days (0 Monday … 6 Sunday), first hour, hour after the last.
Pattern = tuple[tuple[int, ...], int, int]
EVERY_DAY = tuple(range(7))
STALL_PATTERNS: Weighted[Pattern] = Weighted(
    {
        (EVERY_DAY, 8, 18): 0.35,  # while the hall is open to buyers
        (EVERY_DAY, 13, 23): 0.25,  # after the wholesale morning
        (EVERY_DAY, 9, 24): 0.15,
        ((0, 1, 2, 3, 4), 10, 22): 0.15,
        ((0, 2, 4, 5, 6), 14, 24): 0.10,
    }
)
ANCHOR_PATTERNS: Weighted[Pattern] = Weighted(
    {
        (EVERY_DAY, 19, 24): 0.28,  # the prime hours
        (EVERY_DAY, 13, 19): 0.17,
        (EVERY_DAY, 8, 13): 0.12,
        ((0, 1, 2, 3, 4), 10, 18): 0.13,
        ((4, 5, 6), 12, 24): 0.14,
        ((1, 3, 5, 6), 18, 24): 0.10,
        (EVERY_DAY, 10, 24): 0.06,
    }
)


def weekly_hours(pattern: Pattern) -> str:
    """Return 168 characters, Monday 00:00 first, with 1 where the pattern is open."""
    days, first, end = pattern
    open_day = "0" * first + "1" * (end - first) + "0" * (24 - end)
    return "".join(open_day if day in days else CLOSED_DAY for day in range(7))


def stall_hours(dice: Dice) -> str:
    """Return the hours at which a stall can hold a stream."""
    return weekly_hours(dice.weighted(STALL_PATTERNS))


def anchor_hours(dice: Dice) -> str:
    """Return the hours at which an anchor works; one in ten gives no calendar and so is open to all."""
    return "1" * 168 if dice.chance(0.1) else weekly_hours(dice.weighted(ANCHOR_PATTERNS))


def exceptions(dice: Dice, today: date) -> list[dict[str, object]]:
    """Return up to three days off in the coming eight weeks, for one party in twenty-five."""
    if not dice.chance(0.04):
        return []
    days = sorted({dice.integer(1, 56) for _ in range(dice.integer(1, 3))})
    return [{"on": today + timedelta(days=ahead), "hours": []} for ahead in days]
