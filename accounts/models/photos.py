"""Photos that parties give staff to look at (layer: models)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.parties import Merchant
from matchmaker.core.models import Public, TimeStamped


class LicencePhoto(Public, TimeStamped):
    """One row per merchant: its business licence as staff see it, drawn anew (matchmaker/core/images.py).

    The picture is in the row: it comes, goes, is backed up and is erased with it (docs/decisions/0010).
    """

    merchant = models.OneToOneField(
        Merchant, models.CASCADE, related_name="licence_photo", verbose_name=_("merchant")
    )
    content = models.BinaryField(help_text=_("JPEG."))
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the content."))
    width = models.PositiveIntegerField(_("width"), help_text=_("Pixels."))
    height = models.PositiveIntegerField(_("height"), help_text=_("Pixels."))

    class Meta:
        verbose_name = _("photo of the licence")
        verbose_name_plural = _("photos of licences")

    def __str__(self) -> str:
        return str(self.merchant)
