"""`manage.py check_invariants`: look for what must never be, and tell what was looked at."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from matching.invariants import DETECTORS, Line, told
from matching.services.invariants import check_all, check_some

NUMBERS = [detector.number for detector in DETECTORS]


class Command(BaseCommand):
    """Check the invariants."""

    help = "Look for violations of the invariants (docs/invariants.md); exit status 1 when there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        parser.add_argument(
            "--only", nargs="+", type=int, metavar="N", default=[], help="only these; the result is not kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = sorted(set(options["only"]) - set(NUMBERS))
        if unknown:
            known = ", ".join(map(str, NUMBERS))
            raise CommandError(
                _("--only: there is no invariant %(unknown)s. Known: %(known)s.")
                % {"unknown": ", ".join(map(str, unknown)), "known": known}
            )
        results = self._check(options["only"])
        lines = told(results)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(results, lines), ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(_table(lines)))
        if any(result["violations"] for result in results):
            sys.exit(1)

    def _check(self, only: list[int]) -> list[dict[str, Any]]:
        with tqdm(total=len(only or NUMBERS), unit="", leave=False, disable=None) as bar:

            def progress(done: int, _total: int) -> None:
                bar.update(done - bar.n)

            if only:
                return check_some(numbers=only, progress=progress)
            return list(check_all(progress=progress).results)


def _as_json(results: list[dict[str, Any]], lines: list[Line]) -> dict[str, Any]:
    return {
        "violations": sum(result["violations"] for result in results),
        "invariants": [result | {"name": line.title} for result, line in zip(results, lines, strict=True)],
    }


def _table(lines: list[Line]) -> list[str]:
    heads = (_("no."), _("rows"), _("violations"), _("ms"))
    rows = ["  ".join([*(head.rjust(10) for head in heads), _("invariant")])]
    for line in lines:
        figures = (line.number, line.examined, line.violations, line.milliseconds)
        rows.append("  ".join([*(str(figure).rjust(10) for figure in figures), line.title]))
        rows += [f"{'':>12}{text}" for text in line.found]
        if line.untold:
            rows.append(f"{'':>12}" + _("and %(count)d more") % {"count": line.untold})
    return rows
