"""Taking back what somebody wrote beside an event; the event and its hash stay (layer: services)."""

from django.utils.translation import gettext as _

from accounts.models import User
from matching.models import Note
from matchmaker.core import clock
from matchmaker.core.errors import NotAllowed

# Of staff who erase for others, such as a person who asks for it.
ERASE = "matching.delete_note"


def erase_note(*, actor: User, note: Note) -> Note:
    """Empty the text of `note` for good, as its author or as staff who may; doing it twice is harmless.

    The row stays, for the event that points to it cannot be changed. Raises NotAllowed.
    """
    is_author = note.author_id == actor.pk
    if not (actor.is_active and (is_author or (actor.is_staff and actor.has_perm(ERASE)))):
        raise NotAllowed(_("Only who wrote a note may erase it."))
    now = clock.now()
    Note.objects.filter(pk=note.pk, erased_at__isnull=True).update(text="", erased_at=now, updated_at=now)
    note.refresh_from_db()
    return note
