"""Load the reasons for declining, withdrawing, expiring and disputing; rows that are there keep their names.

The file is frozen with this migration, as those of 0002 are with theirs.
"""

import json
from pathlib import Path

from django.db import migrations

FILE = Path(__file__).resolve().parent.parent / "reference" / "reasons_of_sides.json"


def load_reasons(apps, schema_editor):
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    reasons = apps.get_model("accounts", "ReasonCode").objects.using(schema_editor.connection.alias)
    reasons.bulk_create([reasons.model(**row) for row in rows], ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_holidays")]
    operations = [migrations.RunPython(load_reasons, migrations.RunPython.noop)]
