"""Taking over a register kept elsewhere: many people at once, and dates that lie behind (layer: services)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Anchor, Merchant, Stall, User
from accounts.phones import normalize_phone
from accounts.services.rows import in_chunks
from accounts.signals import profile_changed

CHUNK = 500
# What a register knows about the past and no service would set: they all work on today.
PAST_COLUMNS = frozenset({"created_at", "verified_until", "licence_expires_on"})


def register_people(
    *, actor: User | None, people: Sequence[tuple[str, str]], chunk: int = 1000
) -> list[User]:
    """Add users by (phone, name) without a password: they sign in by a code to their phone.

    Raises InvalidInput for a phone that cannot be, IntegrityError for one that is registered.
    """
    now = timezone.now()
    made: list[User] = []
    for part in in_chunks(people, chunk):
        users = [User(phone=normalize_phone(phone), name=name, phone_verified_at=now) for phone, name in part]
        for user in users:
            user.set_unusable_password()
        with transaction.atomic():
            made += User.objects.bulk_create(users, batch_size=200)
    return made


def record_past(
    *,
    actor: User | None,
    model: type[Merchant] | type[Stall] | type[Anchor],
    dates: Mapping[int, Mapping[str, Any]],
) -> None:
    """Set, by primary key, when rows joined and until when a licence or a verification held.

    Raises ValueError for any other column. Announces `profile_changed` of stalls and anchors.
    """
    groups: dict[tuple[str, Any], list[int]] = defaultdict(list)
    for pk, columns in dates.items():
        for name, value in columns.items():
            if name not in PAST_COLUMNS:
                raise ValueError(f"{name} is no date of the past")
            groups[name, value].append(pk)
    with transaction.atomic():
        for (name, value), ids in groups.items():
            for part in in_chunks(ids, CHUNK):
                _set(model, part, name, value)
        if model is not Merchant:
            profile_changed.send(sender=model, side=model._meta.model_name, ids=sorted(dates), actor=actor)


def _set(model: type[models.Model], ids: Sequence[int], name: str, value: Any) -> None:
    rows = model._default_manager.filter(pk__in=ids)
    rows.update(**{name: value, "version": F("version") + 1, "updated_at": timezone.now()})
