"""What earlier answers tell: shrunk rates of yes given and received, with the pair itself left out.

rate = (Σ yes + worth · mean) / (Σ answers + worth), the posterior mean under a Beta prior. An answer
counts only if it is known and, where moments are given, strictly earlier than the pair's own. Answers
may be replaced by residuals (answer − what the profile made expected) with mean 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Answers:
    """One direction's answers, an entry a pair; the same pairs in the same order for both directions."""

    decider: IntArray  # [pairs] number of the party that answers
    receiver: IntArray  # [pairs] of the party that is answered
    value: FloatArray  # [pairs] 1 yes, 0 no, or a residual; not read where it is not known
    known: BoolArray  # [pairs]
    moment: FloatArray | None = None  # [pairs] when the answer was given; None if order does not matter


def sums_before(party: IntArray, answers: Answers) -> tuple[FloatArray, FloatArray]:
    """(Σ value, number) of the known answers that share each pair's `party`, its own left out."""
    value = np.where(answers.known, answers.value, 0.0)
    count = answers.known.astype(np.float64)
    if answers.moment is None:
        return _of_all(party, value), _of_all(party, count)
    return _earlier(party, answers.moment, value), _earlier(party, answers.moment, count)


def _of_all(party: IntArray, value: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(party, weights=value)[party] - value) if len(party) else value


def _earlier(party: IntArray, moment: FloatArray, value: FloatArray) -> FloatArray:
    """[pairs] sum over the party's entries with a strictly smaller moment; NaN is later than all."""
    order = np.lexsort((moment, party))
    who, when = party[order], moment[order]
    before = np.concatenate([[0.0], np.cumsum(value[order])])
    new_party = np.concatenate([[True], who[1:] != who[:-1]])
    new_moment = new_party | np.concatenate([[True], when[1:] != when[:-1]])
    start = np.maximum.accumulate(np.where(new_party, np.arange(len(who)), 0))
    tie = np.maximum.accumulate(np.where(new_moment, np.arange(len(who)), 0))
    out = np.empty(len(party))
    out[order] = before[tie] - before[start]
    return out


def shrunk(total: FloatArray, count: FloatArray, mean: float, worth: float) -> FloatArray:
    """(total + worth · mean) / (count + worth)."""
    if worth <= 0.0:
        raise EngineError(f"worth: {worth} must be above 0")
    return np.asarray((total + worth * mean) / (count + worth))


def given(answers: Answers, mean: float, worth: float) -> FloatArray:
    """[pairs] how often the decider says yes to others."""
    return shrunk(*sums_before(answers.decider, answers), mean, worth)


def received(answers: Answers, mean: float, worth: float) -> FloatArray:
    """[pairs] how often others say yes to the receiver."""
    return shrunk(*sums_before(answers.receiver, answers), mean, worth)
