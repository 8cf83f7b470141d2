"""System checks of matching (layer: faces)."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from matching.selectors.triggers import missing_triggers

# The last of the migrations that make triggers: before it a database is on its way.
MADE_BY = ("matching", "0011_append_only_events")


@register(Tags.database)
def check_append_only(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Say so when a migration has lost the triggers that keep events and terms as they were written.

    A warning, for an error would stop the very `migrate` that brings them back.
    """
    messages: list[CheckMessage] = []
    for alias in databases or ():
        if MADE_BY not in MigrationRecorder(connections[alias]).applied_migrations():
            continue
        messages += [
            Warning(
                f"The trigger {name} is missing or switched off: rows could be changed behind our back.",
                hint="Repeat migrations.RunPython(forbid_changes, allow_changes) of matching 0005 and 0011.",
                id="matching.W001",
            )
            for name in missing_triggers(using=alias)
        ]
    return messages
