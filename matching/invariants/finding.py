"""What a detector of invariants finds (layer: invariants; reads only)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

# Violations are told one by one up to here; the rest are counted.
MOST_KEPT = 1_000
Ids = dict[str, Any]
Key = TypeVar("Key", int, tuple[int, Any])


@dataclass(frozen=True)
class Violation:
    """One fact that must not be: what is wrong, and of which rows."""

    what: str
    ids: Ids

    def as_json(self) -> dict[str, Any]:
        """Return it as stored and printed."""
        return {"what": str(self.what), "ids": {name: _plain(value) for name, value in self.ids.items()}}


@dataclass
class Finding:
    """What one detector looked at and found; detectors fill it by `look` and `report`."""

    examined: int = 0
    count: int = 0
    violations: list[Violation] = field(default_factory=list)

    def look(self, rows: int = 1) -> None:
        """Count rows that were looked at."""
        self.examined += rows

    def report(self, what: str, **ids: Any) -> None:
        """Note a violation; ids and codes only, for it is stored and shown."""
        self.count += 1
        if len(self.violations) < MOST_KEPT:
            self.violations.append(Violation(what, ids))

    def found_again(self, other: "Finding") -> "Finding":
        """Return what both findings report: what only one saw was a write in the midst of it."""
        both = [violation for violation in other.violations if violation in self.violations]
        # Where there are too many to be kept, they are no accident of the moment.
        count = len(both) if other.count <= MOST_KEPT else other.count
        return Finding(other.examined, count, both)


@dataclass(frozen=True)
class Detector:
    """One invariant of `docs/invariants.md` and the function that looks for its violations."""

    number: int
    title: Any
    find: Callable[[Finding], None]


def merged(
    left: Iterator[tuple[Key, Any]], right: Iterator[tuple[Key, Any]]
) -> Iterator[tuple[Key, Any, Any]]:
    """Yield (key, value on the left, value on the right) of two streams in ascending order of unique keys.

    None stands for a key that one stream has not; neither stream is held in memory.
    """
    end: Any = (None, None)
    one, other = next(left, end), next(right, end)
    while one is not end or other is not end:
        if other is end or (one is not end and one[0] < other[0]):
            yield one[0], one[1], None
            one = next(left, end)
        elif one is end or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(right, end)
        else:
            yield one[0], one[1], other[1]
            one, other = next(left, end), next(right, end)


def stream(rows: Any) -> Iterator[Any]:
    """Return the rows of a query one by one, a few thousand in memory at a time."""
    rows_one_by_one: Iterator[Any] = rows.iterator(chunk_size=2_000)
    return rows_one_by_one


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str) else str(value)
