"""A match with its terms, sessions, bookings and events (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.choices import CooperationMode, SessionMode
from accounts.models import Anchor, Stall
from accounts.models.parties import is_share, rate_field
from matching.choices import OPEN_STATUSES, Awaiting, MatchStatus, Origin, Role, Side
from matchmaker.core.models import Public, StatusChange, TimeStamped, Versioned


class Match(Public, TimeStamped, Versioned):
    """One row per pairing of a stall and an anchor; its state changes only through services."""

    stall = models.ForeignKey(Stall, models.PROTECT, related_name="matches", verbose_name=_("stall"))
    anchor = models.ForeignKey(Anchor, models.PROTECT, related_name="matches", verbose_name=_("anchor"))
    status = models.CharField(_("state"), max_length=16, choices=MatchStatus.choices, editable=False)
    awaiting = models.CharField(
        _("waiting for"),
        max_length=6,
        choices=Awaiting.choices,
        blank=True,
        default=Awaiting.NOBODY,
        editable=False,
    )
    proposed_by = models.CharField(_("proposed by"), max_length=8, choices=Role.choices, editable=False)
    origin = models.CharField(
        _("origin"), max_length=9, choices=Origin.choices, default=Origin.SIDE, editable=False
    )
    terms = models.ForeignKey("Terms", models.PROTECT, null=True, related_name="+", editable=False)
    deadline_at = models.DateTimeField(
        _("expires at"),
        null=True,
        editable=False,
        help_text=_("End of the time for an answer; once agreed, start of the first session."),
    )
    agreed_at = models.DateTimeField(_("agreed at"), null=True, editable=False)
    escalated_at = models.DateTimeField(_("escalated at"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", editable=False
    )
    list_score_hundredths = models.IntegerField(_("score when proposed"), null=True, editable=False)

    class Meta:
        verbose_name = _("match")
        verbose_name_plural = _("matches")
        permissions = [
            ("decide_match", _("Can approve and reject matches")),
            ("propose_match", _("Can propose a match to both sides")),
        ]
        indexes = [
            models.Index(fields=["status", "agreed_at"], name="match_queue"),
            models.Index(fields=["status", "deadline_at"], name="match_deadline"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=MatchStatus.PROPOSED) & ~Q(awaiting=Awaiting.NOBODY)
                | ~Q(status=MatchStatus.PROPOSED) & Q(awaiting=Awaiting.NOBODY),
                name="match_awaits_while_proposed",
            ),
            models.UniqueConstraint(
                fields=["stall", "anchor"], condition=Q(status__in=OPEN_STATUSES), name="one_open_match"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stall} – {self.anchor}"


class Terms(models.Model):
    """One row per immutable version of a match's terms; `digest` is over `canonical`."""

    match = models.ForeignKey(Match, models.CASCADE, related_name="versions")
    number = models.PositiveSmallIntegerField(_("version"))
    commission_rate = rate_field(_("commission"))
    slot_fee_cents = models.BigIntegerField(_("slot fee"), help_text=_("Cents of CNY."))
    cooperation_mode = models.CharField(_("cooperation mode"), max_length=24, choices=CooperationMode.choices)
    sessions = models.JSONField(_("wanted sessions"), help_text=_("[{starts_at, ends_at, mode, places}]"))
    canonical = models.TextField(editable=False)
    digest = models.CharField(max_length=64, editable=False)
    proposed_by = models.CharField(_("proposed by"), max_length=8)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("terms")
        verbose_name_plural = _("terms")
        constraints = [
            models.UniqueConstraint(fields=["match", "number"], name="terms_version_unique"),
            models.CheckConstraint(condition=Q(slot_fee_cents__gte=0), name="terms_slot_fee"),
            is_share("commission_rate", "terms_commission_rate"),
        ]

    def __str__(self) -> str:
        return f"{self.match_id} v{self.number}"


class Note(TimeStamped):
    """One row per free text that somebody wrote; kept apart from events, so that it can be erased."""

    text = models.TextField(_("note"), max_length=2000)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    erased_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")

    def __str__(self) -> str:
        return self.text[:60]


