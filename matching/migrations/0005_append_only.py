"""Let the database itself keep events and terms as they were written.

A later migration that alters one of these tables on SQLite makes the table anew and loses its triggers: it has
to end with `migrations.RunPython(forbid_changes, allow_changes)` of this one. `check_invariants` tells of it.
"""

from django.db import migrations

TABLES = ("matching_matchevent", "matching_terms", "matching_outcomeevent")
MESSAGE = "rows of {table} are only ever added"

SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{message}'); END
"""
POSTGRESQL = """
CREATE OR REPLACE FUNCTION matching_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION matching_append_only()
"""


def forbid_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                message = MESSAGE.format(table=table)
                schema_editor.execute(SQLITE.format(table=table, verb=verb, message=message))
        return
    # Parameters given as none: a % of the function's text is no placeholder.
    schema_editor.execute(POSTGRESQL, params=None)
    for table in TABLES:
        schema_editor.execute(POSTGRESQL_TRIGGER.format(table=table))
        # Who owns the table could give it back; it takes a second, visible step.
        schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM PUBLIC, CURRENT_USER")


def allow_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
        return
    for table in TABLES:
        schema_editor.execute(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO CURRENT_USER")
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")
    schema_editor.execute("DROP FUNCTION IF EXISTS matching_append_only()")


class Migration(migrations.Migration):
    dependencies = [("matching", "0004_take_over_matches")]
    operations = [migrations.RunPython(forbid_changes, allow_changes)]
