"""`manage.py rollback_model`: let what counted before the published model count again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from matching.services.models import rollback_model
from matchmaker.core.errors import Conflict


class Command(BaseCommand):
    """Roll the published model back."""

    help = "Let what counted before the published model count again, and ask for everybody's lists."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            before = rollback_model(actor=None)
        except Conflict as error:
            raise CommandError(error.detail) from error
        if before is None:
            self.stdout.write(_("The prior scores alone again; everybody's lists are asked for."))
        else:
            told = _("Model %(model)d counts again; everybody's lists are asked for.")
            self.stdout.write(told % {"model": before.pk})
