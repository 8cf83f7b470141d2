"""Shapes of outcomes in the API: what is taken and what is answered (layer: faces)."""

from typing import Any

from rest_framework import serializers

from accounts.choices import SessionMode
from accounts.validation.fields import Bad
from accounts.validation.values import whole_number
from matching.api.fields import RateField
from matching.choices import OutcomeStatus, Role
from matching.outcomes import limits_of
from matching.states import OUTCOME_TRANSITIONS
from matchmaker.core.serializers import PlainTextField, StrictSerializer

OUTCOME_ACTIONS = [row.action for row in OUTCOME_TRANSITIONS]


class FigureField(serializers.IntegerField):
    """A whole number as JSON has them: digits in quotes, true and 3.0 are none."""

    def __init__(self, figure: str, **options: Any) -> None:
        self.least, self.most = limits_of(figure)
        if figure.endswith("_cents"):
            options.setdefault("help_text", "Cents of CNY.")
        super().__init__(min_value=self.least, max_value=self.most, **options)

    def to_internal_value(self, data: Any) -> int:
        try:
            return whole_number(data, self.least, self.most)
        except Bad as bad:
            raise serializers.ValidationError(bad.parts[""]) from bad


class NoteInput(StrictSerializer):
    """A move that needs no more than saying so."""

    note = PlainTextField(lines=True, required=False, max_length=2000, allow_blank=True, default="")


class SettleInput(NoteInput):
    """Figures that staff fix; none of them: as they stand."""

    gmv_cents = FigureField("gmv_cents", required=False, help_text="Paid orders, in cents of CNY.")
    refunded_cents = FigureField("refunded_cents", required=False)
    cancelled_cents = FigureField(
        "cancelled_cents", required=False, help_text="Cancelled before shipping, in cents of CNY."
    )
    orders = FigureField("orders", required=False, help_text="Paid orders.")
    orders_cancelled = FigureField("orders_cancelled", required=False, help_text="Before shipping.")
    orders_returned = FigureField("orders_returned", required=False)
    buyers = FigureField("buyers", required=False)
    views = FigureField("views", required=False, help_text="Entries, repeats count.")
    viewers = FigureField("viewers", required=False, help_text="Unique viewers.")
    duration_seconds = FigureField("duration_seconds", required=False)


class FiguresInput(NoteInput):
    """All that a session brought; what is left out of the last four is 0."""

    gmv_cents = FigureField("gmv_cents", help_text="Paid orders, in cents of CNY.")
    orders = FigureField("orders", help_text="Paid orders.")
    buyers = FigureField("buyers")
    views = FigureField("views", help_text="Entries, repeats count.")
    viewers = FigureField("viewers", help_text="Unique viewers.")
    duration_seconds = FigureField("duration_seconds")
    refunded_cents = FigureField("refunded_cents", default=0)
    cancelled_cents = FigureField(
        "cancelled_cents", default=0, help_text="Cancelled before shipping, in cents of CNY."
    )
    orders_cancelled = FigureField("orders_cancelled", default=0, help_text="Before shipping.")
    orders_returned = FigureField("orders_returned", default=0)


class DisputeInput(NoteInput):
    """Why the figures are wrong."""

    reason_code = serializers.SlugField(max_length=48, help_text="A code of /reasons/, purpose dispute.")


class FiguresShape(serializers.Serializer[Any]):
    """The figures as they stand, or stood after an event."""

    gmv_cents = serializers.IntegerField()
    refunded_cents = serializers.IntegerField()
    cancelled_cents = serializers.IntegerField()
    orders = serializers.IntegerField()
    orders_cancelled = serializers.IntegerField()
    orders_returned = serializers.IntegerField()
    buyers = serializers.IntegerField()
    views = serializers.IntegerField()
    viewers = serializers.IntegerField()
    duration_seconds = serializers.IntegerField()


class MetricsShape(serializers.Serializer[Any]):
    """What follows from the figures; null where it would be divided by nothing."""

    orders_shipped = serializers.IntegerField()
    net_gmv_cents = serializers.IntegerField(help_text="GMV less cancelled before shipping and refunds.")
    gpm_cents = serializers.IntegerField(allow_null=True, help_text="GMV × 1000 ÷ views.")
    uv_value_cents = serializers.IntegerField(allow_null=True, help_text="GMV ÷ viewers.")
    average_order_value_cents = serializers.IntegerField(allow_null=True, help_text="GMV ÷ buyers.")
    conversion_rate = RateField(allow_null=True, help_text="Buyers ÷ viewers.")
    return_rate = RateField(allow_null=True, help_text="Returned ÷ shipped orders.")
    cancelled_before_shipping_rate = RateField(allow_null=True, help_text="Cancelled ÷ paid orders.")
    fulfilment_rate = RateField(
        allow_null=True, help_text="Sessions of the match with an outcome ÷ sessions booked."
    )


class OutcomeEventShape(serializers.Serializer[Any]):
    """One move of the outcome."""

    seq = serializers.IntegerField()
    action = serializers.ChoiceField(OUTCOME_ACTIONS)
    from_status = serializers.CharField(allow_blank=True)
    to_status = serializers.ChoiceField(OutcomeStatus.choices)
    actor_role = serializers.ChoiceField(Role.choices)
    reason_code = serializers.CharField(allow_blank=True)
    figures = FiguresShape()
    note = serializers.CharField(allow_blank=True, help_text="Notes of staff are for staff.")
    at = serializers.DateTimeField()


class OutcomeShape(serializers.Serializer[Any]):
    """What a booking's session brought; everything but the booking is null while nobody recorded it."""

    booking = serializers.UUIDField()
    match = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    status = serializers.ChoiceField(OutcomeStatus.choices, allow_null=True)
    recorded_as = serializers.ChoiceField(Role.choices, allow_null=True, help_text="Whose figures they are.")
    recorded_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    figures = FiguresShape(allow_null=True)
    metrics = MetricsShape(allow_null=True)
    allowed_actions = serializers.ListField(child=serializers.ChoiceField(OUTCOME_ACTIONS))
    events = OutcomeEventShape(many=True)


class DueShape(serializers.Serializer[Any]):
    """A booking whose session is over and whose outcome nobody has recorded."""

    booking = serializers.UUIDField()
    match = serializers.UUIDField()
    stall = serializers.CharField(help_text="Name of the stall.")
    anchor = serializers.CharField(help_text="Name on air.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    mode = serializers.ChoiceField(SessionMode.choices)


class DuePageShape(serializers.Serializer[Any]):
    """One page of them, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = DueShape(many=True)
