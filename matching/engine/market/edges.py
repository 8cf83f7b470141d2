"""The candidate pairs of a market as sparse edges, and the same edges seen from one proactive side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray, Side

# Padding ragged segments to a rectangle is quicker than a global sort until it wastes this much.
_MOST_PADDING = 4


def probabilities(name: str, values: FloatArray, length: int) -> FloatArray:
    """`values` as float64 [length]; EngineError naming `name` unless all lie in [0, 1]."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise EngineError(f"{name}: {length} probabilities are needed, the shape is {array.shape}")
    if not np.all((array >= 0) & (array <= 1)):  # NaN fails as well
        raise EngineError(f"{name}: probabilities in [0, 1] are needed, none unknown")
    return array


def capacities(name: str, values: FloatArray, length: int) -> FloatArray:
    """`values` as float64 [length]; EngineError naming `name` unless all are finite and ≥ 0."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise EngineError(f"{name}: {length} numbers are needed, the shape is {array.shape}")
    if not np.all(np.isfinite(array) & (array >= 0)):
        raise EngineError(f"{name}: finite numbers of at least 0 are needed")
    return array


@dataclass(frozen=True)
class Edges:
    """Candidate pairs sorted by (row, column), each at most once; rows are stalls, columns anchors.

    The caller folds P(completed | both) into one of the two probabilities (or its root into both), so
    that `mutual` is the probability that the pair, once both have examined it, works.
    """

    rows: IntArray  # [E]
    columns: IntArray  # [E]
    row_accepts: FloatArray  # [E] P(stall accepts)
    column_accepts: FloatArray  # [E] P(anchor accepts)
    n_rows: int
    n_columns: int

    def __post_init__(self) -> None:
        for name, size in (("rows", self.n_rows), ("columns", self.n_columns)):
            index = np.asarray(getattr(self, name))
            if size < 0:
                raise EngineError(f"n_{name}: at least 0, not {size}")
            if index.ndim != 1 or index.dtype.kind != "i":
                raise EngineError(f"{name}: one integer a pair is needed")
            if len(index) and (index.min() < 0 or index.max() >= size):
                raise EngineError(f"{name}: numbers from 0 to {size - 1} are needed")
            object.__setattr__(self, name, index.astype(np.int64, copy=False))
        if len(self.rows) != len(self.columns):
            raise EngineError(f"columns: {len(self.rows)} numbers are needed, as many as rows")
        if np.any(np.diff(self.rows * self.n_columns + self.columns) <= 0):
            raise EngineError("rows: pairs in order of (row, column), each once, are needed")
        for name in ("row_accepts", "column_accepts"):
            object.__setattr__(self, name, probabilities(name, getattr(self, name), len(self.rows)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mutual(self) -> FloatArray:
        """[E] probability that both accept."""
        return self.row_accepts * self.column_accepts

    @classmethod
    def of_dense(
        cls, row_accepts: FloatArray, column_accepts: FloatArray, mask: BoolArray | None = None
    ) -> Edges:
        """The pairs of two [rows, columns] matrices where `mask` is true (all without one)."""
        if row_accepts.ndim != 2 or row_accepts.shape != column_accepts.shape:
            raise EngineError("column_accepts: a matrix of the shape of row_accepts is needed")
        there = np.ones(row_accepts.shape, dtype=np.bool_) if mask is None else mask
        rows, columns = np.nonzero(there)
        return cls(rows, columns, row_accepts[there], column_accepts[there], *row_accepts.shape)


@dataclass(frozen=True)
class Orientation:
    """The edges as lists of the proactive parties and, beside them, as queues of the reactive ones.

    An entry is one edge. Entries are ordered by (party, partner); `queue` orders them by (partner,
    −screened, party), which is the fixed order in which a partner screens its applicants.
    """

    proactive: Side
    edge: IntArray  # [E] where each entry stands in Edges
    party: IntArray  # [E] proactive
    partner: IntArray  # [E] reactive
    applies: FloatArray  # [E] P(party applies once it has examined the partner)
    screened: FloatArray  # [E] P(partner accepts), by which it screens
    starts: IntArray  # [parties + 1] first entry of each party
    queue: IntArray  # [E] entries in screening order
    queue_starts: IntArray  # [partners + 1] first place in `queue` of each partner

    def __len__(self) -> int:
        return len(self.edge)

    @property
    def n_parties(self) -> int:
        return len(self.starts) - 1

    @property
    def n_partners(self) -> int:
        return len(self.queue_starts) - 1

    @property
    def mutual(self) -> FloatArray:
        """[E] probability that both accept."""
        return self.applies * self.screened


def orient(
    edges: Edges,
    proactive: Side,
    *,
    among: BoolArray | None = None,
    already_found: FloatArray | None = None,
) -> Orientation:
    """The edges (of those, the ones where `among` [E] is true) with one side proactive.

    `already_found` [E] is the probability that the other orientation has found the pair
    (`expectation.found_by_edge`): its applications are made there, so only the rest is left here.
    """
    edge = _chosen(edges, among)
    if proactive is Side.ANCHOR:
        edge = edge[np.argsort(edges.columns[edge], kind="stable")]
    by_stall = proactive is Side.STALL
    party, partner = (edges.rows, edges.columns) if by_stall else (edges.columns, edges.rows)
    sizes = (edges.n_rows, edges.n_columns) if by_stall else (edges.n_columns, edges.n_rows)
    accepts = (edges.row_accepts, edges.column_accepts)
    applies, screened = accepts if by_stall else accepts[::-1]
    if already_found is not None:
        applies = applies * (1 - probabilities("already_found", already_found, len(edges)))
    party, partner, applies, screened = party[edge], partner[edge], applies[edge], screened[edge]
    return Orientation(
        proactive=proactive,
        edge=edge,
        party=party,
        partner=partner,
        applies=applies,
        screened=screened,
        starts=_starts(party, sizes[0]),
        queue=np.lexsort((-screened, partner)),  # stable, so equal scores stay in order of party
        queue_starts=_starts(partner, sizes[1]),
    )


def _chosen(edges: Edges, among: BoolArray | None) -> IntArray:
    if among is None:
        return np.arange(len(edges), dtype=np.int64)
    if among.shape != (len(edges),) or among.dtype != np.bool_:
        raise EngineError(f"among: {len(edges)} truth values are needed")
    return np.flatnonzero(among)


def _starts(owner: IntArray, size: int) -> IntArray:
    """[size + 1] cumulative counts of each owner."""
    return np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=size)))).astype(np.int64)


def ranks_within(keys: FloatArray, starts: IntArray) -> IntArray:
    """Place of each entry in its segment by (−key, order), from 1; segments are given by `starts`."""
    lengths = np.diff(starts)
    ranks = np.empty(len(keys), dtype=np.int64)
    if not len(keys):
        return ranks
    longest = int(lengths.max())
    if longest * len(lengths) > _MOST_PADDING * len(keys) + 1024:
        owner = np.repeat(np.arange(len(lengths)), lengths)
        order = np.lexsort((-keys, owner))
        ranks[order] = np.arange(len(keys)) - np.repeat(starts[:-1], lengths) + 1
        return ranks
    filled = np.arange(longest) < lengths[:, None]
    padded = np.full(filled.shape, np.inf)
    padded[filled] = -keys
    order = np.argsort(padded, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(1, longest + 1)[None, :], axis=1)
    ranks[:] = places[filled]
    return ranks


def listed(orientation: Orientation, ranks: IntArray, k: int) -> IntArray:
    """[parties, k] partners in the order of `ranks` (1-based, 0 for not listed), −1 where a list ends."""
    if k < 0:
        raise EngineError(f"k: at least 0, not {k}")
    lists = np.full((orientation.n_parties, k), -1, dtype=np.int64)
    shown = (ranks >= 1) & (ranks <= k)
    lists[orientation.party[shown], ranks[shown] - 1] = orientation.partner[shown]
    return lists


def segments(starts: IntArray) -> Iterator[slice]:
    """The entries of each party."""
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield slice(start, stop)
