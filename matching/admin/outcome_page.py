"""An outcome in words: its figures, what follows from them, what happened to it (layer: faces)."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.fields import Field

from accounts.admin.exports import SafeResource
from accounts.models import ReasonCode, User
from matching.admin import wording
from matching.choices import OutcomeStatus, Role
from matching.models import Booking, Outcome
from matching.outcomes import FIGURES, Figures, metrics_of
from matchmaker.core.money import percent, yuan

Rows = list[tuple[Any, str]]
STATUS_TONES = {
    OutcomeStatus.RECORDED: "info",
    OutcomeStatus.CONFIRMED: "good",
    OutcomeStatus.DISPUTED: "bad",
    OutcomeStatus.SETTLED: "good",
}
ACTIONS: dict[str, Any] = {
    "record": gettext_lazy("recorded"),
    "correct": gettext_lazy("corrected"),
    "confirm": gettext_lazy("confirmed"),
    "dispute": gettext_lazy("disputed"),
    "settle": gettext_lazy("settled"),
}
METRICS: dict[str, Any] = {
    "orders_shipped": gettext_lazy("orders shipped"),
    "net_gmv_cents": gettext_lazy("net GMV"),
    "gpm_cents": gettext_lazy("GPM"),
    "uv_value_cents": gettext_lazy("UV value"),
    "average_order_value_cents": gettext_lazy("average order value"),
    "conversion_rate": gettext_lazy("conversion rate"),
    "return_rate": gettext_lazy("return rate"),
    "cancelled_before_shipping_rate": gettext_lazy("cancelled-before-shipping rate"),
}


class OutcomeResource(SafeResource):
    booking = Field("booking__public_id", gettext_lazy("booking"))
    stall = Field("booking__match__stall__name", gettext_lazy("stall"))
    anchor = Field("booking__match__anchor__display_name", gettext_lazy("anchor"))
    starts_at = Field(column_name=gettext_lazy("starts at"))
    status = Field("get_status_display", gettext_lazy("state"))
    recorded_as = Field("get_recorded_as_display", gettext_lazy("recorded by"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in FIGURES:
            self.fields[name] = _Computed(name, column_name=_name(name))
        for name, label in METRICS.items():
            self.fields[name] = _Computed(name, column_name=label)

    def dehydrate_starts_at(self, row: Outcome) -> str:
        return wording.town_time(row.booking.session.starts_at)


class _Computed(Field):
    """A figure or what follows from it: money in yuan, a rate as a share, a duration in seconds."""

    def get_value(self, instance: Any) -> str:
        figures = Figures.of(instance)
        holder = figures if self.attribute in FIGURES else metrics_of(figures)
        value = getattr(holder, str(self.attribute))
        if value is None:
            return ""
        return f"{Decimal(value) / 100:.2f}" if str(self.attribute).endswith("_cents") else str(value)


def session_line(booking: Booking) -> str:
    """Return when a booking's session was, in the town's time."""
    starts_at, ends_at = booking.session.starts_at, booking.session.ends_at
    return f"{wording.town_time(starts_at)} – {wording.town_time(ends_at)}"


def figure_rows(outcome: Outcome) -> Rows:
    """Return the figures as they stand, by their names."""
    return [(_name(name), shown(name, getattr(outcome, name))) for name in FIGURES]


def metric_rows(outcome: Outcome, fulfilment: Decimal | None) -> Rows:
    """Return what follows from the figures."""
    metrics = metrics_of(Figures.of(outcome))
    rows: Rows = [(label, shown(name, getattr(metrics, name))) for name, label in METRICS.items()]
    return [*rows, (_("fulfilment rate"), shown("fulfilment_rate", fulfilment))]


def shown(name: str, value: Any) -> str:
    """Return a figure as people write it."""
    if value is None:
        return "–"
    if name.endswith("_cents"):
        return yuan(value)
    if name.endswith("_rate"):
        return percent(value)
    if name == "duration_seconds":
        return f"{value // 3600}:{value // 60 % 60:02}:{value % 60:02}"
    return f"{value:,}"


def _name(figure: str) -> str:
    field: Any = Outcome._meta.get_field(figure)
    return str(field.verbose_name)


def events_of(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the history of an outcome with names for ids and codes, and what changed; three queries."""
    events = list(outcome.events.select_related("note").order_by("seq"))
    actors = User.objects.in_bulk({event.actor_id for event in events if event.actor_id})
    codes = {event.reason_code for event in events if event.reason_code}
    reasons = {row.code: row.name for row in ReasonCode.objects.filter(code__in=codes)}
    states, roles = dict(OutcomeStatus.choices), dict(Role.choices)
    before: list[dict[str, int]] = [{}, *(event.figures for event in events)]
    return [
        {
            "seq": event.seq,
            "at": wording.town_time(event.at),
            "action": ACTIONS.get(event.action, event.action),
            "state": states.get(event.to_status, event.to_status),
            "actor": actors.get(event.actor_id or 0) or _("system"),
            "role": roles.get(event.actor_role, event.actor_role),
            "changes": _changes(old, event.figures),
            "reason": reasons.get(event.reason_code, event.reason_code),
            "note": event.note.text if event.note else "",
        }
        for old, event in zip(before, events, strict=False)
    ]


def _changes(old: dict[str, int], new: dict[str, int]) -> list[str]:
    """Return the figures that differ, a line each; none for the first ones."""
    if not old:
        return []
    return [
        f"{_name(name)}: {shown(name, old.get(name))} → {shown(name, new.get(name))}"
        for name in FIGURES
        if old.get(name) != new.get(name)
    ]
