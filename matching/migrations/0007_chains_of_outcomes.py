"""Give every outcome that was settled before outcomes had events the event that says so."""

from django.db import migrations
from django.db.models import Exists, OuterRef

from matching.digests import outcome_event_hash

FIGURES = (
    "gmv_cents", "orders", "buyers", "views", "viewers", "duration_seconds", "refunded_cents", "cancelled_cents",
    "orders_cancelled", "orders_returned",
)  # fmt: skip


def begin_chains(apps, schema_editor):
    alias = schema_editor.connection.alias
    OutcomeEvent = apps.get_model("matching", "OutcomeEvent")
    events = OutcomeEvent.objects.using(alias)
    outcomes = apps.get_model("matching", "Outcome").objects.using(alias)
    without = outcomes.filter(~Exists(events.filter(outcome=OuterRef("pk"))), status="settled", version=1)
    last = 0
    while block := list(
        without.filter(pk__gt=last).select_related("booking__match", "booking__session").order_by("pk")[:500]
    ):
        last = block[-1].pk
        events.bulk_create([first_event(OutcomeEvent, outcome) for outcome in block])


def first_event(model, outcome):
    """Return the event by which staff settled it: when its match ended."""
    event = model(
        outcome=outcome,
        seq=1,
        action="settle",
        from_status="",
        to_status="settled",
        figures={name: getattr(outcome, name) for name in FIGURES},
        actor_id=outcome.recorded_by_id,
        actor_role="staff",
        at=outcome.booking.match.ended_at or outcome.booking.session.ends_at,
    )
    event.hash = outcome_event_hash(event, outcome.public_id)
    return event


class Migration(migrations.Migration):
    dependencies = [("matching", "0006_town_staff_may_more")]
    operations = [migrations.RunPython(begin_chains, migrations.RunPython.noop)]
