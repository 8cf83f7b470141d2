"""How busy everybody is: decided for all, and met again by any list that is made later."""

import numpy as np
import pytest

from matching.engine import pipeline
from matching.engine.config import Config
from matching.engine.crowding import Crowding, crowding_of
from matching.engine.errors import EngineError
from matching.engine.rerank import BUSY
from matching.engine.types import Exclusions, Side
from tests.engine.markets import encoded_market


def decided(seed=5, stalls=12, anchors=60):
    snapshot, model, left, right = encoded_market(seed, stalls, anchors)
    pools = {side: pipeline.pool(model, left, right, snapshot.exclusions, side=side) for side in Side}
    crowding = crowding_of(left, right, {side: [pool] for side, pool in pools.items()}, model.config)
    return snapshot, model, left, right, pools, crowding


def test_keys_never_exceed_the_mutual_probability():
    *_, left, right, pools, crowding = decided()
    for side, others in ((Side.STALL, right), (Side.ANCHOR, left)):
        keys = crowding.keys(side, pools[side], others.parties.ids)
        assert (keys <= pools[side].mutual + 1e-12).all()
        assert (keys[pools[side].held] < pools[side].mutual[pools[side].held]).any(), "nobody is busy"


def test_a_list_made_alone_later_is_that_of_the_whole_run():
    snapshot, model, left, right, pools, crowding = decided()
    together = pipeline.lists_of(
        model,
        left,
        right,
        pools[Side.ANCHOR],
        side=Side.ANCHOR,
        subject_rows=np.arange(60),
        k=10,
        crowding=crowding,
    )
    again = Crowding.from_arrays(crowding.to_arrays())
    for row in (0, 17, 59):
        alone = pipeline.recommend(
            model,
            left,
            right,
            snapshot.exclusions,
            side=Side.ANCHOR,
            subjects=right.parties.ids[[row]],
            k=10,
            crowding=again,
        )
        np.testing.assert_array_equal(alone.partner_ids[0], together.partner_ids[row])
        np.testing.assert_array_equal(alone.adjustments[0], together.adjustments[row])


def test_somebody_who_came_later_is_not_busy():
    snapshot, model, left, right, pools, crowding = decided()
    known = Crowding(crowding.congestion, {**crowding.ids, Side.STALL: left.parties.ids + 1000})
    pool = pools[Side.ANCHOR]
    np.testing.assert_allclose(known.keys(Side.ANCHOR, pool, left.parties.ids), pool.mutual, rtol=1e-14)
    lists = pipeline.lists_of(
        model, left, right, pool, side=Side.ANCHOR, subject_rows=np.arange(60), k=5, crowding=known
    )
    assert not lists.adjustments[:, :, BUSY].any()


def test_no_pair_at_all_is_no_market():
    _, model, left, right = encoded_market(1, 0, 7)
    pools = {side: pipeline.pool(model, left, right, Exclusions(), side=side) for side in Side}
    crowding = crowding_of(left, right, {side: [pool] for side, pool in pools.items()}, Config())
    assert crowding.keys(Side.ANCHOR, pools[Side.ANCHOR], left.parties.ids).shape == (7, 60)


def test_what_is_missing_in_the_stored_state_is_named():
    *_, crowding = decided()
    arrays = crowding.to_arrays()
    for name in ("stall_ids", "anchor_chances"):
        with pytest.raises(EngineError, match=name):
            Crowding.from_arrays({key: value for key, value in arrays.items() if key != name})
