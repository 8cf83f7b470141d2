"""Writes the tables of states into docs/matches.md between their markers; `--check` only compares.

The code is the source: `matching/states.py`. A test runs the comparison.
"""

import os
import re
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE_DIR))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
PAGE = BASE_DIR / "docs" / "matches.md"
NONE = "–"


def main() -> int:
    """0 when the page says what the code says, or has just been made to."""
    import django

    django.setup()
    before = PAGE.read_text(encoding="utf-8")
    after = rendered(before)
    if "--check" in sys.argv:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


def rendered(page: str) -> str:
    """Return the page with every generated part made anew."""
    from matching.states import OUTCOME_TRANSITIONS, TRANSITIONS

    parts = {
        "match-table": table(TRANSITIONS),
        "match-diagram": diagram(TRANSITIONS),
        "outcome-table": table(OUTCOME_TRANSITIONS),
        "outcome-diagram": diagram(OUTCOME_TRANSITIONS),
    }
    for name, text in parts.items():
        pattern = rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)"
        page, found = re.subn(pattern, text.replace("\\", r"\\"), page, flags=re.S)
        if found != 1:
            raise SystemExit(f"{PAGE.name}: {found} places for {name}")
    return page


def table(rows) -> str:
    """Return one line of Markdown for every transition."""
    lines = ["| action | from | to | by | reason | frees what was reserved |", "|---|---|---|---|---|---|"]
    for row in rows:
        sources = ", ".join(source or NONE for source in row.sources)
        reason, frees = "needed" if row.needs_reason else "", "yes" if row.releases else ""
        lines.append(f"| {row.action} | {sources} | {row.target} | {_by(row)} | {reason} | {frees} |")
    return "\n".join(lines) + "\n"


def _by(row) -> str:
    sides = {"stall", "anchor"} <= set(row.by)
    who = ["an awaited side" if row.awaited_only else "either side"] if sides else []
    who += [role for role in ("staff", "system") if role in row.by]
    return ", ".join(who)


def diagram(rows) -> str:
    """Return a state diagram in Mermaid."""
    finals = {row.target for row in rows} - {source for row in rows for source in row.sources}
    arrows = [f"  {source or '[*]'} --> {row.target}: {row.action}" for row in rows for source in row.sources]
    ends = [f"  {state} --> [*]" for state in dict.fromkeys(row.target for row in rows) if state in finals]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, *ends, "```", ""])


if __name__ == "__main__":
    sys.exit(main())
