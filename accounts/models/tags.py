"""What parties no longer want to be judged by (layer: models)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.parties import Anchor, Stall
from matchmaker.core.models import TimeStamped


class ForgottenTag(TimeStamped):
    """One row per party and derived tag that it had deleted: evidence of before then no longer counts."""

    stall = models.ForeignKey(Stall, models.CASCADE, null=True, related_name="forgotten_tags")
    anchor = models.ForeignKey(Anchor, models.CASCADE, null=True, related_name="forgotten_tags")
    code = models.CharField(_("tag"), max_length=32)
    forgotten_at = models.DateTimeField(_("forgotten at"))

    class Meta:
        verbose_name = _("forgotten tag")
        verbose_name_plural = _("forgotten tags")
        constraints = [
            models.CheckConstraint(
                condition=Q(stall__isnull=True, anchor__isnull=False)
                | Q(stall__isnull=False, anchor__isnull=True),
                name="forgotten_tag_one_party",
            ),
            models.UniqueConstraint(fields=["stall", "code"], name="forgotten_tag_stall_code_unique"),
            models.UniqueConstraint(fields=["anchor", "code"], name="forgotten_tag_anchor_code_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.forgotten_at:%Y-%m-%d}"
