"""A recommendation list as packed bytes and back (layer: pure)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.engine.types import Recommendations

# How many partners a stored list holds.
LIST_LENGTH = 50
IDS, SCORES, PARTS, CONFIDENCES = "<i8", "<i4", "<i2", "u1"


@dataclass(frozen=True)
class PackedList:
    """The bytes of one list, and the score that a newcomer has to beat."""

    partner_ids: bytes
    scores: bytes
    parts: bytes
    confidences: bytes
    floor_hundredths: int


@dataclass(frozen=True)
class ListEntries:
    """A stored list as arrays: best first, `parts` [n, codes], all in hundredths of a point."""

    partner_ids: NDArray[np.int64]
    scores: NDArray[np.int32]
    parts: NDArray[np.int16]
    confidences: NDArray[np.uint8]


def pack(lists: Recommendations, row: int) -> PackedList:
    """Return the bytes of the list in `row`; the padding is left out."""
    partners = lists.partner_ids[row]
    held = int((partners >= 0).sum())
    hundredths = np.rint(lists.scores[row, :held] * 100).astype(SCORES)
    is_full = held == len(partners) and held > 0
    return PackedList(
        partner_ids=partners[:held].astype(IDS).tobytes(),
        scores=hundredths.tobytes(),
        parts=lists.parts[row, :held].astype(PARTS).tobytes(),
        confidences=np.rint(lists.confidence[row, :held] * 255).astype(CONFIDENCES).tobytes(),
        floor_hundredths=int(hundredths[-1]) if is_full else -1,
    )


def unpack(*, partner_ids: bytes, scores: bytes, parts: bytes, confidences: bytes) -> ListEntries:
    """The inverse of `pack`."""
    ids = np.frombuffer(partner_ids, dtype=IDS)
    width = -1 if len(ids) else 0
    return ListEntries(
        partner_ids=ids,
        scores=np.frombuffer(scores, dtype=SCORES),
        parts=np.frombuffer(parts, dtype=PARTS).reshape(len(ids), width),
        confidences=np.frombuffer(confidences, dtype=CONFIDENCES),
    )
