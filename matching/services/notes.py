"""Taking back what somebody wrote beside an event; the event and its hash stay (layer: services)."""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from jobs.services import enqueue
from matching.models import MatchEvent, Note, OutcomeEvent
from matchmaker.core import clock
from matchmaker.core.errors import NotAllowed

# Of staff who erase for others, such as a person who asks for it.
ERASE = "matching.delete_note"

FORGET_ANSWERS_KIND = "matching.forget_answers"


def erase_note(*, actor: User, note: Note) -> Note:
    """Empty the text of `note` for good, as its author or as staff who may; doing it twice is harmless.

    The row stays, for the event that points to it cannot be changed; answers that are kept for a repeat and
    name its match are emptied by a job. Raises NotAllowed.
    """
    is_author = note.author_id == actor.pk
    if not (actor.is_active and (is_author or (actor.is_staff and actor.has_perm(ERASE)))):
        raise NotAllowed(_("Only who wrote a note may erase it."))
    now = clock.now()
    with transaction.atomic():
        unerased = Note.objects.filter(pk=note.pk, erased_at__isnull=True)
        if unerased.update(text="", erased_at=now, updated_at=now):
            ids = sorted(_matches_of(note))
            enqueue(kind=FORGET_ANSWERS_KIND, key=f"answers:note:{note.pk}", args={"ids": ids})
    note.refresh_from_db()
    return note


def _matches_of(note: Note) -> set[str]:
    """Public ids of the matches and bookings whose answers quote the note."""
    told = MatchEvent.objects.filter(note=note).values_list("match__public_id", flat=True)
    booked = OutcomeEvent.objects.filter(note=note).values_list("outcome__booking__public_id", flat=True)
    return {str(public_id) for public_id in (*told, *booked)}
