"""The second factor of staff: enrolling, proving, replacing it (layer: services)."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts import one_time
from accounts.digests import digest_of
from accounts.models import Authenticator, RecoveryCode, User
from accounts.services.access import end_sessions, revoke_devices
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.sealing import seal, unseal

_PURPOSE = "accounts.authenticator"


def needs_second_factor(user: User) -> bool:
    """Whether this user's password alone opens nothing."""
    return bool(settings.STAFF_TOTP and user.is_staff)


def authenticator_of(user: User) -> Authenticator | None:
    """The authenticator that a user enrolled, if any."""
    return Authenticator.objects.filter(user=user).first()


def enrol_authenticator(*, actor: User, secret: str, code: str) -> tuple[Authenticator, list[str]]:
    """Let the authenticator that holds `secret` count for `actor`; return it and the recovery codes.

    The codes are shown this once only. Raises InvalidInput for a wrong code, Conflict when there is one.
    """
    step = one_time.step_of(secret, code, clock.now())
    if step is None:
        raise _wrong_code()
    try:
        with transaction.atomic():
            row = Authenticator.objects.create(
                user=actor, sealed_secret=seal(secret, purpose=_PURPOSE), last_step=step
            )
            return row, _store_recovery_codes(row)
    except IntegrityError as error:
        message = _("An authenticator counts already. Have it reset first.")
        raise Conflict(message, code="already_enrolled") from error


def prove_second_factor(*, actor: User, code: str) -> Authenticator:
    """Take a code of the actor's authenticator, or a recovery code; each counts once.

    Raises InvalidInput for a code that is wrong or was used, Conflict without an authenticator.
    """
    row = authenticator_of(actor)
    if row is None:
        message = _("Sign in to the administration first: it shows how to add an authenticator.")
        raise Conflict(message, code="no_authenticator")
    if not (_use_code(row, code) or _use_recovery_code(row, code)):
        raise _wrong_code()
    return row


def renew_recovery_codes(*, actor: User) -> list[str]:
    """Replace all recovery codes of the actor; return the new ones, shown this once only."""
    row = authenticator_of(actor)
    if row is None:
        raise Conflict(code="no_authenticator")
    with transaction.atomic():
        row.recovery_codes.all().delete()
        return _store_recovery_codes(row)


def reset_second_factor(*, actor: User | None, user: User) -> bool:
    """Forget the user's authenticator and end their sessions; the next sign-in enrols a new one.

    `actor` None is the command line. Tells whether there was one. Raises NotAllowed unless an administrator.
    """
    if actor is not None and not (actor.is_active and actor.is_superuser):
        raise NotAllowed()
    with transaction.atomic():
        gone, _by_model = Authenticator.objects.filter(user=user).delete()
        end_sessions(user=user)
        revoke_devices(actor=actor or user, user=user)
    return bool(gone)


def _use_code(row: Authenticator, code: str) -> bool:
    try:
        secret = unseal(row.sealed_secret, purpose=_PURPOSE)
    except ValueError:  # sealed under a key that is gone
        return False
    step = one_time.step_of(secret, code, clock.now())
    if step is None:
        return False
    # Sealed anew, so that a former key can be given up once everybody has signed in.
    changes = {"last_step": step, "sealed_secret": seal(secret, purpose=_PURPOSE)}
    return bool(Authenticator.objects.filter(pk=row.pk, last_step__lt=step).update(**changes))


def _use_recovery_code(row: Authenticator, code: str) -> bool:
    digest = digest_of(one_time.normal_recovery_code(code))
    unused = RecoveryCode.objects.filter(authenticator=row, digest=digest, used_at=None)
    return bool(unused.update(used_at=clock.now()))


def _store_recovery_codes(row: Authenticator) -> list[str]:
    codes = one_time.new_recovery_codes()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(authenticator=row, digest=digest_of(one_time.normal_recovery_code(code)))
        for code in codes
    )
    return codes


def _wrong_code() -> InvalidInput:
    message = _("This code is wrong, or was used before. Wait for the next one.")
    return InvalidInput(code="wrong_code", fields={"code": [message]})
