"""A match day: the whole town paired at once, and the pairs that came of it (layer: models)."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Anchor, Stall
from matching.choices import MatchDayStatus, PairWish
from matching.models.lists import EngineRun
from matching.models.matches import Match
from matching.policy import PLACES_MAX, SESSION_HOURS_MAX
from matchmaker.core.models import Public, StatusChange, TimeStamped, Versioned


class MatchDay(Public, TimeStamped, Versioned):
    """One row per run of the whole town: what it is for, how it is weighed, and what came of it."""

    first_week_on = models.DateField(_("first week"), help_text=_("A Monday."))
    weeks = models.PositiveSmallIntegerField(
        _("weeks"), default=1, validators=[MinValueValidator(1), MaxValueValidator(4)]
    )
    from_hour = models.PositiveSmallIntegerField(
        _("from hour"),
        default=9,
        help_text=_("Sessions begin no earlier in the day."),
        validators=[MaxValueValidator(23)],
    )
    to_hour = models.PositiveSmallIntegerField(
        _("to hour"),
        default=24,
        help_text=_("Sessions end no later in the day."),
        validators=[MinValueValidator(1), MaxValueValidator(24)],
    )
    session_hours = models.PositiveSmallIntegerField(
        _("hours of a session"),
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(SESSION_HOURS_MAX)],
    )
    places = models.PositiveSmallIntegerField(
        _("stalls in a session"),
        default=1,
        help_text=_("1: exclusive sessions; more: mixed sessions."),
        validators=[MinValueValidator(1), MaxValueValidator(PLACES_MAX)],
    )
    rho = models.DecimalField(
        _("weight of turnover"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.50"),
        help_text=_("0: only how likely a pair agrees; 1: its expected net GMV counts in full."),
        validators=[MinValueValidator(0), MaxValueValidator(1)],
    )
    newcomer_floor = models.PositiveSmallIntegerField(
        _("bookings for newcomers"),
        default=1,
        help_text=_("At least so many each, where it can be."),
        validators=[MaxValueValidator(7)],
    )
    status = models.CharField(
        _("state"),
        max_length=16,
        choices=MatchDayStatus.choices,
        default=MatchDayStatus.DRAFT,
        editable=False,
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("begun by"), editable=False
    )
    run = models.ForeignKey(
        EngineRun, models.PROTECT, null=True, related_name="+", verbose_name=_("engine run"), editable=False
    )
    solved_at = models.DateTimeField(_("solved at"), null=True, editable=False)
    released_at = models.DateTimeField(_("released at"), null=True, editable=False)
    digest = models.CharField(
        _("digest"),
        max_length=64,
        blank=True,
        editable=False,
        help_text=_("Of settings, wishes and pairs: the same town and wishes give the same."),
    )
    report = models.JSONField(_("report"), default=dict, editable=False)

    class Meta:
        verbose_name = _("match day")
        verbose_name_plural = _("match days")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(weeks__gte=1, weeks__lte=4), name="match_day_weeks"),
            models.CheckConstraint(condition=Q(rho__gte=0, rho__lte=1), name="match_day_rho"),
            models.CheckConstraint(
                condition=Q(to_hour__lte=24, to_hour__gte=F("from_hour") + F("session_hours")),
                name="match_day_hours",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_week_on} ({self.weeks})"


class MatchDayPair(TimeStamped):
    """One row per pair that staff have a wish about or that the match day brings together."""

    day = models.ForeignKey(MatchDay, models.CASCADE, related_name="pairs", verbose_name=_("match day"))
    stall = models.ForeignKey(Stall, models.PROTECT, related_name="+", verbose_name=_("stall"))
    anchor = models.ForeignKey(Anchor, models.PROTECT, related_name="+", verbose_name=_("anchor"))
    wish = models.CharField(
        _("wish"), max_length=9, choices=PairWish.choices, blank=True, default=PairWish.NONE
    )
    is_solved = models.BooleanField(_("brought together"), default=False)
    starts_at = models.DateTimeField(_("starts at"), null=True)
    mutual_millionths = models.PositiveIntegerField(
        _("likelihood"), default=0, help_text=_("Of an agreement and a session, in millionths.")
    )
    net_gmv_cents = models.BigIntegerField(_("expected net GMV"), default=0, help_text=_("Cents of CNY."))
    weight_millionths = models.PositiveBigIntegerField(_("weight"), default=0)
    match = models.OneToOneField(
        Match, models.PROTECT, null=True, related_name="match_day_pair", verbose_name=_("match")
    )
    fault_code = models.CharField(_("not proposed because"), max_length=48, blank=True)
    fault = models.TextField(_("refusal"), blank=True)

    class Meta:
        verbose_name = _("pair of a match day")
        verbose_name_plural = _("pairs of a match day")
        ordering = ["day_id", "stall_id", "anchor_id"]
        constraints = [
            models.UniqueConstraint(fields=["day", "stall", "anchor"], name="match_day_pair_unique"),
            models.CheckConstraint(
                condition=Q(is_solved=False) | ~Q(wish=PairWish.FORBIDDEN),
                name="match_day_pair_not_forbidden",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stall} – {self.anchor}"


class MatchDayEvent(StatusChange):
    """One row per move of a match day, numbered and hash-chained."""

    day = models.ForeignKey(MatchDay, models.PROTECT, related_name="events")
    digest = models.CharField(_("digest"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("event of a match day")
        verbose_name_plural = _("events of a match day")
        ordering = ["day_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["day", "seq"], name="match_day_event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.day_id}/{self.seq} {self.action}"
