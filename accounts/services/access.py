"""Signing up and in: users by phone, device tokens, machine tokens (layer: services)."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import Scope
from accounts.digests import digest_of, new_api_token, new_device_token
from accounts.models import ApiToken, Authenticator, DeviceToken, User
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.prepared import Prepared

# A sign-in waits so long for its code; allauth's own limit for the whole sign-in is the same.
SIGN_IN_LIFE = timedelta(minutes=15)
API_TOKEN_MAX_LIFE = timedelta(days=366)
API_TOKENS_MAX = 20
USE_NOTED_EVERY = timedelta(minutes=1)

Token = TypeVar("Token", DeviceToken, ApiToken)


def register_user(*, phone: str, password: str, name: str = "") -> User:
    """Create the user of a sign-up; the phone still has to be proved by a code.

    An earlier sign-up that never proved the same phone goes, and with it its password: nobody can lay
    hands on a stranger's number by signing up first. Raises Conflict when two sign-ups cross.
    """
    try:
        with transaction.atomic():
            User.objects.unfinished_sign_ups().filter(phone=phone).delete()
            return User.objects.create_user(phone, password, name=name, phone_verified_at=None)
    except IntegrityError as error:
        raise Conflict(_("Please try again in a moment."), code="sign_up_crossed") from error


def prove_phone(*, actor: User, phone: str) -> User:
    """Record that `actor` holds `phone`, which becomes the login.

    Raises Conflict when it is somebody else's meanwhile.
    """
    try:
        with transaction.atomic():
            User.objects.unfinished_sign_ups().filter(phone=phone).exclude(pk=actor.pk).delete()
            actor.phone = phone
            actor.phone_verified_at = timezone.now()
            actor.save(update_fields=["phone", "phone_verified_at", "updated_at"])
    except IntegrityError as error:
        raise Conflict(_("This phone belongs to another account."), code="phone_taken") from error
    return actor


def change_password(*, actor: User, user: User, password: str) -> None:
    """Set a new password and sign every device of the user out."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password", "updated_at"])
        revoke_devices(actor=actor, user=user)


def update_profile(*, actor: User, changes: dict[str, Any]) -> User:
    """Change the name and the language of the asker."""
    for name in ("name", "language"):
        if name in changes:
            setattr(actor, name, changes[name])
    actor.save(update_fields=["name", "language", "updated_at"])
    return actor


def fits_session(token: str, *, user: User | None, session_key: str) -> bool:
    """Whether a token is the one of this session. It no longer is once the session got a new key at sign-in:
    a token known before it must not become a signed-in one."""
    device = live_device(token) if token else None
    return bool(
        device and device.session_key == session_key and device.user_id == (user.pk if user else None)
    )


def open_device(
    *,
    user: User | None,
    session_key: str,
    device_name: str,
    old_token: str = "",
    has_second_factor: bool = False,
) -> str:
    """Return the token of a session: the old one while it fits, else a new one in its place.

    Of a user's devices the `DEVICES_MAX` used last stay signed in.
    """
    if fits_session(old_token, user=user, session_key=session_key):
        return old_token
    token = new_device_token()
    now = timezone.now()
    life = device_life() if user else SIGN_IN_LIFE
    with transaction.atomic():
        if old_token:
            close_device(old_token)
        DeviceToken.objects.create(
            user=user,
            digest=digest_of(token),
            session_key=session_key,
            device_name=device_name,
            has_second_factor=has_second_factor,
            expires_at=now + life,
            last_used_at=now,
        )
        if user:
            _keep_newest(user)
    return token


def _keep_newest(user: User) -> None:
    # The write makes a sign-in on another device wait, so that two at once cannot both find room.
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch"))
    newest = live_devices(user).order_by("-last_used_at", "-pk").values_list("pk", flat=True)
    _revoke(live_devices(user).exclude(pk__in=list(newest[: settings.DEVICES_MAX])))


def device_life() -> timedelta:
    """How long a signed-in device stays signed in at most."""
    return timedelta(days=settings.DEVICE_TOKEN_DAYS)


def device_idle() -> timedelta:
    """How long a device may be unused before it is signed out."""
    return timedelta(days=settings.DEVICE_IDLE_DAYS)


def live_device(token: str) -> DeviceToken | None:
    """The row of a device token, with its user, while it counts; the user may be missing."""
    device = _row_of(DeviceToken, token)
    return device if device and is_live(device) else None


def live_api_token(token: str) -> ApiToken | None:
    """The row of a machine token, with its user, while it counts."""
    row = _row_of(ApiToken, token)
    return row if row and is_live(row) else None


_COLUMNS: dict[type[Model], list[str]] = {
    model: [field.attname for field in model._meta.concrete_fields] for model in (DeviceToken, ApiToken, User)
}


def _with_user(model: type[Model]) -> Prepared:
    columns = [*_COLUMNS[model], *(f"user__{name}" for name in _COLUMNS[User])]
    return Prepared(lambda digests: model._default_manager.filter(digest__in=digests).values_list(*columns))


# Read with every request.
_WITH_USER: dict[type[Model], Prepared] = {model: _with_user(model) for model in (DeviceToken, ApiToken)}


