"""Exact limits: a count per key and window, raised by one conditional UPDATE (layer: services)."""

from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs.models import Throttle
from matchmaker.core import clock
from matchmaker.core.errors import DomainError


class TooManyRequests(DomainError):
    """The limit of this window is used up; `Retry-After` says when the next begins."""

    status = 429
    default_code = "too_many_requests"
    default_detail = _("Too many tries. Please wait a little.")


def check_rate(key: str, *, limit: int, per_seconds: int, cost: int = 1, offset_seconds: int = 0) -> None:
    """Count `cost` uses of `key`; raise TooManyRequests when the window would hold more than `limit`.

    Windows begin at multiples of `per_seconds` since 1970 UTC, moved by `offset_seconds`.
    Keys must not hold phones or other personal data: pass a digest.
    """
    now = clock.now()
    window_at = _window(now, per_seconds, offset_seconds)
    counts = Throttle.objects.filter(key=key, window_at=window_at)
    fits = counts.filter(count__lte=limit - cost)
    if fits.update(count=F("count") + cost):
        return
    if cost <= limit and not counts.exists():
        try:
            with transaction.atomic():
                Throttle.objects.create(key=key, window_at=window_at, count=cost)
            return
        except IntegrityError:
            pass
    # Somebody else may have opened the window since the first look.
    if fits.update(count=F("count") + cost):
        return
    wait = int((window_at + timedelta(seconds=per_seconds) - now).total_seconds()) + 1
    raise TooManyRequests(headers={"Retry-After": str(wait)})


def count_of(key: str, *, per_seconds: int, offset_seconds: int = 0) -> int:
    """Return how many uses of `key` the present window holds."""
    window_at = _window(clock.now(), per_seconds, offset_seconds)
    counts = Throttle.objects.filter(key=key, window_at=window_at).values_list("count", flat=True)
    return counts.first() or 0


def _window(now: datetime, per_seconds: int, offset_seconds: int) -> datetime:
    number = (now.timestamp() - offset_seconds) // per_seconds
    return datetime.fromtimestamp(number * per_seconds + offset_seconds, tz=UTC)


def forget_old_counts(*, days: int = 8) -> int:
    """Delete the counts of windows long gone; return how many."""
    return Throttle.objects.filter(window_at__lt=timezone.now() - timedelta(days=days)).delete()[0]
