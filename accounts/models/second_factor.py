"""What staff prove beside the password: an authenticator, or a code for its loss (layer: models)."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from matchmaker.core.models import Public, TimeStamped


class Authenticator(Public, TimeStamped):
    """One row per person with a second factor; sessions that passed it name its `public_id`.

    So whoever resets it ends those sessions too.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="authenticator", verbose_name=_("user")
    )
    sealed_secret = models.CharField(max_length=200, editable=False)
    # The time step of the last code that was taken: raised by a conditional UPDATE, so a code works once.
    last_step = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("authenticator")
        verbose_name_plural = _("authenticators")

    def __str__(self) -> str:
        return str(self.user)


class RecoveryCode(TimeStamped):
    """One row per code that replaces the authenticator once; kept as a digest."""

    authenticator = models.ForeignKey(Authenticator, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, editable=False)
    used_at = models.DateTimeField(_("used at"), null=True)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        indexes = [models.Index(fields=["authenticator", "digest"], name="recovery_code_digest")]

    def __str__(self) -> str:
        return str(self.pk)
