"""Invariant 16: migrations, constraints, references and the database's own checks (layer: invariants)."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.db.models import Exists, ForeignKey, Model, OuterRef
from django.utils import translation

from matching.invariants.finding import MOST_KEPT, Finding, stream
from matching.invariants.words import What

# What PostgreSQL knows to be unsound about itself: kind and name.
UNSOUND = """
SELECT 'constraint not validated', conname FROM pg_constraint WHERE NOT convalidated
UNION ALL
SELECT 'invalid index', indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
UNION ALL
SELECT 'disabled trigger', tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'D' AND tgisinternal
ORDER BY 1, 2
"""


def find_damage(finding: Finding) -> None:
    """Report migrations, constraints and referred rows that are missing, and what the database says of it."""
    _migrations(finding)
    _constraints(finding)
    if connection.vendor == "sqlite":
        _sqlite(finding)
    else:
        _references(finding)
        _postgresql(finding)


def _migrations(finding: Finding) -> None:
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    finding.look(len(graph.nodes))
    # Not by the plan, which asks for nothing behind a migration that was applied.
    for app_label, name in sorted(set(graph.nodes) - set(executor.loader.applied_migrations)):
        finding.report(What.MIGRATION_MISSING, app=app_label, migration=name)
    # Migrations hold names and help in English.
    with translation.override(None):
        models = MigrationAutodetector(executor.loader.project_state(), ProjectState.from_apps(apps))
        unwritten = sorted(models.changes(graph=graph))
    for app_label in unwritten:
        finding.report(What.MIGRATION_MISSING, app=app_label, migration="")


def _models() -> Iterator[type[Model]]:
    """Yield every model that has a table of its own here, those between two others included."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


def _constraints(finding: Finding) -> None:
    with connection.cursor() as cursor:
        for model in _models():
            table = model._meta.db_table
            present = connection.introspection.get_constraints(cursor, table)
            wanted = [*model._meta.constraints, *model._meta.indexes]
            finding.look(1 + len(wanted))
            for name in (constraint.name for constraint in wanted if constraint.name not in present):
                finding.report(What.CONSTRAINT_MISSING, table=table, constraint=name)


def _references(finding: Finding) -> None:
    """Report rows whose foreign key leads nowhere, by one anti-join for each key of each model."""
    for model in _models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and _is_kept(field):
                finding.look()
                for pk in _dangling(model, field):
                    finding.report(
                        What.REFERENCE_DANGLES, table=model._meta.db_table, column=field.column, row=pk
                    )


def _is_kept(field: Any) -> bool:
    """Whether the database is to keep this reference; history may outlive what it is about."""
    return bool(field.db_constraint)


def _dangling(model: type[Model], field: Any) -> Any:
    target = field.remote_field.model._base_manager.filter(
        **{field.target_field.attname: OuterRef(field.attname)}
    )
    rows = model._base_manager.filter(~Exists(target), **{f"{field.attname}__isnull": False})
    return stream(rows.order_by("pk").values_list("pk", flat=True)[:MOST_KEPT])


def _sqlite(finding: Finding) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_key_check")
        for table, row, parent, _number in cursor.fetchmany(MOST_KEPT):
            finding.report(What.REFERENCE_DANGLES, table=table, row=row, to=parent)
        cursor.execute(f"PRAGMA integrity_check({MOST_KEPT})")
        for (told,) in cursor.fetchall():
            if told != "ok":
                finding.report(What.DATABASE_DAMAGED, told=told)


def _postgresql(finding: Finding) -> None:
    with connection.cursor() as cursor:
        cursor.execute(UNSOUND)
        for kind, name in cursor.fetchmany(MOST_KEPT):
            finding.report(What.DATABASE_DAMAGED, told=f"{kind} {name}")
