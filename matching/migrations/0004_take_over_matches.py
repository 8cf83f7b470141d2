"""Bring the rows of a running town to what the life of a match now keeps of them."""

from datetime import datetime

from django.db import migrations
from django.db.models import F

FINAL = ("declined", "withdrawn", "rejected", "expired", "cancelled", "completed", "failed")


def take_over(apps, schema_editor):
    alias = schema_editor.connection.alias
    matches = apps.get_model("matching", "Match").objects.using(alias)
    matches.filter(status__in=FINAL).update(ended_at=F("updated_at"))
    matches.exclude(status__in=("proposed", "agreed")).update(deadline_at=None)
    for match in matches.filter(status="agreed").select_related("terms").iterator(chunk_size=500):
        starts = min(session["starts_at"] for session in match.terms.sessions)
        matches.filter(pk=match.pk).update(deadline_at=datetime.fromisoformat(starts))
    # All of them were recorded by staff.
    apps.get_model("matching", "Outcome").objects.using(alias).update(status="settled", recorded_as="staff")
    # No service wrote these kinds; forbidding is the one rule of a pair that staff set.
    apps.get_model("matching", "PairRule").objects.using(alias).exclude(kind="forbid").delete()


class Migration(migrations.Migration):
    dependencies = [("matching", "0003_life_of_a_match")]
    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
