"""What sessions brought, as the sides, staff and the engine read it (layer: selectors)."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from matching.access import matches_of
from matching.choices import MatchStatus, OutcomeStatus
from matching.models import Booking, Match, Outcome, OutcomeEvent
from matching.outcomes import fulfilment_rate
from matching.policy import BELIEVED_AFTER
from matchmaker.core import clock
from matchmaker.core.errors import NotFound

_FOR_A_MOVE = ("session", "outcome", "match__stall", "match__anchor")


def bookings_of(user: User) -> QuerySet[Booking]:
    """Return the bookings that `user` may see, with session, outcome, match and both parties."""
    return Booking.objects.filter(match__in=matches_of(user)).select_related(*_FOR_A_MOVE)


def booking_of(user: User, booking_id: UUID) -> Booking:
    """Return one of them; NotFound for any other id."""
    booking = bookings_of(user).filter(public_id=booking_id).first()
    if booking is None:
        raise NotFound(_("There is no such booking."), code="no_such_booking")
    return booking


def due_bookings(user: User, now: datetime) -> QuerySet[Booking]:
    """Return those whose session is over and that nobody has recorded an outcome for."""
    return bookings_of(user).filter(
        outcome__isnull=True,
        released_at__isnull=True,
        session__ends_at__lte=now,
        match__status__in=(MatchStatus.APPROVED, MatchStatus.COMPLETED),
    )


def outcomes_for_learning() -> QuerySet[Outcome]:
    """Return the outcomes that the engine may learn from.

    Those that the other side confirmed or staff settled, and those recorded that nobody has disputed in the
    seven days since the figures were last changed. Never a disputed one, or one whose booking was released.
    """
    changed = OutcomeEvent.objects.filter(outcome=OuterRef("pk"), at__gt=clock.now() - BELIEVED_AFTER)
    agreed = Q(status__in=(OutcomeStatus.CONFIRMED, OutcomeStatus.SETTLED))
    stands = Q(status=OutcomeStatus.RECORDED) & ~Exists(changed)
    return Outcome.objects.filter(agreed | stands, booking__released_at__isnull=True)


def fulfilment_of(match: Match) -> Decimal | None:
    """Return the share of the match's booked sessions that took place: those with an outcome."""
    counts = match.bookings.aggregate(accepted=Count("pk"), fulfilled=Count("outcome"))
    return fulfilment_rate(counts["fulfilled"], counts["accepted"])
