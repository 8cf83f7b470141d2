"""The pieces that a re-match is cut into, for workers on any number of machines (layer: models)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matching.choices import Side
from matching.models.lists import EngineRun
from matchmaker.core.models import TimeStamped


class PartStage(models.TextChoices):
    MARKET = "market", _("market")
    POOLS = "pools", _("candidates")
    LISTS = "lists", _("lists")


class RunPart(TimeStamped):
    """One row per piece of a re-match: what it gave, or who is at it until when.

    `market` holds a side of the encoded market, `pools` the candidates of a block of subjects, `lists` tells
    of their finished lists. A worker takes a piece by one conditional UPDATE; of a worker that was killed
    the lease lapses and another takes it. The bytes go when the run is published.
    """

    run = models.ForeignKey(EngineRun, models.CASCADE, related_name="parts", verbose_name=_("engine run"))
    stage = models.CharField(_("stage"), max_length=8, choices=PartStage.choices)
    side = models.CharField(_("side"), max_length=6, choices=Side.choices)
    start = models.PositiveIntegerField(_("first row"), help_text=_("Of the side, in order of id."))
    stop = models.PositiveIntegerField(_("end"))
    lease_until = models.DateTimeField(_("lease until"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    data = models.BinaryField(default=bytes, editable=False)
    result = models.JSONField(_("result"), default=dict)

    class Meta:
        verbose_name = _("piece of a re-match")
        verbose_name_plural = _("pieces of re-matches")
        constraints = [
            models.UniqueConstraint(fields=["run", "stage", "side", "start"], name="one_piece"),
            models.CheckConstraint(condition=Q(stop__gte=models.F("start")), name="piece_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.stage} {self.side} {self.start}"


class DueParty(models.Model):
    """One row per change of a party that waits for a new list together with many others (a herd of edits).

    Each change has its own row, which is seen no sooner than the change itself. A row that was there before
    could be taken, and its list made, while the change is not committed yet. `batch` is the job that took it.
    """

    side = models.CharField(max_length=6, choices=Side.choices)
    party_id = models.BigIntegerField()
    batch = models.BigIntegerField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.side} {self.party_id}"
