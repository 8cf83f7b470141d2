"""How many matches given lists make, in expectation and by playing the market at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.edges import Edges, Orientation
from matching.engine.market.examination import Attention
from matching.engine.market.screening import screen
from matching.engine.types import FloatArray, IntArray


def check_ranks(orientation: Orientation, ranks: IntArray) -> IntArray:
    """`ranks` as given; EngineError unless each party's ranks are distinct and at least 1, or 0."""
    ranks = np.asarray(ranks)
    if ranks.shape != (len(orientation),) or ranks.dtype.kind != "i":
        raise EngineError(f"ranks: {len(orientation)} whole numbers are needed")
    if len(ranks) and ranks.min() < 0:
        raise EngineError("ranks: 0 (not listed) or places from 1 are needed")
    shown = ranks > 0
    places = orientation.party[shown] * (int(ranks.max(initial=0)) + 1) + ranks[shown]
    if len(np.unique(places)) != len(places):
        raise EngineError("ranks: a place was given twice in one list")
    return ranks


def expected_by_entry(orientation: Orientation, ranks: IntArray, attention: Attention) -> FloatArray:
    """[E] probability that each pair matches: A · p · E v_c(1 + N above).

    The proactive party examines rank k of its list with v(k) and applies if it accepts; the reactive
    one screens its applicants by its own directed score and takes up the r-th with v_c(r), if it accepts.
    """
    exposure = attention.exposure(check_ranks(orientation, ranks), orientation.applies)
    return exposure * orientation.screened * screen(orientation, exposure, attention).chance


def expected_matches(orientation: Orientation, ranks: IntArray, attention: Attention) -> float:
    """W, the expected number of matches in the whole market."""
    return float(expected_by_entry(orientation, ranks, attention).sum())


def found_by_edge(
    edges: Edges, orientation: Orientation, ranks: IntArray, attention: Attention, chance: FloatArray
) -> FloatArray:
    """[edges] probability that both sides examine the pair, if both accept; 0 for a pair not oriented.

    `chance` [E] is that of the partner's screening (`Screened.chance`). What one orientation has found
    the other need not find again (`orient(…, already_found=…)`).
    """
    curve = attention.examination.ranks(int(ranks.max(initial=0)), attention.length)
    found = np.zeros(len(edges))
    found[orientation.edge] = np.clip(curve[check_ranks(orientation, ranks)] * chance, 0.0, 1.0)
    return found


def exposed_by_partner(orientation: Orientation, exposure: FloatArray) -> FloatArray:
    """[partners] expected number of applicants."""
    return np.bincount(orientation.partner, weights=exposure, minlength=orientation.n_partners).astype(float)


@dataclass(frozen=True)
class Simulated:
    """Matches of played markets."""

    mean: float
    standard_error: float
    runs: int


def simulate(
    orientation: Orientation, ranks: IntArray, attention: Attention, rng: np.random.Generator, runs: int
) -> Simulated:
    """Plays the market `runs` times: who examines whom, who applies, who is taken up, who accepts."""
    if runs < 2:
        raise EngineError(f"runs: at least 2, not {runs}")
    curve = attention.examination.ranks(int(ranks.max(initial=0)), attention.length)
    examined = curve[check_ranks(orientation, ranks)][orientation.queue]
    applies, accepts = orientation.applies[orientation.queue], orientation.screened[orientation.queue]
    partner = orientation.partner[orientation.queue]
    lengths = np.diff(orientation.queue_starts)
    longest = int(lengths.max(initial=0))
    places = attention.places(np.arange(orientation.n_partners), max(longest, 1))
    totals = np.empty(runs)
    for run in range(runs):
        applied = (rng.random(len(partner)) < examined) & (rng.random(len(partner)) < applies)
        before: IntArray = np.cumsum(applied) - applied
        first = np.concatenate((before, [0]))[orientation.queue_starts[:-1].clip(max=len(before))]
        above = before - np.repeat(first, lengths)
        taken_up = rng.random(len(partner)) < places[partner, above]
        totals[run] = np.sum(applied & taken_up & (rng.random(len(partner)) < accepts))
    return Simulated(float(totals.mean()), float(totals.std(ddof=1) / np.sqrt(runs)), runs)
