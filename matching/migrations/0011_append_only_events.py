"""Keep the events of learned models and of match days as they were written, as 0005 does for those of matches."""

from importlib import import_module

from django.db import migrations

TABLES = ("matching_enginemodelevent", "matching_matchdayevent")
append_only = import_module("matching.migrations.0005_append_only")


def forbid_changes(apps, schema_editor):
    append_only.forbid(schema_editor, TABLES)


def allow_changes(apps, schema_editor):
    append_only.allow(schema_editor, TABLES)


class Migration(migrations.Migration):
    dependencies = [("matching", "0010_models")]
    operations = [migrations.RunPython(forbid_changes, allow_changes)]
