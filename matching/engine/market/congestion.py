"""The stored state of the market: how busy every reactive party's queue is, at every screening score.

A full re-match leaves, of each queue, a few knots: at what screening score does one stand where, what
chance is there to be examined, and how much would be taken from those below. Any later list is one best
response against these knots, without the market at hand, and the same party gets the same list again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.edges import Orientation, probabilities
from matching.engine.market.examination import Attention
from matching.engine.market.screening import Screened
from matching.engine.types import Arrays, Float32Array, FloatArray, IntArray, Side

KNOTS = 16
UNKNOWN = -1  # the row of a party that the state has never seen
# Half of the knots follow where the applicants are, half where the candidates are.
_BY_EXPOSURE = 0.5
_CHUNK = 250_000


@dataclass(frozen=True)
class Queues:
    """Knots of the reactive side's queues, by rising screening score; each row is one reactive party."""

    scores: Float32Array  # [partners, knots] screening scores, rising
    chances: Float32Array  # [partners, knots] E v_c(1 + N above) there
    crowding: Float32Array  # [partners, knots] expected matches that one application there takes

    def __post_init__(self) -> None:
        for name in ("scores", "chances", "crowding"):
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if array.ndim != 2 or array.shape != np.shape(self.scores) or not array.size >= len(array):
                raise EngineError(f"{name}: a table of [parties, knots] like the other two is needed")
            if not np.isfinite(array).all():
                raise EngineError(f"{name}: every knot needs a finite number")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Congestion:
    """Both orientations' queues, by the side that is proactive."""

    queues: Mapping[Side, Queues]

    def to_arrays(self) -> Arrays:
        """Plain arrays by name, to be stored."""
        return {
            f"{side.value}_{name}": getattr(queues, name)
            for side, queues in self.queues.items()
            for name in ("scores", "chances", "crowding")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Congestion:
        """What `to_arrays` gave; EngineError naming the array that is missing or misshapen."""
        queues = {}
        for side in Side:
            parts = []
            for name in ("scores", "chances", "crowding"):
                if f"{side.value}_{name}" not in arrays:
                    raise EngineError(f"{side.value}_{name}: this array of the congestion state is missing")
                parts.append(arrays[f"{side.value}_{name}"])
            queues[side] = Queues(*parts)
        return cls(queues)


def summarise(
    orientation: Orientation,
    exposure: FloatArray,
    screened: Screened,
    attention: Attention,
    knots: int = KNOTS,
) -> Queues:
    """Knots of every queue, given everybody's exposure and what screening finds.

    A knot is an entry of the queue, at which the summary is exact; a queue of at most `knots` entries is
    kept whole. The knots of a longer one stand at equal shares of exposure and of entries, its ends
    included. An empty queue examines the first who comes.
    """
    if knots < 2:
        raise EngineError(f"knots: at least 2, not {knots}")
    n_partners = orientation.n_partners
    lengths = np.diff(orientation.queue_starts)
    places = _knot_places(orientation, exposure, lengths, knots)
    scores = np.zeros((n_partners, knots))
    chances = np.repeat(attention.places(np.arange(n_partners), 1), knots, axis=1)
    crowding = np.zeros((n_partners, knots))
    some = lengths > 0
    entries = orientation.queue[places[some]]
    scores[some] = orientation.screened[entries]
    chances[some], crowding[some] = screened.chance[entries], screened.crowding[entries]
    return Queues(*(table.astype(np.float32) for table in (scores, chances, crowding)))


def _knot_places(orientation: Orientation, exposure: FloatArray, lengths: IntArray, knots: int) -> IntArray:
    """[partners, knots] places in `queue`, last of the queue first, so that scores rise."""
    queue, starts = orientation.queue, orientation.queue_starts
    partner = orientation.partner[queue]
    applied = exposure[queue]
    exposed = np.bincount(partner, weights=applied, minlength=orientation.n_partners)[partner]
    share = np.where(exposed > 0, applied / np.where(exposed > 0, exposed, 1.0), 0.0)
    weight = _BY_EXPOSURE * share + (1 - _BY_EXPOSURE) / lengths[partner]
    # Position of an entry's middle in its queue, 0 to 1; the queues follow each other on one axis.
    sums = np.cumsum(weight)
    first = np.concatenate(([0.0], sums))[starts[:-1]]
    axis = sums - weight / 2 - np.repeat(first, lengths) + partner
    total = np.bincount(partner, weights=weight, minlength=orientation.n_partners)
    wanted = (
        np.linspace(1.0, 0.0, knots)[None, :] * total[:, None] + np.arange(orientation.n_partners)[:, None]
    )
    places = np.searchsorted(axis, wanted.ravel()).reshape(wanted.shape)
    places = np.clip(places, starts[:-1, None], np.maximum(starts[1:, None] - 1, starts[:-1, None]))
    short = lengths <= knots
    whole = starts[1:, None] - 1 - np.arange(knots)[None, :]
    places[short] = np.maximum(whole, starts[:-1, None])[short]
    return places


def busy_keys(
    queues: Queues, reactive_rows: IntArray, proactive_accepts: FloatArray, reactive_accepts: FloatArray
) -> FloatArray:
    """[E] p · ∂W/∂A of any pairs: what listing the pair adds to the matches of the market.

    The unit is that of the mutual probability, which it never exceeds; key − mutual ≤ 0 is "how busy".
    It is below 0 where the pair would take more from others than it gives. A partner that the state does
    not know (row −1) has an empty queue: key = mutual.
    """
    rows = np.asarray(reactive_rows)
    if rows.ndim != 1 or rows.dtype.kind != "i":
        raise EngineError("reactive_rows: one integer a pair is needed")
    if len(rows) and (rows.min() < UNKNOWN or rows.max() >= len(queues)):
        raise EngineError(f"reactive_rows: numbers from -1 to {len(queues) - 1} are needed")
    applies = probabilities("proactive_accepts", proactive_accepts, len(rows))
    accepts = probabilities("reactive_accepts", reactive_accepts, len(rows))
    keys = applies * accepts
    for start in range(0, len(rows), _CHUNK):
        part = np.arange(start, min(start + _CHUNK, len(rows)))
        part = part[rows[part] != UNKNOWN]
        chance, crowding = _between_knots(queues, rows[part], accepts[part])
        keys[part] = applies[part] * (accepts[part] * chance - crowding)
    return keys


def _between_knots(queues: Queues, rows: IntArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chance and crowding at the given scores.

    Linear between knots and level beyond the ends; at a score that several knots share, their mean,
    since any of their places may be the asker's.
    """
    # Scores are compared as they are stored, so that an entry that is a knot finds itself.
    asked = scores.astype(np.float32)
    knots = queues.scores[rows]
    last = knots.shape[1] - 1
    first = (knots < asked[:, None]).sum(axis=1)  # of the knots that are not below
    equal = (knots == asked[:, None]).sum(axis=1)
    pick = np.arange(len(rows))
    below, above = np.clip(first - 1, 0, last), np.minimum(first, last)
    low, high = knots[pick, below].astype(np.float64), knots[pick, above].astype(np.float64)
    share = np.where(high > low, (asked - low) / np.where(high > low, high - low, 1.0), 1.0)
    tied = np.flatnonzero(equal > 1)
    found = []
    for table in (queues.chances, queues.crowding):
        lower, upper = table[rows, below].astype(np.float64), table[rows, above].astype(np.float64)
        values = lower + share * (upper - lower)
        same = knots[tied] == asked[tied, None]
        values[tied] = np.where(same, table[rows[tied]], 0.0).sum(axis=1) / equal[tied]
        found.append(values)
    return found[0], found[1]
