"""What shows later that nothing was changed behind our back (layer: models)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from matching.models.matches import Match
from matchmaker.core.models import TimeStamped


class DailyRoot(TimeStamped):
    """One row per day of the town: one hash over the heads of all chains that grew since the root before.

    `root` is sha256 over `prev_root` and the sorted leaves; who keeps a root elsewhere can show that no event
    before it was changed, added or taken away.
    """

    on = models.DateField(_("day"), unique=True)
    root = models.CharField(_("root"), max_length=64)
    prev_root = models.CharField(_("root before"), max_length=64, blank=True)
    leaf_count = models.PositiveIntegerField(_("chains"), default=0)

    class Meta:
        verbose_name = _("daily root")
        verbose_name_plural = _("daily roots")
        ordering = ["-on"]
        constraints = [
            # Two workers at once cannot both follow the same root.
            models.UniqueConstraint(fields=["prev_root"], name="one_root_after_another")
        ]

    def __str__(self) -> str:
        return f"{self.on}: {self.root[:12]}"


class RootLeaf(models.Model):
    """One row per match under a root: the number and hash of its last event then."""

    root = models.ForeignKey(DailyRoot, models.CASCADE, related_name="leaves")
    match = models.ForeignKey(Match, models.PROTECT, related_name="+")
    seq = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["root", "match"], name="root_leaf_unique"),
            # Two runs at once cannot put one event under two roots.
            models.UniqueConstraint(fields=["match", "seq"], name="root_leaf_seq_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.match_id}/{self.seq}"


class InvariantCheck(TimeStamped):
    """One row per run of `check_invariants`: what each detector looked at and found."""

    violations = models.PositiveIntegerField(_("violations"), default=0)
    results = models.JSONField(
        _("results"), default=list, help_text=_("[{number, name, examined, violations, milliseconds}]")
    )

    class Meta:
        verbose_name = _("check of invariants")
        verbose_name_plural = _("checks of invariants")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}: {self.violations}"
