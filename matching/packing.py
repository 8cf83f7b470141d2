"""A recommendation list as packed bytes and back (layer: pure)."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matching.engine.results import Recommendations

# How many partners a stored list holds.
LIST_LENGTH = 50
IDS, SCORES, PARTS, CONFIDENCES = "<i8", "<i4", "<i2", "u1"
ADJUSTED, PROPENSITIES = "<i2", "<f4"


class Packed(Protocol):
    """Bytes of one list: a `PackedList` or a stored row."""

    partner_ids: Any
    scores: Any
    parts: Any
    confidences: Any
    adjustments: Any
    propensities: Any


@dataclass
class PackedList:
    """The bytes of one list, and what somebody new has to reach: the last value, the pool's last score."""

    partner_ids: bytes
    scores: bytes
    parts: bytes
    confidences: bytes
    adjustments: bytes
    propensities: bytes
    floor_hundredths: int
    pool_floor_hundredths: int


@dataclass(frozen=True)
class ListEntries:
    """A stored list as arrays: best first, `parts` [n, codes], `adjustments` [n, 3], in hundredths."""

    partner_ids: NDArray[np.int64]
    scores: NDArray[np.int32]
    parts: NDArray[np.int16]
    confidences: NDArray[np.uint8]
    adjustments: NDArray[np.int16]
    propensities: NDArray[np.float32]


def pack(lists: Recommendations, row: int) -> PackedList:
    """Return the bytes of the list in `row`; the padding is left out."""
    partners = lists.partner_ids[row]
    held = int((partners >= 0).sum())
    hundredths = np.rint(lists.scores[row, :held] * 100).astype(SCORES)
    adjustments = lists.adjustments[row, :held].astype(ADJUSTED)
    is_full = held == len(partners) and held > 0
    return PackedList(
        partner_ids=partners[:held].astype(IDS).tobytes(),
        scores=hundredths.tobytes(),
        parts=lists.parts[row, :held].astype(PARTS).tobytes(),
        confidences=np.rint(lists.confidence[row, :held] * 255).astype(CONFIDENCES).tobytes(),
        adjustments=adjustments.tobytes(),
        propensities=lists.propensity[row, :held].astype(PROPENSITIES).tobytes(),
        floor_hundredths=int(hundredths[-1]) + int(adjustments[-1].sum()) if is_full else -1,
        pool_floor_hundredths=max(int(np.floor(lists.pool_floor[row] * 100)), -1),
    )


def unpack(packed: Packed) -> ListEntries:
    """The inverse of `pack`; a list stored before there were adjustments has none."""
    ids = np.frombuffer(bytes(packed.partner_ids), dtype=IDS)
    width = -1 if len(ids) else 0
    adjusted = np.frombuffer(bytes(packed.adjustments), dtype=ADJUSTED)
    drawn = np.frombuffer(bytes(packed.propensities), dtype=PROPENSITIES)
    return ListEntries(
        partner_ids=ids,
        scores=np.frombuffer(bytes(packed.scores), dtype=SCORES),
        parts=np.frombuffer(bytes(packed.parts), dtype=PARTS).reshape(len(ids), width),
        confidences=np.frombuffer(bytes(packed.confidences), dtype=CONFIDENCES),
        adjustments=(adjusted if len(adjusted) else np.zeros(3 * len(ids), ADJUSTED)).reshape(len(ids), 3),
        propensities=drawn if len(drawn) else np.ones(len(ids), dtype=PROPENSITIES),
    )
