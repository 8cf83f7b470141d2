"""The accounts app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from matchmaker.core.masking import hide_columns


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and parties")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.privacy.masking import private_columns  # the table is not needed before

        hide_columns(private_columns())
