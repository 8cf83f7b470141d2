"""Who signs in: users by phone, their devices and their machine tokens (layer: models)."""

from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.phones import normalize_phone
from matchmaker.core.errors import InvalidInput
from matchmaker.core.models import Public, TimeStamped


class UserManager(BaseUserManager["User"]):
    """Makes users by phone; a mainland number needs no country code."""

    def create_user(self, phone: str, password: str | None = None, **fields: Any) -> "User":
        # Whoever makes a user by hand vouches for the phone; only a sign-up has to prove it by code.
        fields.setdefault("phone_verified_at", timezone.now())
        user = self.model(phone=normalize_phone(phone), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, phone: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(phone, password, **fields | {"is_staff": True, "is_superuser": True})

    def unfinished_sign_ups(self) -> models.QuerySet["User"]:
        """Sign-ups whose phone was never proved and that nobody has built on: they count as nobody."""
        return self.filter(
            phone_verified_at=None, last_login=None, is_active=True,
            is_staff=False, is_superuser=False, memberships=None,
        )  # fmt: skip

    def of_phone(self, phone: str) -> "User | None":
        """The user of an E.164 phone, unless it is an unfinished sign-up."""
        user = self.filter(phone=phone).first()
        if user and self.unfinished_sign_ups().filter(pk=user.pk).exists():
            return None
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        try:
            phone = normalize_phone(username or "")
        except InvalidInput as error:
            raise self.model.DoesNotExist from error  # what a login form expects of any unknown name
        return self.get(phone=phone)


class User(AbstractBaseUser, PermissionsMixin, Public, TimeStamped):
    """One row per person; the phone (E.164) is the login."""

    phone = models.CharField(
        _("phone"), max_length=16, unique=True, help_text=_("E.164, such as +8613800138000")
    )
    phone_verified_at = models.DateTimeField(_("phone verified at"), null=True, blank=True)
    name = models.CharField(_("name"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True, choices=settings.LANGUAGES)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("town staff"), default=False)
    # Raised to end every session in a browser at once: sessions carry a hash of it (see below).
    session_epoch = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    USERNAME_FIELD = "phone"
    objects = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.name or self.masked_phone

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's hash of the password, over the epoch too: other sessions than those of today are void."""
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        value = f"{self.password}{self.session_epoch or ''}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()

    @property
    def masked_phone(self) -> str:
        """The phone with its middle hidden: `+86138****8000`; of who was erased, the pseudonym."""
        if not self.phone.startswith("+"):
            return self.phone
        return f"{self.phone[:-8]}****{self.phone[-4:]}"


class DeviceToken(Public, TimeStamped):
    """One row per signed-in device; only a digest of its token is kept. No user: the sign-in goes on."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="devices",
        verbose_name=_("user"),
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    session_key = models.CharField(max_length=40, editable=False)
    device_name = models.CharField(_("device"), max_length=120, blank=True)
    # Opened with a code of the authenticator too; without it a device of staff may count for nothing.
    has_second_factor = models.BooleanField(
        _("with second factor"), default=False, db_default=False, editable=False
    )
    expires_at = models.DateTimeField(_("expires at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("signed-in device")
        verbose_name_plural = _("signed-in devices")

    def __str__(self) -> str:
        return self.device_name or str(self.public_id)


class ApiToken(Public, TimeStamped):
    """One row per machine token: acts for its user within `scopes`; shown once, kept as a digest."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    expires_at = models.DateTimeField(_("expires at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
