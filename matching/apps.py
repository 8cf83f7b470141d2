"""The matching app: wires facts to jobs, registers its checks."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MatchingConfig(AppConfig):
    name = "matching"
    verbose_name = _("Matching")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("matching.receivers")
        import_module("matching.notices")
        import_module("matching.checks")
