"""`manage.py train`: learn from all decisions, let the gate decide, and print the figures."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from matching.choices import ModelStatus
from matching.learning_in_words import (
    difference_lines,
    figure_lines,
    lacking_in_words,
    refusals_in_words,
)
from matching.management.commands.rematch import BAR, BarRun
from matching.services.models import train_challenger


class Command(BaseCommand):
    """Train a challenger in this process."""

    help = "Learn weights from all decisions; they count only if the gate lets them through."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(desc=_("Training"), unit="", bar_format=BAR, total=1, disable=options["json"]) as bar:
            result = train_challenger(progress=BarRun(bar).progress)
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
            return
        if result["model"] is None:
            raise CommandError(lacking_in_words(result["lacking"]))
        self._tell(result)

    def _tell(self, result: dict[str, Any]) -> None:
        figures = result["figures"]
        told = _("%(decisions)d decisions held out, %(lists)d lists with both a yes and a no") % figures
        self.stdout.write(told)
        for name, current, challenger in figure_lines(figures):
            self.stdout.write(f"  {name}: {current} → {challenger}")
        for name, mean, interval in difference_lines(figures):
            self.stdout.write(f"  {name}: {mean} ({interval})")
        if result["status"] == ModelStatus.PUBLISHED:
            self.stdout.write(_("Model %(model)d is published; everybody's lists are asked for.") % result)
            return
        reasons = "; ".join(refusals_in_words(figures["refused"]))
        self.stdout.write(_("Model %(model)d is refused: %(why)s.") % {**result, "why": reasons})
