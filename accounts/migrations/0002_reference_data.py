"""Load the town's reference data: categories, styles, zones, regions, languages and staff's reasons.

The files of `accounts/reference/` are frozen with this migration; a later change is a new file and a
new migration, so that old and new installations end with the same rows.
"""

import json
from pathlib import Path
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FILES = {
    "Category": "categories.json",
    "Style": "styles.json",
    "Zone": "zones.json",
    "Region": "regions.json",
    "Language": "languages.json",
    "ReasonCode": "reasons.json",
}
FOLDER = Path(__file__).resolve().parent.parent / "reference"


def load_reference_data(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Insert what is missing and correct the names of what is there, by code."""
    for model_name, file_name in FILES.items():
        rows: list[dict[str, Any]] = json.loads((FOLDER / file_name).read_text(encoding="utf-8"))
        model = apps.get_model("accounts", model_name)
        model.objects.using(schema_editor.connection.alias).bulk_create(
            [model(**row) for row in rows],
            update_conflicts=True,
            unique_fields=["code"],
            update_fields=[name for name in rows[0] if name != "code"],
        )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(load_reference_data, migrations.RunPython.noop)]
