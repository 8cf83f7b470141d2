"""Give the group of the town's employees what the life of a match asks of them.

Permissions are rows that Django makes after all migrations; here they are made before, as in 0002. A group that
an administrator has deleted stays deleted.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

# Frozen with this migration; the constant is accounts.choices.TOWN_STAFF.
GROUP = "town staff"
MAY = {
    "accounts": ["view_holiday", "add_holiday", "change_holiday", "delete_holiday"],
    "matching": [
        "propose_match", "add_outcome", "change_outcome", "view_outcomeevent", "view_block", "view_dailyroot",
        "view_invariantcheck",
        # To take back what should not have been written, when somebody asks them to.
        "delete_note",
    ],
    "notifications": ["view_notice"],
}  # fmt: skip


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    group = apps.get_model("auth", "Group").objects.using(alias).filter(name=GROUP).first()
    if group is None:
        return
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    for app_label, codenames in MAY.items():
        app_config = apps.get_app_config(app_label)
        app_config.models_module = True
        create_permissions(app_config, apps=apps, verbosity=0, using=alias)
        app_config.models_module = None
        found = list(permissions.filter(content_type__app_label=app_label, codename__in=codenames))
        missing = set(codenames) - {permission.codename for permission in found}
        if missing:
            raise LookupError(f"{app_label}: no permission {sorted(missing)}")
        group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0004_more_reasons"),
        ("notifications", "0001_initial"),
        ("matching", "0005_append_only"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
