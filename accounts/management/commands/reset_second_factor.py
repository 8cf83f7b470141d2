"""`manage.py reset_second_factor PHONE`: for somebody who lost authenticator and recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.phones import normalize_phone
from accounts.services.second_factor import reset_second_factor
from matchmaker.core.errors import InvalidInput


class Command(BaseCommand):
    """Reset a second factor, for when no administrator can."""

    help = "Forget somebody's authenticator and sign them out everywhere; their next sign-in adds a new one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phone")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.of_phone(normalize_phone(options["phone"]))
        except InvalidInput as error:
            raise CommandError(error.fields["phone"][0]) from error
        if user is None:
            raise CommandError(_("Nobody has this phone."))
        if reset_second_factor(actor=None, user=user):
            self.stdout.write(_("The authenticator is forgotten; the next sign-in adds a new one."))
        else:
            self.stdout.write(_("There was none; every session was ended all the same."))
