"""A kept check in words, for the command and the admin (layer: invariants)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matching.invariants.words import What
from matching.selectors.violations import TEXTS


@dataclass(frozen=True)
class Line:
    """What was found of one invariant, ready to be shown."""

    number: int
    title: str
    examined: int
    violations: int
    milliseconds: int
    found: tuple[str, ...]

    @property
    def untold(self) -> int:
        """How many violations are only counted."""
        return self.violations - len(self.found)


def lines_of(results: Iterable[Mapping[str, Any]], titles: Mapping[int, Any]) -> list[Line]:
    """Return the results of a check, as they are stored, in the language of the reader."""
    return [
        Line(
            number=result["number"],
            title=str(titles.get(result["number"], "")),
            examined=result["examined"],
            violations=result["violations"],
            milliseconds=result["milliseconds"],
            found=tuple(_sentence(violation) for violation in result["found"]),
        )
        for result in results
    ]


def _sentence(violation: Mapping[str, Any]) -> str:
    """Return what is wrong and of which rows: `the pair has … (stall 3, anchor 5)`."""
    code, ids = violation["what"], violation["ids"]
    text = str(TEXTS[code]) if code in TEXTS else str(What(code).label) if code in What.values else code
    rest = ", ".join(f"{name} {value}" for name, value in ids.items() if f"%({name})s" not in text)
    if code in TEXTS:
        # What an older release has stored may lack values of today.
        text %= defaultdict(lambda: "?", ids)
    return f"{text} ({rest})" if rest else text
