"""The wiring as an app: its commands, its system checks, and the Celery app every process shares."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

# Without this import, a task sent from web or a command would go through Celery's default app.
from matchmaker import celery as celery


class WiringConfig(AppConfig):
    """Carries `up`, `test` and the checks of the deployment; has no table."""

    name = "matchmaker"
    label = "wiring"

    def ready(self) -> None:
        from matchmaker import checks  # noqa: F401  (registers itself; needs the apps loaded)


class StaffAdminConfig(AdminConfig):
    """Django's admin behind the doors of `accounts.staff_site`."""

    default_site = "accounts.staff_site.StaffSite"
