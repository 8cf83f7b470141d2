"""Let the database itself keep events and terms as they were written.

A later migration that alters one of these tables on SQLite makes the table anew and loses its triggers: it has
to end with `migrations.RunPython(forbid_changes, allow_changes)` of this one. The system check matching.W001,
`verify_events` and `check_invariants` tell when one did not.
"""

import django.db.models.deletion
from django.db import migrations, models

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
# Everybody who holds a right on the table: its owner, PUBLIC, and whom default privileges have given some.
HOLDERS = """
SELECT DISTINCT CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END
FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS held WHERE pg_class.oid = %s::regclass
"""
OWNER = "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = %s::regclass"


def forbid_changes(apps, schema_editor):
    if schema_editor.connection.vendor != "sqlite":
        # Parameters given as none: a % of the function's text is no placeholder.
        schema_editor.execute(POSTGRESQL, params=None)
    forbid(schema_editor, TABLES)


def allow_changes(apps, schema_editor):
    allow(schema_editor, TABLES)
    if schema_editor.connection.vendor != "sqlite":
        schema_editor.execute("DROP FUNCTION IF EXISTS matching_append_only()")


def forbid(schema_editor, tables):
    if schema_editor.connection.vendor == "sqlite":
        for table in tables:
            for verb in ("UPDATE", "DELETE"):
                message = MESSAGE.format(table=table)
                schema_editor.execute(SQLITE.format(table=table, verb=verb, message=message))
        return
    for table in tables:
        schema_editor.execute(POSTGRESQL_TRIGGER.format(table=table))
        # Who owns the table could give it back; it takes a second, visible step.
        for holder in _names(schema_editor, HOLDERS, table):
            schema_editor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {holder}")
        # Foreign keys are checked by SELECT … FOR KEY SHARE in the name of the owner, which needs the right
        # to update some column: without it no match could point to its terms. The trigger still refuses it.
        for owner in _names(schema_editor, OWNER, table):
            schema_editor.execute(f"GRANT UPDATE (id) ON {table} TO {owner}")


def allow(schema_editor, tables):
    if schema_editor.connection.vendor == "sqlite":
        for table in tables:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
        return
    for table in tables:
        for owner in _names(schema_editor, OWNER, table):
            schema_editor.execute(f"REVOKE UPDATE (id) ON {table} FROM {owner}")
            schema_editor.execute(f"GRANT UPDATE, DELETE, TRUNCATE ON {table} TO {owner}")
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")


def _names(schema_editor, query, table):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(query, [table])
        return [name for (name,) in cursor.fetchall()]


def _kept_note():
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matching.note"
    )


class Migration(migrations.Migration):
    dependencies = [("matching", "0004_take_over_matches")]
    operations = [
        # SET_NULL would be an update of the event.
        migrations.AlterField("matchevent", "note", _kept_note()),
        migrations.AlterField("outcomeevent", "note", _kept_note()),
        migrations.AddConstraint(
            "dailyroot",
            models.UniqueConstraint(fields=("prev_root",), name="one_root_after_another"),
        ),
        migrations.RunPython(forbid_changes, allow_changes),
    ]
