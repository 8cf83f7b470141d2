"""What the features weigh in each direction: set by the prior, learned from decisions, or a blend of both.

logit_d = bias_d + sum of block_scale * block + sum of hinge_scale * (hinge - base)
          + sum of curve(single) - curve(base)
for the directions d = stall decides, anchor decides; an unknown feature equals the base and adds nothing.
The prior's weights of a direction sum to `slope`, and its curves are straight lines. A blend
(n0 * prior + n * learned) / (n0 + n) is linear in all weights, so it has the same shape as the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import SHARED_WEIGHTS, Config
from matching.engine.encoding import BLOCKS
from matching.engine.errors import EngineError
from matching.engine.scoring import (
    ANCHOR_DECIDES,
    HINGES,
    SINGLES,
    STALL_DECIDES,
    UNCHECKED,
    hinge_features,
    hinge_values,
    logit,
    single_values,
)
from matching.engine.types import Arrays, FloatArray, Parties, Side

DECISIONS = (STALL_DECIDES, ANCHOR_DECIDES)
# A curve is straight between its values at these points of [0, 1].
KNOTS = np.linspace(0.0, 1.0, 65)
# Two directions at their furthest must stay within float32: exp(2 * 40) < 3.4e38.
MOST_LOGITS = 40.0
_BASE_BY_PRIOR = {"reliability", "received", "given"}


@dataclass(frozen=True)
class Weights:
    """Logits per unit of a centred feature, by direction, and the base pair's features."""

    biases: FloatArray  # [3] logit of each direction for the base pair
    block_scale: FloatArray  # [2, blocks] turns a raw weighted block into logits
    hinge_scale: FloatArray  # [2, hinges] signed
    curves: FloatArray  # [2, singles, knots] logits, up to a constant
    hinge_base: FloatArray  # [hinges]
    single_base: FloatArray  # [singles]

    def validate(self) -> Weights:
        """These weights; EngineError for a wrong shape, or what float32 could not score."""
        shapes = {
            "biases": (3,),
            "block_scale": (2, len(BLOCKS)),
            "hinge_scale": (2, len(HINGES)),
            "curves": (2, len(SINGLES), len(KNOTS)),
            "hinge_base": (len(HINGES),),
            "single_base": (len(SINGLES),),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise EngineError(f"{name}: finite numbers of shape {shape} expected")
        return self

    def furthest(self, block_weights: FloatArray) -> FloatArray:
        """[2] the largest logit, up to sign, that any pair can reach in each direction."""
        reach = np.abs(self.biases[:2]) + np.abs(self.block_scale) @ block_weights
        return np.asarray(
            reach + np.abs(self.hinge_scale).sum(axis=1) + np.ptp(self.curves, axis=2).sum(axis=1)
        )

    @property
    def is_proportional(self) -> bool:
        """Whether one direction weighs the blocks as the other does, but for a factor."""
        first, second = self.block_scale
        return bool(np.allclose(first * second[0], second * first[0], rtol=1e-12, atol=0.0) and first[0] != 0)


def single_logits(parties: Parties, config: Config, weights: Weights) -> FloatArray:
    """[2, singles of the side, n] what each adds to each direction's logit; 0 where unknown."""
    numbers = [number for number, single in enumerate(SINGLES) if single.side is parties.side]
    values = single_values(parties, config)
    out = np.zeros((len(DECISIONS), len(numbers), len(parties)))
    for at, number in enumerate(numbers):
        known = ~np.isnan(values[at])
        for direction in DECISIONS:
            curve = weights.curves[direction, number]
            moved = np.interp(values[at, known], KNOTS, curve)
            out[direction, at, known] = moved - np.interp(weights.single_base[number], KNOTS, curve)
    return out


# --- the prior ----------------------------------------------------------------------------------------


def direction_total(config: Config, direction: int) -> float:
    """Sum of the raw weights of one direction; each weight is divided by it."""
    shared = sum(getattr(config, f"weight_{name}") for name in SHARED_WEIGHTS)
    signs = [h.stall_sign if direction == STALL_DECIDES else h.anchor_sign for h in HINGES]
    hinges = sum(getattr(config, f"weight_{h.part}") for h, sign in zip(HINGES, signs, strict=True) if sign)
    singles = sum(getattr(config, f"weight_{s.weight}") for s in SINGLES if s.direction == direction)
    return float(shared + hinges + singles)


def make_prior(config: Config, hinge_base: FloatArray, single_base: FloatArray) -> Weights:
    """The prior of a configuration around a base pair; NaN in a base (never seen) becomes one half."""
    scale = np.array([config.slope / direction_total(config, d) for d in DECISIONS])
    signs = np.array([[h.stall_sign for h in HINGES], [h.anchor_sign for h in HINGES]], dtype=np.float64)
    hinge_weights = np.array([getattr(config, f"weight_{h.part}") for h in HINGES])
    means = [config.mean_stall_accepts, config.mean_anchor_accepts, config.mean_fulfilment]
    curves = np.zeros((len(DECISIONS), len(SINGLES), len(KNOTS)))
    for number, single in enumerate(SINGLES):
        slope = scale[single.direction] * getattr(config, f"weight_{single.weight}")
        curves[single.direction, number] = slope * KNOTS
    return Weights(
        biases=logit(np.array(means)),
        block_scale=np.repeat(scale[:, None], len(BLOCKS), axis=1),
        hinge_scale=signs * hinge_weights * scale[:, None],
        curves=curves,
        hinge_base=np.where(np.isnan(hinge_base), 0.5, hinge_base),
        single_base=np.where(np.isnan(single_base), _prior_base(config), single_base),
    )


def _prior_base(config: Config) -> FloatArray:
    """The base of features whose mean the prior sets, one half for the others, [singles]."""
    stall, anchor = config.mean_stall_accepts, config.mean_anchor_accepts
    base = []
    for single in SINGLES:
        decides = stall if single.direction == STALL_DECIDES else anchor
        by_prior = config.mean_fulfilment if single.weight == "reliability" else decides
        # So that a party without history stands exactly at the base.
        base.append(by_prior if single.weight in _BASE_BY_PRIOR else 0.5)
    return np.array(base)


def fit_prior(
    config: Config, stalls: Parties, anchors: Parties, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Weights:
    """The prior around the mean features of these pairs of stall rows and anchor columns."""
    stall_x, anchor_y = hinge_values(stalls, config), hinge_values(anchors, config)
    features = hinge_features(stall_x[:, rows], anchor_y[:, columns])
    single_base = np.full(len(SINGLES), np.nan)
    for number, single in enumerate(SINGLES):
        if single.weight not in _BASE_BY_PRIOR:
            parties, at = (stalls, rows) if single.side is Side.STALL else (anchors, columns)
            single_base[number] = _mean(single.value(parties, config)[at])
    return make_prior(config, np.array([_mean(row) for row in features]), single_base)


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


# --- what decisions taught ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """Weights fitted on decisions, with the base pair that they were fitted around.

    `blocks` are logits per unit of similarity, so they outlive another weighting of the blocks.
    `calibration` is (a, b) of logit' = a * logit + b, for each direction, applied after blending.
    """

    biases: FloatArray  # [3] logit of each direction at the bases below
    blocks: FloatArray  # [2, blocks]
    hinges: FloatArray  # [2, hinges] signed
    curves: FloatArray  # [2, singles, knots]
    block_base: FloatArray  # [blocks]
    hinge_base: FloatArray  # [hinges]
    single_base: FloatArray  # [singles]
    decisions: FloatArray  # [3] n, how many taught each direction
    prior_worth: FloatArray  # [3] n0, how many the prior is worth
    calibration: FloatArray  # [2, 2]

    @property
    def shares(self) -> FloatArray:
        """[3] n / (n0 + n): how much of each direction is learned."""
        total = self.decisions + self.prior_worth
        return np.asarray(np.divide(self.decisions, total, out=np.zeros(3), where=total > 0))

    def validate(self) -> Learned:
        """These weights; EngineError names an array of another shape, or one that is not finite."""
        shapes = {
            "biases": (3,),
            "blocks": (2, len(BLOCKS)),
            "hinges": (2, len(HINGES)),
            "curves": (2, len(SINGLES), len(KNOTS)),
            "block_base": (len(BLOCKS),),
            "hinge_base": (len(HINGES),),
            "single_base": (len(SINGLES),),
            "decisions": (3,),
            "prior_worth": (3,),
            "calibration": (2, 2),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
                raise EngineError(f"{name}: finite numbers of shape {shape} expected")
        if np.any(self.decisions < 0) or np.any(self.prior_worth < 0):
            raise EngineError("decisions: counts cannot be negative")
        return self

    def to_arrays(self) -> Arrays:
        return {"features": np.array(features_hash())} | {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Learned:
        """The inverse of `to_arrays`; EngineError where they are of other features or incomplete."""
        missing = sorted({"features", *cls.__dataclass_fields__} - set(arrays))
        if missing:
            raise EngineError(f"{missing[0]}: missing in the stored weights")
        if str(arrays["features"]) != features_hash():
            raise EngineError("features: the weights were learned for other features than this engine has")
        return cls(**{name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__}).validate()

    @property
    def digest(self) -> str:
        """sha256 over all arrays."""
        total = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            total.update(f"{name}:{array.dtype}:{array.shape};".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def features_hash() -> str:
    """sha256 over the names and order of blocks, hinges and singles, and the knots of curves."""
    names = [[b.name for b in BLOCKS], [h.part for h in HINGES], [(s.part, s.weight) for s in SINGLES]]
    return hashlib.sha256(repr([*names, KNOTS.tolist()]).encode()).hexdigest()


_UNCHECKED_HINGES = np.array([hinge.part in UNCHECKED for hinge in HINGES])
_UNCHECKED_SINGLES = np.array([single.weight in UNCHECKED for single in SINGLES])


def blend(prior: Weights, learned: Learned, block_weights: FloatArray, block_base: FloatArray) -> Weights:
    """(n0 * prior + n * learned) / (n0 + n), calibrated, around the prior's base pair.

    `block_weights` and `block_base` [blocks] are those of the encoder that the prior belongs to. Of what
    nobody checks only the prior's share weighs, whatever was learned.
    Raises EngineError when a pair could reach logits that float32 cannot hold.
    """
    taught = _around(prior, learned.validate(), block_weights, block_base)
    share = learned.shares
    slope = np.append(learned.calibration[:, 0], 1.0)
    shift = np.append(learned.calibration[:, 1], 0.0)

    def mixed(name: str, by: FloatArray) -> FloatArray:
        by = by.reshape(-1, *[1] * (getattr(prior, name).ndim - 1))
        return np.asarray(by * getattr(taught, name) + (1.0 - by) * getattr(prior, name))

    weights = Weights(
        biases=slope * mixed("biases", share) + shift,
        block_scale=slope[:2, None] * mixed("block_scale", share[:2]),
        hinge_scale=slope[:2, None] * mixed("hinge_scale", share[:2]),
        curves=slope[:2, None, None] * mixed("curves", share[:2]),
        hinge_base=prior.hinge_base,
        single_base=prior.single_base,
    ).validate()
    if weights.furthest(block_weights).max() > MOST_LOGITS:
        raise EngineError(f"weights: a pair could reach more than {MOST_LOGITS:.0f} logits")
    return weights


def _around(prior: Weights, learned: Learned, block_weights: FloatArray, block_base: FloatArray) -> Weights:
    """The learned weights as logits beside the prior's base pair, unchecked ones left out."""
    learned = replace(
        learned,
        hinges=np.where(_UNCHECKED_HINGES, 0.0, learned.hinges),
        curves=np.where(_UNCHECKED_SINGLES[:, None], 0.0, learned.curves),
    )
    known = block_weights > 0
    scale = np.divide(learned.blocks, block_weights, out=np.zeros_like(learned.blocks), where=known)
    moved = learned.blocks @ np.where(known, block_base - learned.block_base, 0.0)
    moved += learned.hinges @ (prior.hinge_base - learned.hinge_base)
    for number in range(len(SINGLES)):
        for direction in DECISIONS:
            new, old = np.interp(
                [prior.single_base[number], learned.single_base[number]],
                KNOTS,
                learned.curves[direction, number],
            )
            moved[direction] += new - old
    return Weights(
        biases=learned.biases + np.append(moved, 0.0),
        block_scale=scale,
        hinge_scale=learned.hinges,
        curves=learned.curves,
        hinge_base=prior.hinge_base,
        single_base=prior.single_base,
    )
