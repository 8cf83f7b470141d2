"""Who works for the town (layer: services)."""

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.choices import TOWN_STAFF
from accounts.models import User


def appoint_staff(*, actor: User | None, user: User) -> User:
    """Let `user` into the administration with the powers of town staff; `actor` None is the command line."""
    with transaction.atomic():
        user.is_staff = True
        user.save(update_fields=["is_staff", "updated_at"])
        user.groups.add(Group.objects.get(name=TOWN_STAFF))
    return user
