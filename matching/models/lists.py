"""What the engine computed and what people did with it (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Anchor, Merchant, Stall
from matching.choices import PairRuleKind, ReactionKind, Side
from matching.models.learned import EngineModel
from matchmaker.core.models import Public, TimeStamped


class EngineRun(TimeStamped):
    """One row per fitted state of the engine; every list says from which run it comes."""

    fingerprint = models.CharField(
        _("fingerprint"),
        max_length=64,
        help_text=_("Digest of code, schema, config, model, seed, libraries."),
    )
    details = models.JSONField(_("details"), default=dict)
    model = models.BinaryField(help_text=_("The fitted model: plain arrays, no pickle."), editable=False)
    market = models.BinaryField(
        default=bytes,
        editable=False,
        help_text=_("How busy everybody was when this run's lists were made: plain arrays."),
    )
    learned = models.ForeignKey(
        EngineModel,
        models.PROTECT,
        null=True,
        related_name="runs",
        verbose_name=_("learned model"),
        help_text=_("Whose weights it scored with; empty for the prior alone."),
    )
    parties_fitted = models.PositiveIntegerField(_("parties fitted on"), default=0)
    base_hundredths = models.IntegerField(
        _("base"), default=0, help_text=_("Score of the average pair, in hundredths.")
    )
    part_codes = models.JSONField(_("part codes"), default=list)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    checksum = models.CharField(_("checksum of the lists"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("engine run")
        verbose_name_plural = _("engine runs")

    def __str__(self) -> str:
        return f"{self.pk}: {self.fingerprint[:12]}"


class RecommendationList(Public):
    """One row per subject and computation: packed arrays of up to 50 partners, best first.

    `partner_ids` little-endian int64, `scores` int32 hundredths of a point, `parts` int16 hundredths in
    row-major order (partner × part code of the run), `confidences` uint8 of 255, `adjustments` int16
    hundredths (partner × what moved it beside its score), `propensities` float32. Values, score and
    adjustments together, never rise.
    A superseded list stays a day for open cursors.
    """

    side = models.CharField(_("for"), max_length=6, choices=Side.choices)
    subject_id = models.BigIntegerField(_("subject"))
    run = models.ForeignKey(EngineRun, models.PROTECT, related_name="lists", verbose_name=_("engine run"))
    subject_version = models.BigIntegerField(
        default=-1,
        help_text=_("Version of the subject that was read; another one now means a newer list is due."),
    )
    partners_version = models.BigIntegerField(
        default=-1,
        help_text=_("Sum of the versions of all partners that were read: it only grows, like a clock."),
    )
    computed_at = models.DateTimeField(_("computed at"))
    superseded_at = models.DateTimeField(_("superseded at"), null=True, db_index=True)
    partner_ids = models.BinaryField()
    scores = models.BinaryField()
    parts = models.BinaryField()
    confidences = models.BinaryField()
    adjustments = models.BinaryField(default=bytes)
    propensities = models.BinaryField(default=bytes)
    floor_hundredths = models.IntegerField(
        default=-1, help_text=_("Value of the last place of a full list; -1 while there is room.")
    )
    pool_floor_hundredths = models.IntegerField(
        default=-1, help_text=_("Score of the last candidate of a full pool; -1 while there is room.")
    )
    ruled_out = models.JSONField(
        _("ruled out"), default=dict, help_text=_("Partners ruled out, counted by reason code.")
    )

    class Meta:
        verbose_name = _("recommendation list")
        verbose_name_plural = _("recommendation lists")
        constraints = [
            models.UniqueConstraint(
                fields=["side", "subject_id"],
                condition=Q(superseded_at__isnull=True),
                name="one_current_list",
            )
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.subject_id}"


class Pair(models.Model):
    """What concerns one stall and one anchor."""

    stall = models.ForeignKey(Stall, models.CASCADE, related_name="+", verbose_name=_("stall"))
    anchor = models.ForeignKey(Anchor, models.CASCADE, related_name="+", verbose_name=_("anchor"))

    class Meta:
        abstract = True


class Reaction(Pair, TimeStamped):
    """One row per side and pair: the last explicit answer to a suggestion."""

    side = models.CharField(_("by"), max_length=6, choices=Side.choices)
    kind = models.CharField(_("reaction"), max_length=8, choices=ReactionKind.choices)
    until = models.DateTimeField(
        _("until"), null=True, help_text=_("End of the hiding; empty for like and never.")
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("actor")
    )

    class Meta:
        verbose_name = _("reaction")
        verbose_name_plural = _("reactions")
        constraints = [models.UniqueConstraint(fields=["side", "stall", "anchor"], name="one_reaction")]

    def __str__(self) -> str:
        return f"{self.side}: {self.kind}"


class Block(Public, TimeStamped):
    """One row per party that wants never again to meet another: all stalls of the merchant, to come too."""

    side = models.CharField(_("by"), max_length=6, choices=Side.choices)
    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="+", verbose_name=_("merchant"))
    anchor = models.ForeignKey(Anchor, models.CASCADE, related_name="+", verbose_name=_("anchor"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("actor")
    )

    class Meta:
        verbose_name = _("block")
        verbose_name_plural = _("blocks")
        constraints = [models.UniqueConstraint(fields=["side", "merchant", "anchor"], name="one_block")]

    def __str__(self) -> str:
        return f"{self.merchant} – {self.anchor}"


class PairRule(Pair, TimeStamped):
    """One row per standing rule of staff on a pair."""

    kind = models.CharField(_("rule"), max_length=8, choices=PairRuleKind.choices)
    until = models.DateTimeField(_("until"), null=True, blank=True)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    note = models.TextField(_("note"), max_length=2000, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("actor"),
    )

    class Meta:
        verbose_name = _("pair rule")
        verbose_name_plural = _("pair rules")
        constraints = [models.UniqueConstraint(fields=["kind", "stall", "anchor"], name="one_pair_rule")]

    def __str__(self) -> str:
        return f"{self.stall} – {self.anchor}: {self.get_kind_display()}"


class Exclusivity(Pair, TimeStamped):
    """One row per promise of an anchor to sell a category (or all) only for one stall during a term."""

    category = models.CharField(
        _("category"), max_length=48, blank=True, help_text=_("Code; empty: everything.")
    )
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))

    class Meta:
        verbose_name = _("exclusivity")
        verbose_name_plural = _("exclusivities")
        constraints = [
            models.CheckConstraint(condition=Q(ends_on__gte=models.F("starts_on")), name="exclusivity_term")
        ]

    def __str__(self) -> str:
        return f"{self.anchor} → {self.stall}"


class Impression(Pair):
    """One row per suggestion that was shown at a position."""

    side = models.CharField(_("to"), max_length=6, choices=Side.choices)
    list_id = models.UUIDField(_("recommendation list"), null=True)
    rank = models.PositiveSmallIntegerField(_("rank"))
    score_hundredths = models.IntegerField(_("score in hundredths"))
    propensity = models.FloatField(_("propensity"), default=1.0)
    shown_at = models.DateTimeField(_("shown at"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("actor")
    )

    class Meta:
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")
        constraints = [
            models.UniqueConstraint(
                fields=["list_id", "side", "stall", "anchor"], name="one_impression_per_list"
            )
        ]
        indexes = [models.Index(fields=["side", "shown_at"], name="impression_shown")]

    def __str__(self) -> str:
        return f"{self.side} #{self.rank}"
