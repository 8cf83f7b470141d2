"""`manage.py erasures`: who was erased, by ids alone, and the same again after a restore (layer: faces)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from tqdm import tqdm

from accounts.selectors import told_erasures
from accounts.services.erasure import erase_again
from matchmaker.core.errors import DomainError

_PSEUDONYM: Any = re.compile(r"x-[0-9a-f]{12}")
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} [{elapsed}<{remaining}]"


class Command(BaseCommand):
    """List the erasures, or do them again."""

    help = (
        "Print a JSON line per erased person, to be kept outside; --again FILE erases them after a restore."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--again", type=Path, metavar="FILE", help="lines that this command printed before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["again"] is None:
            for line in told_erasures():
                self.stdout.write(json.dumps(line))
            return
        lines, counts, refused = list(_read(options["again"])), Counter[bool](), []
        for line in tqdm(lines, desc=_("Erasing"), bar_format=BAR, leave=False, disable=None):
            try:
                counts[erase_again(**line)] += 1
            except DomainError as error:
                refused.append(f"{line['user_id']}: {error.detail}")
        words = _(
            "%(done)d erased again, %(left)d were not there any more. Workers do the rest within a minute."
        )
        self.stdout.write(words % {"done": counts[True], "left": counts[False]})
        if refused:
            raise CommandError("\n".join(refused))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file; CommandError names the one that is none of ours."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            _("%(path)s cannot be read: %(error)s") % {"path": path, "error": error}
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            told = json.loads(line)
            yield {
                "user_id": str(UUID(told["user"])),
                "anchor_ids": [str(UUID(anchor)) for anchor in told["anchors"]],
                "pseudonym": _PSEUDONYM.fullmatch(told["pseudonym"])[0],
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            words = _("%(path)s, line %(number)d is no line of this command. Nothing was erased.")
            raise CommandError(words % {"path": path, "number": number}) from error
