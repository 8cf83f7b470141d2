"""The model with learned weights: the blend as the formula says, the same contract of lists and sums."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine import pipeline, shortlist
from matching.engine.errors import EngineError
from matching.engine.explain import explain
from matching.engine.model import Model
from matching.engine.pairs import directed_logits, pair_terms
from matching.engine.retrieval import exact_scores, tile_scores
from matching.engine.scoring import HINGES, SINGLES, UNCHECKED, hinge_features, hinge_values, single_values
from matching.engine.types import Side
from matching.engine.weights import KNOTS, Learned, blend, features_hash
from tests.engine.learned import random_learned
from tests.engine.markets import random_market
from tests.engine.test_retrieval import check

# 100,000 explanations take half a minute of one core: the full number is for a run by hand.
PAIRS = int(os.environ.get("MATCHMAKER_TEST_EXPLANATIONS", "20000"))


def learned_market(seed, stalls, anchors, learned, unknown=0.2):
    snapshot = random_market(seed, stalls, anchors, unknown)
    model = pipeline.fit(snapshot, seed=3, learned=learned)
    return snapshot, model, pipeline.encode(model, snapshot.stalls), pipeline.encode(model, snapshot.anchors)


def all_pairs(stalls, anchors):
    return np.indices((len(stalls), len(anchors))).reshape(2, -1)


def logits_of(market):
    _, model, stalls, anchors = market
    return directed_logits(model, pair_terms(model, stalls, anchors, *all_pairs(stalls, anchors)))


# --- the blend ----------------------------------------------------------------------------------------


def plain_logits(model, snapshot, learned, rows, columns):
    """The learned logits [2, pairs] from the features, by their own base pair; none of the engine's sums."""
    left, right = (model.encoder.transform(side) for side in (snapshot.stalls, snapshot.anchors))
    total = np.repeat(learned.biases[:2, None], len(rows), axis=1)
    for number, start in enumerate(model.encoder.starts):
        # The last column of a block is its centring: known on both sides where it is not 0.
        at = slice(start, start + model.encoder.widths[number] - 1)
        x, y = left[rows, at].astype(float), right[columns, at].astype(float)
        known = x.any(axis=1) & y.any(axis=1)
        similarity = (x * y).sum(axis=1) / model.encoder.weights[number]
        total += np.outer(learned.blocks[:, number], known * (similarity - learned.block_base[number]))
    config = model.config
    features = hinge_features(
        hinge_values(snapshot.stalls, config)[:, rows], hinge_values(snapshot.anchors, config)[:, columns]
    )
    checked = np.array([hinge.part not in UNCHECKED for hinge in HINGES])
    total += (learned.hinges * checked) @ np.nan_to_num(features - learned.hinge_base[:, None])
    for side, parties, index in (
        (Side.STALL, snapshot.stalls, rows),
        (Side.ANCHOR, snapshot.anchors, columns),
    ):
        numbers = [n for n, single in enumerate(SINGLES) if single.side is side]
        for number, values in zip(numbers, single_values(parties, config), strict=True):
            if SINGLES[number].weight in UNCHECKED:
                continue
            for direction in (0, 1):
                curve = learned.curves[direction, number]
                moved = np.interp(values, KNOTS, curve) - np.interp(learned.single_base[number], KNOTS, curve)
                total[direction] += np.where(np.isnan(values), 0.0, moved)[index]
    return total


def test_without_a_prior_the_logits_are_the_learned_ones():
    learned = random_learned(1, prior_worth=np.zeros(3), calibration=np.array([[1.0, 0.0], [1.0, 0.0]]))
    market = learned_market(51, 20, 30, learned, unknown=0.0)
    snapshot, model, stalls, anchors = market
    # Unknown means as the average of the pairs at hand, so compare where everything is known.
    fully = [
        ~np.isnan(hinge_values(p, model.config)).any(axis=0) for p in (snapshot.stalls, snapshot.anchors)
    ]
    vectors = [e.vectors[:, model.encoder.starts + model.encoder.widths - 1] != 0 for e in (stalls, anchors)]
    rows, columns = np.flatnonzero(fully[0]), np.flatnonzero(fully[1])
    pairs = np.array([(r, c) for r in rows for c in columns if (vectors[0][r] & vectors[1][c]).all()])
    rows, columns = pairs[:, 0], pairs[:, 1]
    assert len(rows) >= 5
    got = directed_logits(model, pair_terms(model, stalls, anchors, rows, columns))
    np.testing.assert_allclose(got[:2], plain_logits(model, snapshot, learned, rows, columns), atol=2e-5)


def test_the_blend_weighs_prior_and_learned_by_their_decisions():
    flat = np.array([[1.0, 0.0], [1.0, 0.0]])
    alone = random_learned(2, prior_worth=np.zeros(3), calibration=flat)
    mixed = random_learned(2, calibration=flat)
    prior, taught, both = (logits_of(learned_market(52, 12, 15, which)) for which in (None, alone, mixed))
    share = (mixed.decisions / (mixed.decisions + mixed.prior_worth))[:, None]
    expected = share * taught + (1 - share) * prior
    np.testing.assert_allclose(both[:2], expected[:2], atol=1e-9)
    # What completes is moved by each party's own record, and its mean by what was learned.
    np.testing.assert_allclose(both[2] - both[2].mean(), prior[2] - prior[2].mean(), atol=1e-9)


