"""What staff do about a user: blocking, which ends every token, and lifting the block (layer: services)."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiToken, Erasure, User
from accounts.services.access import end_sessions, revoke_api_token, revoke_devices
from matchmaker.core.errors import Conflict, NotAllowed

CHANGE_USER = "accounts.change_user"


def block_user(*, actor: User, user: User) -> None:
    """Shut a user out at once: no sign-in, no session, device or machine token. Raises NotAllowed."""
    _require_may_change(actor, user)
    with transaction.atomic():
        _set_active(user, is_active=False)
        end_sessions(user=user)
        revoke_devices(actor=actor, user=user)
        for token in ApiToken.objects.filter(user=user, revoked_at=None).select_related("user"):
            revoke_api_token(actor=actor, token=token)


def unblock_user(*, actor: User, user: User) -> None:
    """Let a blocked user sign in again; tokens that were ended stay ended."""
    _require_may_change(actor, user)
    if Erasure.objects.filter(user=user).exists():
        raise Conflict(_("This person was erased; that cannot be undone."), code="erased")
    _set_active(user, is_active=True)


def _set_active(user: User, *, is_active: bool) -> None:
    User.objects.filter(pk=user.pk).update(is_active=is_active, updated_at=timezone.now())
    user.is_active = is_active


def _require_may_change(actor: User, user: User) -> None:
    if not (actor.is_staff and actor.has_perm(CHANGE_USER)):
        raise NotAllowed()
    if actor.pk == user.pk:
        raise NotAllowed(_("You cannot block or unblock yourself."), code="own_account")
    if (user.is_staff or user.is_superuser) and not actor.is_superuser:
        raise NotAllowed(_("Only an administrator decides about other staff."), code="staff_account")
