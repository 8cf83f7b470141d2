"""Suggestions as most sites would store them: one row a pair, everything to be shown in its columns."""

from django.db import models

from accounts.models import Anchor, Stall


class PairSuggestion(models.Model):
    """One row per stall and suggested anchor."""

    stall = models.ForeignKey(Stall, models.CASCADE, related_name="+")
    anchor = models.ForeignKey(Anchor, models.CASCADE, related_name="+")
    rank = models.PositiveSmallIntegerField()
    score = models.PositiveSmallIntegerField()
    base = models.PositiveSmallIntegerField()
    confidence = models.FloatField()
    parts = models.JSONField()
    adjustments = models.JSONField()
    computed_at = models.DateTimeField()

    class Meta:
        app_label = "serving_site"
        indexes = [models.Index(fields=["stall", "rank"], name="bench_stall_rank")]

    def __str__(self) -> str:
        return f"{self.stall_id} {self.rank}"