def test_the_calibration_stretches_and_moves_the_blend():
    flat = np.array([[1.0, 0.0], [1.0, 0.0]])
    calibration = np.array([[0.5, 1.0], [2.0, -1.0]])
    plain, bent = (
        logits_of(learned_market(53, 12, 15, random_learned(3, 0.3, calibration=c)))
        for c in (flat, calibration)
    )
    np.testing.assert_allclose(bent[:2], calibration[:, :1] * plain[:2] + calibration[:, 1:], atol=1e-9)


def test_of_what_nobody_checks_only_the_priors_share_weighs():
    """However steep a lesson about reach, followers and received answers would have been."""
    snapshot, learned = random_market(54, 12, 15), random_learned(5, 0.3)
    prior = pipeline.fit(snapshot, seed=3).weights
    taught = pipeline.fit(snapshot, seed=3, learned=learned).weights
    left = (learned.calibration[:, 0] * (1.0 - learned.shares[:2]))[:, None]
    for number, single in enumerate(SINGLES):
        same = np.allclose(taught.curves[:, number], left * prior.curves[:, number])
        assert same is (single.weight in UNCHECKED), single
    for number, hinge in enumerate(HINGES):
        same = np.allclose(taught.hinge_scale[:, [number]], left * prior.hinge_scale[:, [number]])
        assert same is (hinge.part in UNCHECKED), hinge


