"""From a pool of candidates to the list that is shown: how busy, how varied, and a place for newcomers.

What decides a place is one whole number, in hundredths of a point,

    value = score + busy + variety + new

- `busy` <= 0: what the queue at the partner takes from the score (`matching.engine.market`).
- `variety` <= 0: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): of the first places each
  costs a candidate `diversity` of its value per similarity, in category and style, to the most similar one
  above it.
- `new` >= 0: the last place of every `newcomer_every` goes to somebody whom few have been shown, drawn by
  Thompson sampling (Thompson, Biometrika 1933); the term is what lifts it to its place.

Values never rise along a list, so the terms beside a score tell its whole order. Every draw is a hash of
seed, subject, partner and number: a list does not depend on the lists computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import Config
from matching.engine.model import Encoded, Model
from matching.engine.parallel import run_blocks, spans
from matching.engine.types import BoolArray, Float32Array, FloatArray, IntArray

ADJUSTMENTS: tuple[str, ...] = ("busy", "variety", "new")
BUSY, VARIETY, NEW = range(3)
_NOBODY = -(10**12)  # below every value, and far from overflow


@dataclass(frozen=True)
class Pool:
    """Candidates of m subjects, best score first, `partner_rows` -1 padded; all arrays [m, pool]."""

    partner_rows: IntArray
    mutual: FloatArray  # probability that both accept and complete
    partner_accepts: FloatArray  # P(partner accepts) · √P(both complete)
    counts: NDArray[np.uint32]  # [m, rules + 1] why others are no candidates

    @property
    def held(self) -> BoolArray:
        return np.asarray(self.partner_rows >= 0)

    @property
    def floor(self) -> FloatArray:
        """[m] mutual probability of the last candidate of a full pool, -1 where there is room for more."""
        if not self.partner_rows.shape[1]:
            return np.full(len(self.partner_rows), -1.0)
        return np.where(self.partner_rows[:, -1] >= 0, self.mutual[:, -1], -1.0)

    @property
    def own_accepts(self) -> FloatArray:
        """P(subject accepts) · √P(both complete), 0 where padded."""
        accepts = np.where(self.held, self.partner_accepts, 1.0)
        return np.asarray(np.where(self.held, self.mutual, 0.0) / accepts)


@dataclass(frozen=True)
class Order:
    """The places of m lists, -1 padded in `places`."""

    places: IntArray  # [m, k] columns of the pool
    adjustments: NDArray[np.int16]  # [m, k, 3] hundredths, in the order of ADJUSTMENTS
    propensities: Float32Array  # [m, k] with which probability a draw puts it here; 1 where nothing is drawn


@dataclass(frozen=True)
class Draws:
    """What the draws for newcomers depend on."""

    seed: int
    subject_ids: IntArray  # [m]
    partner_ids: IntArray  # [m, pool]
    exposures: IntArray  # [m, pool] how often each candidate has been shown


_AT_ONCE = 128  # subjects whose candidates' vectors fit a cache-sized table


@dataclass(frozen=True)
class Places:
    """By what places are given: `keys` [m, pool] as in `rerank`, the settings, and how many there are."""

    keys: FloatArray
    config: Config
    k: int


def arrange(
    model: Model, own: Encoded, others: Encoded, pool: Pool, places: Places, subject_rows: IntArray
) -> Order:
    """The best of each pool of these subjects, in blocks of subjects and two threads."""
    parts: dict[int, Order] = {}
    ids, exposures, look = _of_partners(model, others)

    def one(at: slice) -> None:
        rows = pool.partner_rows[at]
        block = Pool(rows, pool.mutual[at], pool.partner_accepts[at], pool.counts[at])
        draws = Draws(
            model.seed,
            own.parties.ids[subject_rows[at]],
            ids[rows],
            exposures[rows],
        )
        parts[at.start] = rerank(block, places.keys[at], look[rows], draws, places.config, places.k)

    run_blocks(one, spans(len(subject_rows), _AT_ONCE))
    if not parts:
        return Order(
            np.empty((0, places.k), np.int64),
            np.empty((0, places.k, 3), np.int16),
            np.empty((0, places.k), np.float32),
        )
    blocks = [parts[start] for start in sorted(parts)]
    return Order(*(np.concatenate([getattr(b, f.name) for b in blocks]) for f in fields(Order)))


def _of_partners(model: Model, parties: Encoded) -> tuple[IntArray, IntArray, Float32Array]:
    """Ids, exposures and looks of the partners, with one more row at the end for nobody (-1).

    A look is what variety compares: category and style, of length 1 together, 0 where neither is known.
    """
    blocks = [model.encoder.slice_of(name) for name in ("category", "style")]
    look = np.hstack([parties.vectors[:, at.start : at.stop - 1] for at in blocks])
    length = np.sqrt(np.square(look).sum(axis=1, dtype=np.float64))
    look = (look / np.where(length > 0, length, 1.0)[:, None]).astype(np.float32)
    return (
        np.append(parties.parties.ids, -1),
        np.append(parties.parties.exposures.astype(np.int64), 0),
        np.vstack([look, np.zeros((1, look.shape[1]), dtype=np.float32)]),
    )


def rerank(
    pool: Pool, keys: FloatArray, vectors: Float32Array, draws: Draws, config: Config, k: int
) -> Order:
    """The best k of each pool.

    `keys` [m, pool] are mutual probabilities less what the queue costs, in [-1, 1]; `vectors`
    [m, pool, d] are of unit length, so that their dot products are similarities in [0, 1].
    """
    score = _hundredths(pool.mutual)
    busy = np.minimum(_hundredths(np.minimum(keys, pool.mutual)) - score, 0)
    value = np.where(pool.held, score + busy, _NOBODY)
    order, variety = _spread(value, vectors, config, k)
    propensity = np.ones(value.shape, dtype=np.float32)
    lift = np.zeros_like(value)
    order = _invite(order, value + variety, pool, draws, config, k, lift, propensity)
    return _cut(order, np.stack([busy, variety, lift], axis=2), propensity, pool, k)


def _hundredths(probabilities: FloatArray) -> IntArray:
    return np.rint(probabilities * 10_000.0).astype(np.int64)


def _cut(order: IntArray, terms: IntArray, propensity: Float32Array, pool: Pool, k: int) -> Order:
    width = min(k, order.shape[1])
    first = order[:, :width]
    shown = np.take_along_axis(pool.held, first, axis=1)
    padding = ((0, 0), (0, k - width))
    chosen = np.take_along_axis(terms, first[:, :, None], axis=1) * shown[:, :, None]
    drawn = np.where(shown, np.take_along_axis(propensity, first, axis=1), 1.0)
    return Order(
        places=np.pad(np.where(shown, first, -1), padding, constant_values=-1),
        adjustments=np.pad(chosen, (*padding, (0, 0))).astype(np.int16),
        propensities=np.pad(drawn, padding, constant_values=1.0).astype(np.float32),
    )


# --- variety ------------------------------------------------------------------------------------------


def _spread(value: IntArray, vectors: Float32Array, config: Config, k: int) -> tuple[IntArray, IntArray]:
    """Order of each pool by marginal relevance, and what variety took from each candidate (<= 0)."""
    rows, width = value.shape
    nearest = np.zeros(value.shape, dtype=np.float32)
    is_free = np.ones(value.shape, dtype=np.bool_)
    cost = np.zeros_like(value)
    picks = min(config.diverse_ranks, width, k) if config.diversity > 0 else 0
    order = np.empty((rows, picks), dtype=np.int64)
    all_rows = np.arange(rows)
    for rank in range(picks):
        # argmax takes the first of equals, and pools are sorted by (-score, id).
        pick = np.where(is_free, value + cost, 2 * _NOBODY).argmax(axis=1)
        order[:, rank] = pick
        is_free[all_rows, pick] = False
        alike = np.matmul(vectors, vectors[all_rows, pick][:, :, None])[:, :, 0]
        np.maximum(nearest, alike, out=nearest)
        penalty = np.floor(config.diversity * nearest * np.maximum(value, 0)).astype(np.int64)
        # Who has a place keeps the cost that gave it this place.
        cost = np.where(is_free, -penalty, cost)
    rest = np.argsort(np.where(is_free, -(value + cost), 1 - 2 * _NOBODY), axis=1, kind="stable")
    rest = rest[:, : width - picks]
    return np.concatenate([order, rest], axis=1), cost


# --- newcomers ----------------------------------------------------------------------------------------


def _invite(
    order: IntArray,
    value: IntArray,
    pool: Pool,
    draws: Draws,
    config: Config,
    k: int,
    lift: IntArray,
    propensity: Float32Array,
) -> IntArray:
    """The order with a drawn newcomer at the last place of every ten; `lift` and `propensity` are filled."""
    is_new = pool.held & (draws.exposures < config.newcomer_exposures)
    if config.newcomer_every < 1 or not is_new.any():
        return order
    for place in range(config.newcomer_every - 1, min(k, order.shape[1]), config.newcomer_every):
        standing = np.take_along_axis(is_new, order, axis=1)
        standing[:, :place] = False
        rows = np.flatnonzero(standing.any(axis=1))
        if len(rows):
            pick, chance = _draw(place, order[rows], standing[rows], rows, pool, draws, config)
            order[rows] = _moved(order[rows], pick, place)
            chosen = order[rows, place]
            stepped_back = order[rows, min(place + 1, order.shape[1] - 1)]
            lift[rows, chosen] = np.maximum(value[rows, stepped_back] - value[rows, chosen], 0)
            propensity[rows, chosen] = chance
    return order


def _moved(order: IntArray, pick: IntArray, place: int) -> IntArray:
    """Each row with its entry at `pick` brought forward to `place`; what stood between steps back."""
    position = np.broadcast_to(np.arange(order.shape[1], dtype=np.float64), order.shape).copy()
    position[np.arange(len(order)), pick] = place - 0.5
    return np.take_along_axis(order, np.argsort(position, axis=1, kind="stable"), axis=1)


def _draw(
    place: int,
    order: IntArray,
    standing: BoolArray,
    rows: IntArray,
    pool: Pool,
    draws: Draws,
    config: Config,
) -> tuple[IntArray, Float32Array]:
    """Position of the newcomer drawn in each row, and how likely it was.

    Of the first `newcomer_pool` newcomers each gets `newcomer_draws` draws of its mutual probability from
    a normal posterior around its prediction; how often one is the best is its chance (smoothed by half a
    draw), and one more hash, of its own for every place, picks by these chances: given who got the newcomers'
    places above, the propensity is exact.
    """
    first = np.argsort(~standing, axis=1, kind="stable")[:, : config.newcomer_pool]
    is_real = np.take_along_axis(standing, first, axis=1)
    columns = np.take_along_axis(order, first, axis=1)
    mean = np.take_along_axis(pool.mutual[rows], columns, axis=1)
    shown = np.take_along_axis(draws.exposures[rows], columns, axis=1)
    spread = np.sqrt(mean * (1.0 - mean) / (config.newcomer_worth + shown))
    partners = np.take_along_axis(draws.partner_ids[rows], columns, axis=1)
    subjects = draws.subject_ids[rows]
    wins = np.zeros(mean.shape)
    for number in range(config.newcomer_draws):
        drawn = mean + spread * _normal(_hash(draws.seed, subjects[:, None], partners, number))
        best = np.where(is_real, drawn, -np.inf).argmax(axis=1)
        wins[np.arange(len(rows)), best] += 1.0
    chance = np.where(is_real, wins + 0.5, 0.0)
    chance /= chance.sum(axis=1, keepdims=True)
    ticket = _uniform(_hash(draws.seed, subjects, draws.partner_ids[rows, 0], -1 - place))
    pick = (np.cumsum(chance, axis=1) < ticket[:, None]).sum(axis=1)
    pick = np.minimum(pick, is_real.sum(axis=1) - 1)
    at = np.arange(len(rows))
    return first[at, pick], chance[at, pick].astype(np.float32)


def _hash(seed: int, subjects: IntArray, partners: IntArray, number: int) -> NDArray[np.uint64]:
    """64 well mixed bits of the four numbers (splitmix64; Steele, Lea and Flood, OOPSLA 2014)."""
    start = np.uint64((seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03) % 2**64)
    mixed = _mix(np.asarray(subjects).astype(np.uint64) + start)
    return _mix(mixed ^ np.asarray(partners).astype(np.uint64))


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def _uniform(bits: NDArray[np.uint64]) -> FloatArray:
    return (np.asarray(bits >> np.uint64(11), dtype=np.float64) + 0.5) / 2.0**53


def _normal(bits: NDArray[np.uint64]) -> FloatArray:
    from scipy.special import ndtri

    return np.asarray(ndtri(_uniform(bits)))
