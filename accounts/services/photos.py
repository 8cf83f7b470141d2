"""Keeping the photo of a merchant's business licence (layer: services)."""

from uuid import uuid4

from django.db import transaction

from accounts.models import LicencePhoto, Merchant, User
from accounts.selectors import licence_photo_of
from accounts.services.rows import update_row
from jobs.throttle import check_rate
from matchmaker.core.errors import NotFound
from matchmaker.core.images import redraw

# Drawing a picture anew takes a core for half a second.
PHOTOS_AN_HOUR = 20
# Below it nobody can read a licence.
LEAST_SIDE = 400


def keep_licence_photo(*, actor: User, merchant: Merchant, content: bytes) -> LicencePhoto:
    """Keep the photo in `content` (JPEG or PNG) instead of the one before; the same again changes nothing.

    The merchant's version rises, so that staff who confirm a page that showed another photo are told so. Its
    verification stays: staff decided by what they saw, and will see this one when they decide again.

    Raises InvalidInput for what is no readable photo, Conflict when the merchant changed meanwhile or is
    archived, TooManyRequests.
    """
    check_rate(f"licence-photo:{actor.pk}", limit=PHOTOS_AN_HOUR, per_seconds=3600)
    picture = redraw(content, field="body", least_side=LEAST_SIDE)
    before = licence_photo_of(merchant)
    if before is not None and before.digest == picture.digest:
        return before
    with transaction.atomic():
        update_row(merchant, {}, actor=actor, is_touched=True)
        photo, _is_new = LicencePhoto.objects.update_or_create(
            merchant=merchant, defaults={"public_id": uuid4(), "digest": picture.digest, **vars(picture)}
        )
    return photo


def remove_licence_photo(*, actor: User, merchant: Merchant) -> None:
    """Delete the photo; NotFound without one, Conflict when the merchant changed meanwhile."""
    with transaction.atomic():
        update_row(merchant, {}, actor=actor, is_touched=True)
        if not LicencePhoto.objects.filter(merchant=merchant).delete()[0]:
            raise NotFound()
