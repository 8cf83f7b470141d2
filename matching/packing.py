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


def pack_all(lists: Recommendations) -> list[PackedList]:
    """Return the bytes of every list; the padding is left out."""
    held = (lists.partner_ids >= 0).sum(axis=1).tolist()
    hundredths = np.rint(lists.scores * 100).astype(SCORES)
    adjusted = lists.adjustments.astype(ADJUSTED)
    pool_floors = np.maximum(np.floor(lists.pool_floor * 100), -1).astype(np.int64).tolist()
    columns = {
        "partner_ids": lists.partner_ids.astype(IDS),
        "scores": hundredths,
        "parts": lists.parts.astype(PARTS),
        "confidences": np.rint(lists.confidence * 255).astype(CONFIDENCES),
        "adjustments": adjusted,
        "propensities": lists.propensity.astype(PROPENSITIES),
    }
    # The value of the last place, which only a full list has.
    full = lists.partner_ids.shape[1]
    values = (hundredths + adjusted.sum(axis=2, dtype=np.int64)).tolist()
    return [
        PackedList(
            **{name: column[row, :count].tobytes() for name, column in columns.items()},
            floor_hundredths=values[row][-1] if count == full and full else -1,
            pool_floor_hundredths=pool_floors[row],
        )
        for row, count in enumerate(held)
    ]


def unpack(packed: Packed) -> ListEntries:
    """The inverse of packing; a list stored before there were adjustments has none."""
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
