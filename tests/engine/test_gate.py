"""The gate: what it lets through, and what it must refuse."""

from dataclasses import replace

import numpy as np
import pytest

from matching.engine.errors import EngineError
from matching.engine.gate import Forecast, GateRules, HeldOut, Refusal, judge
from matching.engine.learning.directed import Grid, examples, fit_directed, probability
from matching.engine.learning.mutual import combine
from matching.engine.scoring import sigmoid

SEEDS = range(20)
GRID = Grid(c=(0.01, 0.1), prior_worth=(0.0,), folds=3)
STALL_LIKES = np.array([1.2, -0.8, 0.6, 0.0])
ANCHOR_LIKES = np.array([-0.5, 1.0, 0.0, 0.7])


def town(seed, weeks, per_week=30, partners=15):
    """(features, both answers, week, subject) of stalls that meet anchors, week by week."""
    rng = np.random.default_rng(seed)
    n = weeks * per_week * partners
    x = rng.normal(size=(n, 4))
    says = [
        (rng.random(n) < sigmoid(-0.8 + x @ likes)).astype(float) for likes in (STALL_LIKES, ANCHOR_LIKES)
    ]
    return (
        x,
        says,
        np.repeat(np.arange(weeks), per_week * partners),
        np.repeat(np.arange(n // partners), partners),
    )


def held_out(seed):
    x, says, week, subject = town(1000 + seed, weeks=8)
    newcomer = np.random.default_rng(seed).random(len(x)) < 0.2
    return x, HeldOut(week, subject, says[0], says[1], says[0] * says[1], newcomer)


def learned(seed, x_new, flipped=0.0, weeks=12):
    x, says, week, _ = town(seed, weeks)
    rng = np.random.default_rng(seed + 500)
    names = ("a", "b", "c", "d")
    answers = [np.where(rng.random(len(one)) < flipped, 1.0 - one, one) for one in says]
    first, second = (examples(names, x, one, week) for one in answers)
    row, column, _, _ = fit_directed((first, second), GRID)
    return forecast(probability(row, x_new, 0.0), probability(column, x_new, 0.0))


def forecast(stall, anchor):
    return Forecast(stall, anchor, combine(stall, anchor))


def flat(held):
    """A model that knows the mean only and lists in a fixed order of chance."""
    p = np.full(len(held.group), 0.35)
    return Forecast(p, p, np.random.default_rng(3).random(len(p)))


def verdict(held, challenger, current, **rules):
    return judge(held, challenger, current, np.random.default_rng(9), GateRules(**rules))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_of_flipped_labels_is_refused(seed):
    x, held = held_out(seed)
    found = verdict(held, learned(seed, x, flipped=0.3), learned(seed, x))
    assert not found.publish
    # Its order alone may be better by chance, in one draw of forty; its probabilities never are.
    assert {Refusal.WORSE_PROBABILITIES, Refusal.MISCALIBRATED} <= set(found.refusals)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_of_true_labels_replaces_one_that_knows_the_mean(seed):
    x, held = held_out(seed)
    found = verdict(held, learned(seed, x), flat(held))
    assert found.publish, found
    assert found.refusals == ()
    assert found.ndcg.low > 0.0 > found.log_loss.high


def test_the_same_model_is_no_better_than_itself():
    x, held = held_out(1)
    same = learned(1, x)
    found = verdict(held, same, same)
    assert found.refusals == (Refusal.NOT_BETTER,)
    assert found.ndcg.mean == found.log_loss.mean == found.newcomers.mean == 0.0


def test_a_better_order_with_boasting_probabilities_is_refused():
    x, held = held_out(2)
    good = learned(2, x)
    boasting = replace(good, stall=good.stall**0.3, anchor=good.anchor**0.3)
    found = verdict(held, boasting, flat(held))
    assert Refusal.MISCALIBRATED in found.refusals
    assert Refusal.NOT_BETTER not in found.refusals
    assert found.ece > 0.03


def test_surely_worse_probabilities_are_refused_whatever_the_order():
    x, held = held_out(3)
    good = learned(3, x)
    found = verdict(held, replace(flat(held), score=good.score), replace(good, score=flat(held).score))
    assert Refusal.WORSE_PROBABILITIES in found.refusals


def test_newcomers_must_not_lose_attention():
    x, held = held_out(4)
    good = learned(4, x)
    unkind = replace(good, score=good.score * np.where(held.newcomer, 0.2, 1.0))
    found = verdict(held, unkind, flat(held))
    assert Refusal.NEWCOMERS_LOSE in found.refusals
    assert found.newcomers.high < 0.0


def test_too_little_evidence_publishes_nothing():
    x, held = held_out(5)
    good = learned(5, x)
    found = verdict(held, good, flat(held), fewest_groups=9)
    assert found.refusals == (Refusal.TOO_LITTLE_EVIDENCE,)
    assert not found.publish
    nobody = replace(held, match=np.zeros(len(held.match)))
    assert verdict(nobody, good, flat(held)).refusals == (Refusal.TOO_LITTLE_EVIDENCE,)


def test_unknown_answers_are_left_out_of_the_probabilities():
    x, held = held_out(6)
    good = learned(6, x)
    some = np.random.default_rng(1).random(len(x)) < 0.5
    found = verdict(replace(held, anchor_says=np.where(some, np.nan, held.anchor_says)), good, flat(held))
    assert np.isfinite(found.ece)
    assert found.publish


def test_bad_input_names_the_field():
    x, held = held_out(7)
    good = flat(held)
    with pytest.raises(EngineError, match="score"):
        verdict(held, replace(good, score=good.score * np.nan), good)
    with pytest.raises(EngineError, match="newcomer"):
        verdict(replace(held, newcomer=np.zeros(3, dtype=np.bool_)), good, good)