def test_nothing_learned_is_the_prior_to_the_byte():
    nothing = random_learned(4, decisions=np.zeros(3), calibration=np.array([[1.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_array_equal(
        logits_of(learned_market(54, 12, 15, nothing)), logits_of(learned_market(54, 12, 15, None))
    )


def test_a_block_without_weight_cannot_be_learned_about():
    config = {"weight_style": 0.0}
    snapshot = random_market(55, 10, 12)
    from_prior = pipeline.fit(snapshot, pipeline.Config(**config), seed=3)
    model = pipeline.fit(snapshot, pipeline.Config(**config), seed=3, learned=random_learned(5))
    assert model.weights.block_scale[0, 1] == pytest.approx(from_prior.weights.block_scale[0, 1] * 0.9 / 3)
    assert np.isfinite(model.weights.block_scale).all()


# --- the contract of lists and sums -------------------------------------------------------------------


@settings(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.integers(1, 25),
    st.integers(1, 30),
    st.sampled_from(list(Side)),
)
def test_the_lists_equal_a_full_sort(seed, stalls, anchors, k, side):
    check(learned_market(seed, stalls, anchors, random_learned(seed, 0.5)), side, k)


@pytest.mark.parametrize("steep", [0.3, 0.7, 1.0])
def test_the_float32_scores_stay_within_a_third_of_the_margin(steep):
    for seed in range(4):
        _, model, stalls, anchors = learned_market(seed, 60, 200, random_learned(seed, steep))
        assert not model.weights.is_proportional
        exact = exact_scores(model, stalls, anchors)
        quick = tile_scores(model, stalls, anchors, slice(None), slice(None))
        assert (np.abs(quick - exact) / exact).max() < float(shortlist._MARGIN) / 3


def test_one_product_serves_both_directions_of_the_prior_and_of_what_is_proportional():
    snapshot = random_market(56, 20, 30)
    assert pipeline.fit(snapshot).weights.is_proportional
    blocks = np.outer([0.2, -0.1], np.arange(1.0, 1.0 + random_learned(0).blocks.shape[1]))
    market = learned_market(56, 20, 30, random_learned(6, 0.4, blocks=blocks, prior_worth=np.zeros(3)))
    _, model, stalls, anchors = market
    assert model.weights.is_proportional
    quick = tile_scores(model, stalls, anchors, slice(None), slice(None))
    np.testing.assert_allclose(quick, exact_scores(model, stalls, anchors), rtol=3e-5)


@pytest.mark.parametrize("steep", [0.5, 1.0])
def test_base_and_parts_are_the_score(steep):
    stalls = max(2, round((PAIRS / 1.6) ** 0.5))
    anchors = -(-PAIRS // stalls)
    _, model, left, right = learned_market(57, stalls, anchors, random_learned(7, steep), unknown=0.1)
    told = explain(model, left, right, *all_pairs(left, right))
    assert len(told.scores) >= PAIRS
    assert np.abs(told.base + told.parts.sum(axis=(1, 2)) - told.scores).max() <= 1e-9
    whole = np.rint(100 * told.base) + told.hundredths.sum(axis=1)
    np.testing.assert_array_equal(whole, np.rint(100 * told.scores))
    assert told.base == pytest.approx(100 * np.prod(told.base_probabilities))


def test_a_party_that_opted_out_is_moved_by_neutral_facts_alone():
    snapshot = random_market(58, 8, 9)
    arrays = {**snapshot.anchors.to_arrays(), "personalised": np.zeros(9, dtype=bool)}
    model = pipeline.fit(snapshot, learned=random_learned(8))
    private = pipeline.encode(model, type(snapshot.anchors).from_arrays(arrays))
    assert not private.singles.any() and not private.completion.any() and np.isnan(private.hinges).all()


# --- storing ------------------------------------------------------------------------------------------


def test_the_model_and_the_weights_round_trip():
    learned = random_learned(9)
    _, model, *_ = learned_market(59, 10, 12, learned)
    again = Model.from_arrays(model.to_arrays())
    assert again.digest == model.digest and again.learned == learned.digest
    read = Learned.from_arrays(learned.to_arrays())
    assert read.digest == learned.digest
    assert random_learned(10).digest != learned.digest


def test_a_model_stored_before_weights_were_learned_scores_as_it_did():
    snapshot = random_market(60, 12, 15)
    model = pipeline.fit(snapshot, seed=3)
    arrays = {name: array for name, array in model.to_arrays().items() if not name.startswith("weights.")}
    weights = model.weights
    arrays["about"] = np.array(str(arrays["about"]).replace('"learned": "", ', ""))
    for name in ("biases", "hinge_scale", "hinge_base", "single_base"):
        arrays[f"prior.{name}"] = getattr(weights, name)
    arrays["prior.block_scale"] = weights.block_scale[:, 0]
    arrays["prior.single_scale"] = np.array(
        [weights.curves[single.direction, number, -1] for number, single in enumerate(SINGLES)]
    )
    assert '"learned"' not in str(arrays["about"])
    old = Model.from_arrays(arrays)
    sides = [
        (pipeline.encode(m, snapshot.stalls), pipeline.encode(m, snapshot.anchors)) for m in (model, old)
    ]
    np.testing.assert_allclose(exact_scores(old, *sides[1]), exact_scores(model, *sides[0]), rtol=1e-12)


def test_an_old_model_of_other_features_is_refused_and_no_crash():
    model = pipeline.fit(random_market(60, 12, 15), seed=3)
    arrays = {name: array for name, array in model.to_arrays().items() if not name.startswith("weights.")}
    for name in ("biases", "hinge_scale", "hinge_base", "single_base"):
        arrays[f"prior.{name}"] = getattr(model.weights, name)[..., :2]
    arrays["prior.block_scale"], arrays["prior.single_scale"] = np.ones(2), np.ones(3)
    with pytest.raises(EngineError, match="biases"):
        Model.from_arrays(arrays)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"blocks": np.full((2, 11), np.nan)}, "blocks"),
        ({"hinges": np.zeros((2, len(HINGES) + 1))}, "hinges"),
        ({"decisions": np.array([1.0, -1.0, 0.0])}, "decisions"),
        ({"curves": np.zeros((2, len(SINGLES), len(KNOTS)), dtype=np.float32)}, "curves"),
        ({"hinges": np.full((2, len(HINGES)), 50.0)}, "weights"),
    ],
)
def test_weights_that_cannot_be_scored_are_refused_by_name(change, named):
    with pytest.raises(EngineError, match=f"^{named}:"):
        pipeline.fit(random_market(61, 5, 5), learned=random_learned(11, **change))


def test_stored_weights_of_other_features_are_refused():
    arrays = random_learned(12).to_arrays()
    with pytest.raises(EngineError, match="features"):
        Learned.from_arrays({**arrays, "features": np.array("x" + features_hash()[1:])})
    with pytest.raises(EngineError, match="hinges"):
        Learned.from_arrays({name: array for name, array in arrays.items() if name != "hinges"})


def test_the_blend_by_hand():
    """docs/learning.md tells the same numbers."""
    snapshot = random_market(62, 4, 4)
    prior = pipeline.fit(snapshot).weights
    learned = random_learned(
        13,
        biases=np.array([0.4, 0.4, 1.0]),
        blocks=np.zeros((2, 11)),
        hinges=np.zeros((2, len(HINGES))),
        curves=np.zeros((2, len(SINGLES), len(KNOTS))),
        decisions=np.array([300.0, 100.0, 0.0]),
        prior_worth=np.array([100.0, 300.0, 0.0]),
        calibration=np.array([[1.0, 0.0], [0.5, 0.1]]),
    )
    weights = blend(prior, learned, np.ones(11), np.zeros(11))
    # Stall decides: (100 logit(.35) + 300 * .4) / 400; anchor: .5 (300 logit(.3) + 100 * .4) / 400 + .1.
    assert weights.biases[0] == pytest.approx((-0.619039 * 100 + 0.4 * 300) / 400, abs=1e-6)
    assert weights.biases[1] == pytest.approx(0.5 * (-0.847298 * 300 + 0.4 * 100) / 400 + 0.1, abs=1e-6)
    assert weights.biases[2] == pytest.approx(prior.biases[2])
