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


class PairRow(models.Model):
    """One row per pair without keys to other tables, and its parts as bytes: the least it can be."""

    stall_id = models.BigIntegerField()
    anchor_id = models.BigIntegerField()
    rank = models.PositiveSmallIntegerField()
    score = models.IntegerField()
    confidence = models.FloatField()
    parts = models.BinaryField()

    class Meta:
        app_label = "serving_site"
        constraints = [models.UniqueConstraint(fields=["stall_id", "rank"], name="bench_one_place")]

    def __str__(self) -> str:
        return f"{self.stall_id} {self.rank}"
