"""`manage.py verify_events`: tell what of events, terms and roots is not as it was written."""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from tqdm import tqdm

from matching.models import EngineModel, Match, MatchDay, Outcome
from matching.selectors.chain_rows import chains_of
from matching.selectors.chains import ALL_CHECKS
from matching.selectors.roots import last_root, root_violations
from matching.selectors.triggers import trigger_violations
from matching.selectors.violations import Violation, listed


def a_hash(text: str) -> str:
    """Return the root that was given, in small letters."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(_("a root has 64 hexadecimal digits"))
    return text.lower()


class Command(BaseCommand):
    """Tell what of events, terms and roots is not as it was written."""

    help = "Verify all events, terms and daily roots; exit code 1 when anything is not as it was written."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--root",
            action="append",
            default=[],
            type=a_hash,
            metavar="HASH",
            help="a root that you kept elsewhere: it has to be that of some day (may be repeated)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started, counts, found = time.monotonic(), Counter[str](), []
        for violation in self._violations(options["root"], counts):
            if options["json"]:
                found.append(violation)
            else:
                self.stdout.write(str(violation))
            counts["violations"] += 1
        summary = self._summary(counts, time.monotonic() - started)
        if options["json"]:
            self.stdout.write(json.dumps(summary | {"found": listed(found)}, ensure_ascii=False))
        else:
            self.stdout.write(_told(summary))
        if counts["violations"]:
            sys.exit(1)

    def _violations(self, kept: list[str], counts: Counter[str]) -> Iterator[Violation]:
        yield from trigger_violations()
        for model, name, title in (
            (Match, "matches", _("Matches")),
            (Outcome, "outcomes", _("Outcomes")),
            (EngineModel, "models", _("Learned models")),
            (MatchDay, "match_days", _("Match days")),
        ):
            rows = model._default_manager.all()
            chains = chains_of(rows, with_terms=True)
            # Silent unless somebody watches.
            for chain in tqdm(chains, title, rows.count(), unit="", disable=None):
                counts[name] += 1
                counts["events"] += len(chain.events)
                counts["terms"] += len(chain.versions)
                for check in ALL_CHECKS:
                    yield from check(chain)

        def count(leaves: int) -> None:
            counts["roots"] += 1
            counts["leaves"] += leaves

        yield from root_violations(kept=kept, counted=count)

    @staticmethod
    def _summary(counts: Counter[str], seconds: float) -> dict[str, Any]:
        root = last_root()
        names = (
            "matches", "outcomes", "models", "match_days", "events", "terms", "roots", "leaves", "violations",
        )  # fmt: skip
        return {name: counts[name] for name in names} | {
            "seconds": round(seconds, 3),
            "last_root": {"on": root.on.isoformat(), "root": root.root} if root else None,
        }


def _told(summary: dict[str, Any]) -> str:
    text = _(
        "%(matches)s matches, %(outcomes)s outcomes, %(models)s models, %(match_days)s match days, "
        "%(events)s events, %(terms)s terms, %(roots)s roots, %(leaves)s leaves in %(seconds)s s: "
        "%(violations)s violations"
    )
    lines = [text % summary]
    if summary["last_root"]:
        lines.append(_("Last root, to be kept elsewhere: %(on)s %(root)s") % summary["last_root"])
    return "\n".join(lines)
