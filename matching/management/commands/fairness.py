"""`manage.py fairness`: how evenly the lists spread, and who got nothing and why."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from tqdm import tqdm

from matching.selectors.fairness import WHY_TEXTS
from matching.services.fairness import measure_fairness
from matching.words_of_fairness import KINDS, SIDES, group_name


class Command(BaseCommand):
    """Measure how fair the lists are."""

    help = "How evenly the lists of suggestions spread over parties, and who got nothing and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(desc=_("Fairness"), unit="", leave=False, disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            figures = measure_fairness(progress=progress)
        if options["json"]:
            self.stdout.write(json.dumps(figures, ensure_ascii=False, indent=2))
            return
        for side, told in figures["sides"].items():
            self.stdout.write("\n".join(_told(side, told)) + "\n")


def _told(side: str, told: dict[str, Any]) -> list[str]:
    lines = [f"{SIDES[side]}: {told['parties']}"]
    for name, spread in ((_("expected from lists"), told["exposure"]), (_("shown"), told["impressions"])):
        if spread:
            lines.append(
                "  "
                + _("%(name)s: Gini %(gini).3f, newcomers %(new).1f%% of parties get %(share).1f%%")
                % {
                    "name": name,
                    "gini": spread["gini"],
                    "new": 100 * spread["newcomers_share_of_parties"],
                    "share": 100 * spread["newcomers_share"],
                }
            )
    for name, nothing in ((_("empty lists"), told["empty_lists"]), (_("on no list"), told["on_no_list"])):
        lines.append(f"  {name}: {nothing['parties']}")
        lines += [f"    {count:>7}  {WHY_TEXTS[code]}" for code, count in nothing["why"].items()]
    for kind, rows in told["groups"].items():
        heads = _("parties, share of parties, share of exposure, Gini, on no list")
        lines.append(f"  {KINDS[kind]} ({heads})")
        lines += [_line(kind, row) for row in rows]
    return lines


def _line(kind: str, row: dict[str, Any]) -> str:
    shares = f"{row['share_of_parties']:>7.1%} {row['share_of_exposure']:>7.1%} {row['gini']:>6.3f}"
    return f"    {row['parties']:>7} {shares} {row['without_exposure']:>7}  {group_name(kind, row['code'])}"
