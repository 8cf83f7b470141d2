"""Who works for the town: the group whose members verify and decide (layer: services)."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.models import User

TOWN_STAFF = "town staff"
ROOMS = ("accounts", "jobs", "matching")
# Beside seeing everything: what staff do all day. Accounts of other staff stay with administrators.
DECISIONS = (
    "accounts.change_merchant",
    "accounts.change_stall",
    "accounts.change_anchor",
    "accounts.change_user",
    "matching.decide_match",
    "matching.add_pairrule",
    "matching.change_pairrule",
    "matching.add_exclusivity",
    "matching.change_exclusivity",
)


def town_staff_group() -> Group:
    """Return the group of town staff with the permissions that their work takes."""
    group, _created = Group.objects.get_or_create(name=TOWN_STAFF)
    wanted = Q(content_type__app_label__in=ROOMS, codename__startswith="view_")
    for name in DECISIONS:
        room, codename = name.split(".")
        wanted |= Q(content_type__app_label=room, codename=codename)
    group.permissions.add(*Permission.objects.filter(wanted))
    return group


def appoint_staff(*, actor: User | None, user: User) -> User:
    """Let `user` into the administration as town staff; `actor` None is the command line."""
    with transaction.atomic():
        user.is_staff = True
        user.save(update_fields=["is_staff", "updated_at"])
        user.groups.add(town_staff_group())
    return user