class MatchEvent(StatusChange):
    """One row per move of a match: ids and codes only."""

    match = models.ForeignKey(Match, models.PROTECT, related_name="events")
    awaiting = models.CharField(_("waiting for"), max_length=6, choices=Awaiting.choices, blank=True)
    terms_digest = models.CharField(_("terms"), max_length=64, blank=True)
    # A note is erased by emptying it: the event that points to it can no longer be changed.
    note = models.ForeignKey(Note, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["match_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["match", "seq"], name="event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.match_id}/{self.seq} {self.action}"


class Session(Public, TimeStamped):
    """One row per planned live broadcast of an anchor, on whole hours."""

    anchor = models.ForeignKey(Anchor, models.PROTECT, related_name="sessions", verbose_name=_("anchor"))
    starts_at = models.DateTimeField(_("starts at"))
    ends_at = models.DateTimeField(_("ends at"))
    mode = models.CharField(_("mode"), max_length=12, choices=SessionMode.choices)
    places = models.PositiveSmallIntegerField(_("places"), default=1)
    places_used = models.PositiveSmallIntegerField(_("places used"), default=0, editable=False)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="session_ends_after_start"),
            models.CheckConstraint(condition=Q(places_used__lte=F("places")), name="session_places"),
        ]

    def __str__(self) -> str:
        return f"{self.anchor} {self.starts_at:%Y-%m-%d %H:%M}"


class Booking(Public, TimeStamped):
    """One row per place of a match in a session at its stall; released ones keep `released_at`."""

    match = models.ForeignKey(Match, models.PROTECT, related_name="bookings", verbose_name=_("match"))
    session = models.ForeignKey(Session, models.PROTECT, related_name="bookings", verbose_name=_("session"))
    stall = models.ForeignKey(Stall, models.PROTECT, related_name="bookings", verbose_name=_("stall"))
    week_on = models.DateField(_("week"), help_text=_("Monday of the session's start."))
    released_at = models.DateTimeField(_("released at"), null=True)

    class Meta:
        verbose_name = _("booking")
        verbose_name_plural = _("bookings")
        constraints = [
            models.UniqueConstraint(
                fields=["match", "session"], condition=Q(released_at__isnull=True), name="one_place_per_match"
            )
        ]

    def __str__(self) -> str:
        return f"{self.match_id} @ {self.session_id}"


class AnchorHour(models.Model):
    """One row per hour that a session of an anchor takes."""

    anchor = models.ForeignKey(Anchor, models.CASCADE, related_name="+")
    hour_at = models.DateTimeField()
    session = models.ForeignKey(Session, models.CASCADE, related_name="hours")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["anchor", "hour_at"], name="anchor_hour_unique")]

    def __str__(self) -> str:
        return f"{self.anchor_id} {self.hour_at}"


class StallHour(models.Model):
    """One row per hour and host number that a booking takes at a stall."""

    stall = models.ForeignKey(Stall, models.CASCADE, related_name="+")
    hour_at = models.DateTimeField()
    host_number = models.PositiveSmallIntegerField()
    booking = models.ForeignKey(Booking, models.CASCADE, related_name="hours")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stall", "hour_at", "host_number"], name="stall_hour_host_unique")
        ]

    def __str__(self) -> str:
        return f"{self.stall_id} {self.hour_at} #{self.host_number}"


class WeekLoad(models.Model):
    """One row per party and week: how many bookings its capacity already carries."""

    side = models.CharField(max_length=6, choices=Side.choices)
    party_id = models.BigIntegerField()
    week_on = models.DateField()
    used = models.PositiveSmallIntegerField(default=0)
    capacity = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["side", "party_id", "week_on"], name="one_week_load"),
            models.CheckConstraint(condition=Q(used__lte=F("capacity")), name="week_load_within_capacity"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.party_id} {self.week_on}: {self.used}/{self.capacity}"
