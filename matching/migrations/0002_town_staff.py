"""Create the group of the town's employees with what its work needs.

Permissions are rows that Django makes after all migrations; here they are made before, from the state of the
migrations. Only a new group gets them: what an administrator changes later stays.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

# Frozen with this migration; the constant is accounts.choices.TOWN_STAFF.
GROUP = "town staff"
MAY = {
    "accounts": {
        "view": [
            "user", "merchant", "stall", "anchor", "membership", "verification", "calendarexception",
            "importedfile", "category", "style", "zone", "region", "language", "reasoncode", "apitoken",
            "devicetoken",
        ],
        "add": ["category", "style", "zone", "region", "language", "reasoncode"],
        "change": [
            "user", "merchant", "anchor", "category", "style", "zone", "region", "language", "reasoncode",
            "apitoken", "devicetoken",
        ],
    },
    "matching": {
        "view": [
            "match", "terms", "matchevent", "note", "session", "booking", "outcome", "weekload", "enginerun",
            "recommendationlist", "reaction", "impression", "pairrule", "exclusivity",
        ],
        "add": ["pairrule", "exclusivity"],
        "change": ["pairrule", "exclusivity"],
        "decide": ["match"],
    },
    "jobs": {"view": ["job"], "change": ["job"]},
}  # fmt: skip


def create_group(apps, schema_editor):
    alias = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(alias)
    if groups.filter(name=GROUP).exists():
        return
    for app_config in apps.get_app_configs():
        if app_config.label in MAY:
            app_config.models_module = True
            create_permissions(app_config, apps=apps, verbosity=0, using=alias)
            app_config.models_module = None
    group = groups.create(name=GROUP)
    group.permissions.set(list(_permissions(apps, alias)))


def _permissions(apps, alias):
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for app_label, verbs in MAY.items():
        codenames = [f"{verb}_{model}" for verb, models in verbs.items() for model in models]
        found = list(permissions.filter(content_type__app_label=app_label, codename__in=codenames))
        missing = set(codenames) - {permission.codename for permission in found}
        if missing:
            raise LookupError(f"{app_label}: no permission {sorted(missing)}")
        yield from found


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0001_initial"),
        ("jobs", "0001_initial"),
        ("matching", "0001_initial"),
    ]
    operations = [migrations.RunPython(create_group, migrations.RunPython.noop)]
