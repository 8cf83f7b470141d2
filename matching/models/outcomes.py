"""What sessions brought, and what the two sides say to it (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from matching.choices import OutcomeStatus, Role
from matching.models.matches import Booking, Note
from matchmaker.core.models import Public, StatusChange, TimeStamped, Versioned


class Outcome(Public, TimeStamped, Versioned):
    """One row per booking: what its session brought; money in cents, people and orders as counts.

    Shipped orders are `orders - orders_cancelled`; the derived figures are in `matching.outcomes`.
    """

    booking = models.OneToOneField(
        Booking, models.PROTECT, related_name="outcome", verbose_name=_("booking"), editable=False
    )
    status = models.CharField(
        _("state"),
        max_length=9,
        choices=OutcomeStatus.choices,
        default=OutcomeStatus.RECORDED,
        editable=False,
    )
    gmv_cents = models.BigIntegerField(_("GMV"), help_text=_("Cents of CNY, paid orders."))
    refunded_cents = models.BigIntegerField(_("refunds"), default=0, help_text=_("Cents of CNY."))
    cancelled_cents = models.BigIntegerField(
        _("cancelled before shipping"), default=0, help_text=_("Cents of CNY.")
    )
    orders = models.PositiveIntegerField(_("orders"))
    orders_cancelled = models.PositiveIntegerField(_("orders cancelled before shipping"), default=0)
    orders_returned = models.PositiveIntegerField(_("orders returned"), default=0)
    buyers = models.PositiveIntegerField(_("buyers"))
    views = models.PositiveIntegerField(_("views"))
    viewers = models.PositiveIntegerField(_("viewers"))
    duration_seconds = models.PositiveIntegerField(_("duration"), help_text=_("Seconds."))
    recorded_as = models.CharField(
        _("recorded by"), max_length=8, choices=Role.choices, default=Role.STAFF, editable=False
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("outcome")
        verbose_name_plural = _("outcomes")
        constraints = [
            models.CheckConstraint(
                condition=Q(viewers__lte=F("views"), buyers__lte=F("viewers")), name="outcome_people"
            ),
            models.CheckConstraint(
                condition=Q(
                    orders_returned__lte=F("orders") - F("orders_cancelled"),
                    orders_cancelled__lte=F("orders"),
                ),
                name="outcome_orders",
            ),
            models.CheckConstraint(
                condition=Q(
                    refunded_cents__gte=0,
                    cancelled_cents__gte=0,
                    gmv_cents__gte=F("refunded_cents") + F("cancelled_cents"),
                ),
                name="outcome_money",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.booking_id}"


class OutcomeEvent(StatusChange):
    """One row per recording, correction, confirmation, dispute or settlement of an outcome."""

    outcome = models.ForeignKey(Outcome, models.PROTECT, related_name="events")
    figures = models.JSONField(_("figures"), default=dict, help_text=_("As they stood after it."))
    # A note is erased by emptying it: the event that points to it can no longer be changed.
    note = models.ForeignKey(Note, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("event of an outcome")
        verbose_name_plural = _("events of outcomes")
        ordering = ["outcome_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["outcome", "seq"], name="outcome_event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.outcome_id}/{self.seq} {self.action}"
