"""Nobody gets far by figures that nobody checks, by a crowd of accounts, or by offering little."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lessons import made_decisions
from benchmarks.shilling import ATTACKS, Case, effect, measure, scores_of, times_1000
from benchmarks.synthetic_town import make_town
from matching.engine import pipeline
from matching.engine.pairs import mutual_scores
from matching.engine.types import Side

PLACES_MOST = 3
NDCG_LOST_MOST = 0.02


@pytest.fixture(scope="module")
def town():
    return make_town(120, 240, 621)


@pytest.mark.parametrize("learned", [0, 3000])
@pytest.mark.parametrize("target", Side)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_lifts_its_target_by_few_places(town, attack, target, learned):
    """Also where decisions taught a taste that falls for big figures."""
    taught = made_decisions(town, learned, 621) if learned else None
    found = measure(Case(town, target, taught), 3, [attack])[attack]
    assert found["places_worst"] <= PLACES_MOST
    assert found["ndcg10_lost_worst"] <= NDCG_LOST_MOST


def test_the_measure_sees_an_attack_that_works(town):
    """Else the bounds above would hold of anything."""
    clean = scores_of(Case(town, Side.ANCHOR))
    seen = np.flatnonzero(~np.isnan(clean).all(axis=0))
    worst = seen[np.argsort(np.nanmean(clean[:, seen], axis=0))[:20]]
    bribed = clean.copy()
    bribed[:, worst] = np.where(np.isnan(clean[:, worst]), np.nan, 1.0)
    found = effect(clean, bribed, int(worst[0]))
    assert found.places > 10 * PLACES_MOST and found.ndcg_lost > 10 * NDCG_LOST_MOST


def test_a_thousand_times_a_figure_beyond_the_cap_is_nothing(town):
    famous = replace(town.anchors, average_viewers=np.full(240, 5_000.0, np.float32))
    more = times_1000(Case(replace(town, anchors=famous), Side.ANCHOR), 7).judged
    model = pipeline.fit(town)
    scores = [pipeline.encode(model, side).singles[:, :, 7] for side in (famous, more)]
    assert scores[0].tolist() == scores[1].tolist()


def test_more_of_the_same_decisions_than_the_cap_are_nothing(town):
    model = pipeline.fit(town)
    told = [
        replace(town.anchors, received=np.full(240, n, np.int32), received_yes=np.full(240, n, np.int32))
        for n in (12, 12_000)
    ]
    first, second = (pipeline.encode(model, parties).singles for parties in told)
    np.testing.assert_allclose(first, second)


# --- little availability -------------------------------------------------------------------------------

TOWN = make_town(40, 60, 3)
MODEL = pipeline.fit(TOWN)


def scores_of_all(stalls, anchors):
    left, right = pipeline.encode(MODEL, stalls), pipeline.encode(MODEL, anchors)
    rows, columns = np.indices((len(left), len(right))).reshape(2, -1)
    return mutual_scores(MODEL, left, right, rows, columns).reshape(len(left), len(right))


BEFORE = scores_of_all(TOWN.stalls, TOWN.anchors)


def narrowed(side, parties):
    return scores_of_all(parties, TOWN.anchors) if side is Side.STALL else scores_of_all(TOWN.stalls, parties)


def parties_of(side):
    return TOWN.stalls if side is Side.STALL else TOWN.anchors


@given(st.sampled_from(list(Side)), st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_fewer_hours_earn_no_better_partners(side, seed, share):
    parties = parties_of(side)
    kept = parties.hours & (np.random.default_rng(seed).random(parties.hours.shape) < share)
    none_left = ~kept.any(axis=1)  # no hours at all are no calendar; the snapshot gives them no capacity
    kept[none_left] = parties.hours[none_left]
    assert (narrowed(side, replace(parties, hours=kept)) <= BEFORE + 1e-7).all()


@given(st.sampled_from(list(Side)), st.integers(1, 12))
def test_less_capacity_earns_no_better_partners(side, capacity):
    parties = parties_of(side)
    little = replace(parties, capacity=np.minimum(parties.capacity, capacity).astype(np.int32))
    assert (narrowed(side, little) <= BEFORE + 1e-12).all()


def test_the_one_evening_of_a_busy_partner_is_no_better_than_every_hour():
    """Under a cosine the evening would fit 2.4 times better."""
    hours = np.zeros((2, 7, 24), dtype=bool)
    hours[0, :, 20:], hours[1] = True, True
    two = replace(TOWN.stalls.take(slice(0, 2)), hours=hours.reshape(2, 168))
    two = replace(two, personalised=np.array([True, True]))
    evening = replace(TOWN.anchors, hours=np.broadcast_to(hours[0].reshape(168), (60, 168)).copy())
    left, right = pipeline.encode(MODEL, two), pipeline.encode(MODEL, evening)
    at = MODEL.encoder.slice_of("hours")
    similarity = left.vectors[:, at] @ right.vectors[:, at].T
    assert (similarity[1] >= similarity[0]).all()
