"""A few parties, read fresh: what the read path and the guards of a match check (layer: snapshot)."""

from collections.abc import Sequence
from functools import lru_cache

from matching.engine.types import Exclusions, Parties, Vocabulary
from matching.snapshot.exclusions import read_exclusions
from matching.snapshot.history import PartyHistory, loads
from matching.snapshot.rows import read_anchors, read_stalls, read_vocabulary


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """Return the reference codes, read once per process: they come by migration."""
    return read_vocabulary()


def parties_for_pairs(
    stall_ids: Sequence[int], anchor_ids: Sequence[int]
) -> tuple[Parties, Parties, Exclusions]:
    """Return these stalls and anchors, ids ascending, and the pairs excluded among them, as of now.

    Their past is left out: no rule reads it.
    """
    stalls, anchors = parties_now("stall", stall_ids), parties_now("anchor", anchor_ids)
    return stalls, anchors, read_exclusions(stall_ids, anchor_ids)


def parties_now(side: str, ids: Sequence[int] | None) -> Parties:
    """Return these parties of one side (None: all), ids ascending, as of now and without their past."""
    read = read_stalls if side == "stall" else read_anchors
    return read(vocabulary(), ids, past=PartyHistory(load_used=loads(side, ids)))
