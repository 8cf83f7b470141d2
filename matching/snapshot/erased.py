"""No machine keeps a market with somebody in it as before an erasure (layer: snapshot).

The erasure itself is done by one worker; the file of another machine, and the market in the memory of another
process, are for each of them to look after.
"""

import numpy as np
from numpy.typing import NDArray

from accounts.models import Erasure
from matching.snapshot import kept
from matching.snapshot.kept import Versions
from matching.snapshot.market import SIDES, changed_ids, read_versions, refresh_held

_looked_at: tuple[object, ...] = ()


def forget_erased() -> int:
    """Delete the kept markets of this machine that hold an erased party as it was; return how many.

    The market of this process, if it has one, is brought up to date. Costs one small query unless a person
    was erased, or a market kept, since this process looked last.
    """
    global _looked_at
    erasures = Erasure.objects.count()  # none is ever deleted, and keys are not committed in their order
    files = kept.files()
    state = (erasures, *kept.states_of(files))
    if not erasures or state == _looked_at:
        return 0
    if not _looked_at or erasures != _looked_at[0]:
        refresh_held()
    now, erased = {side: read_versions(side) for side in SIDES}, _erased_ids()
    gone = 0
    for path in files:
        held = kept.versions_in(path)
        if held is None or any(_is_outdated(held[side], now[side], erased[side]) for side in SIDES):
            path.unlink(missing_ok=True)
            gone += 1
    _looked_at = state
    return gone


def _erased_ids() -> dict[str, NDArray[np.int64]]:
    rows = list(Erasure.objects.order_by("pk").values_list("stall_ids", "anchor_ids"))
    return {
        side: np.array([party for row in rows for party in row[column]], dtype=np.int64)
        for column, side in enumerate(SIDES)
    }


def _is_outdated(held: Versions, now: Versions, erased: NDArray[np.int64]) -> bool:
    changed = changed_ids(held, now)
    return bool(np.isin(changed[np.isin(changed, held[0])], erased).any())
