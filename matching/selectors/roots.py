"""Whether the daily roots still stand for the events below them (layer: selectors)."""

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta

from django.db.models import Exists, OuterRef

from matching.digests import root_hash
from matching.models import DailyRoot, MatchEvent, RootLeaf
from matching.selectors.violations import Violation

READ_AT_ONCE = 2000
_DAY = timedelta(days=1)


def root_violations(
    *, kept: Collection[str] = (), counted: Callable[[int], object] = lambda leaves: None
) -> Iterator[Violation]:
    """Yield leaves that are not their event any more, and roots that are not of their leaves or not linked.

    `kept` are roots that somebody noted elsewhere: each has to be there. `counted` is told the leaves of each
    root that was looked at.
    """
    yield from _leaf_violations()
    before, missing = None, set(kept)
    for root in DailyRoot.objects.order_by("on").iterator(chunk_size=READ_AT_ONCE):
        yield from _gap_before(root, before)
        yield from _root_violations(root, before, counted)
        before = root
        missing.discard(root.root)
    for lost in sorted(missing):
        yield Violation("root", lost, "root_unknown")


def last_root() -> DailyRoot | None:
    """Return the root to keep elsewhere: it binds all events before it."""
    return DailyRoot.objects.order_by("-on").first()


def _gap_before(root: DailyRoot, before: DailyRoot | None) -> Iterator[Violation]:
    day = before.on + _DAY if before else root.on
    while day < root.on:
        yield _wrong(day, "day_missing")
        day += _DAY


def _root_violations(
    root: DailyRoot, before: DailyRoot | None, counted: Callable[[int], object]
) -> Iterator[Violation]:
    if root.prev_root != (before.root if before else ""):
        yield _wrong(root.on, "root_not_linked")
    leaves = RootLeaf.objects.filter(root=root).order_by("match__public_id")
    rows = leaves.values_list("match__public_id", "seq", "hash").iterator(chunk_size=READ_AT_ONCE)
    recomputed, count = root_hash(root.prev_root, rows)
    counted(count)
    if count != root.leaf_count:
        yield _wrong(root.on, "leaves_missing", expected=root.leaf_count, found=count)
    if recomputed != root.root:
        yield _wrong(root.on, "root_differs")


def _leaf_violations() -> Iterator[Violation]:
    same = MatchEvent.objects.filter(match=OuterRef("match"), seq=OuterRef("seq"), hash=OuterRef("hash"))
    lost = RootLeaf.objects.filter(~Exists(same)).order_by("match_id", "seq")
    rows = lost.values_list("match__public_id", "seq", "root__on")
    for match_id, seq, day in rows.iterator(chunk_size=READ_AT_ONCE):
        yield Violation("match", str(match_id), "leaf_differs", seq, {"day": str(day)})


def _wrong(day: date, code: str, **values: object) -> Violation:
    return Violation("day", str(day), code, values=values)
