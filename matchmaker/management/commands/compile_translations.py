"""`manage.py compile_translations`: the release step that needs no GNU gettext."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from matchmaker.translations import compile_translations


class Command(BaseCommand):
    """Writes every `.mo` that is missing or older than its `.po`."""

    help = "Compiles the translations."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        for path in compile_translations(settings.LOCALE_PATHS):
            self.stdout.write(str(path))