def _row_of(model: type[Token], token: str) -> Token | None:
    """The row of a token, with its user."""
    rows = _WITH_USER[model].rows([digest_of(token)])
    if not rows:
        return None
    names = _COLUMNS[model]
    own, of_user = rows[0][: len(names)], rows[0][len(names) :]
    found = model.from_db(connection.alias, names, own)
    if found.user_id is not None:
        found.user = User.from_db(connection.alias, _COLUMNS[User], of_user)
    return found


def is_live(token: DeviceToken | ApiToken) -> bool:
    """Whether a token still counts: not revoked, expired or idle for long, its user not disabled."""
    if token.revoked_at or token.expires_at <= timezone.now() or _is_idle(token):
        return False
    return token.user is None or (token.user.is_active and not _lacks_second_factor(token))


def _is_idle(token: DeviceToken | ApiToken) -> bool:
    if not isinstance(token, DeviceToken) or token.last_used_at is None:
        return False
    return token.last_used_at <= timezone.now() - device_idle()


def _lacks_second_factor(token: DeviceToken | ApiToken) -> bool:
    """Whether a token was made by password alone, and its user is staff by now.

    Of machine tokens those are such that are older than the authenticator.
    """
    if not (settings.STAFF_TOTP and token.user and token.user.is_staff):
        return False
    if isinstance(token, DeviceToken):
        return not token.has_second_factor
    return not Authenticator.objects.filter(user=token.user_id, created_at__lte=token.created_at).exists()


def note_use(token: DeviceToken | ApiToken) -> None:
    """Record that a token was used, at most once a minute, so that reading costs no write."""
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < USE_NOTED_EVERY:
        return
    type(token)._default_manager.filter(pk=token.pk).update(last_used_at=now)
    token.last_used_at = now


def revoke_device(*, actor: User, device: DeviceToken) -> None:
    """Sign one device out; repeating it changes nothing."""
    _require_own_or_staff(actor, device.user)
    _revoke(DeviceToken.objects.filter(pk=device.pk))


def revoke_devices(*, actor: User, user: User) -> int:
    """Sign every device of a user out; return how many there were."""
    _require_own_or_staff(actor, user)
    return _revoke(DeviceToken.objects.filter(user=user))


def end_sessions(*, user: User) -> None:
    """End every session of the user in a browser; devices and machine tokens are apart."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])


def close_device(token: str) -> None:
    """Sign out the device that holds `token`."""
    _revoke(DeviceToken.objects.filter(digest=digest_of(token)))


def issue_api_token(
    *, actor: User, user: User, name: str, scopes: list[str], expires_at: datetime
) -> tuple[ApiToken, str]:
    """Make a machine token for `user`; return its row and the secret, which is shown this once only.

    Raises InvalidInput naming the field at fault, Conflict when the user holds too many.
    """
    _require_own_or_staff(actor, user)
    fields = _api_token_faults(name, scopes, expires_at)
    if fields:
        raise InvalidInput(fields=fields)
    if live_api_tokens(user).count() >= API_TOKENS_MAX:
        raise Conflict(_("Revoke a token that is no longer used first."), code="too_many_tokens")
    plain = new_api_token()
    row = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        digest=digest_of(plain),
        prefix=plain[:12],
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    return row, plain


def live_api_tokens(user: User) -> Any:
    """The machine tokens of a user that still count."""
    return ApiToken.objects.filter(user=user, revoked_at=None, expires_at__gt=timezone.now())


def live_devices(user: User) -> Any:
    """The signed-in devices of a user."""
    now = timezone.now()
    devices = DeviceToken.objects.filter(user=user, revoked_at=None, expires_at__gt=now)
    return devices.exclude(last_used_at__lte=now - device_idle())


def revoke_api_token(*, actor: User, token: ApiToken) -> None:
    """End a machine token at once; repeating it changes nothing."""
    _require_own_or_staff(actor, token.user)
    _revoke(ApiToken.objects.filter(pk=token.pk))


def forget_expired_access(*, days: int = 30) -> int:
    """Delete tokens that ended `days` ago, sign-ups a day old and lapsed sessions; return how many."""
    now = timezone.now()
    before = now - timedelta(days=days)
    ended = [
        DeviceToken.objects.filter(expires_at__lt=before),
        DeviceToken.objects.filter(user=None, expires_at__lt=now),
        ApiToken.objects.filter(expires_at__lt=before),
        User.objects.unfinished_sign_ups().filter(created_at__lt=now - timedelta(days=1)),
        Session.objects.filter(expire_date__lt=now),
    ]
    return sum(rows.delete()[0] for rows in ended)


def _revoke(rows: Any) -> int:
    now = timezone.now()
    count: int = rows.filter(revoked_at=None).update(revoked_at=now, updated_at=now)
    return count


def _require_own_or_staff(actor: User, user: User | None) -> None:
    if user is None or (actor.pk != user.pk and not actor.is_staff):
        raise NotAllowed()


def _api_token_faults(name: str, scopes: list[str], expires_at: datetime) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    now = timezone.now()
    unknown = sorted(set(scopes) - set(Scope.values))
    if not name.strip():
        fields["name"] = [_("Give the token a name.")]
    if unknown or not scopes:
        fields["scopes"] = [_("Choose from: %(scopes)s.") % {"scopes": ", ".join(Scope.values)}]
    if not now < expires_at <= now + API_TOKEN_MAX_LIFE:
        fields["expires_at"] = [_("Choose a time from now to a year ahead.")]
    return fields
