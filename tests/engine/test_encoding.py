"""Vectors whose dot product is the weighted sum of block similarities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine import pipeline
from matching.engine.encoding import BLOCKS, Encoder, tree_matrix
from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model
from matching.engine.pairs import pair_terms
from matching.engine.scoring import PART_CODES
from matching.engine.types import Exclusions, Parties, Side, Snapshot
from tests.engine.markets import TEXTS, WORDS, encoded_market


@pytest.fixture(scope="module")
def market():
    return encoded_market(11, 30, 60)


def test_the_dot_product_is_the_weighted_sum_of_centred_block_similarities(market):
    snapshot, model, stalls, anchors = market
    total = np.zeros((30, 60))
    for number, block in enumerate(BLOCKS):
        left, left_known = model.encoder.unit_block(block, snapshot.stalls)
        right, right_known = model.encoder.unit_block(block, snapshot.anchors)
        similarity = left.astype(float) @ right.astype(float).T
        assert similarity.min() > -1e-6 and similarity.max() < 1 + 1e-6, block.name
        lengths = np.square(left).sum(axis=1)
        if block.is_unit:
            np.testing.assert_allclose(lengths, left_known, atol=1e-5)
        else:
            assert lengths.max() <= 1 + 1e-6 and np.array_equal(lengths > 0, left_known)
        known = left_known[:, None] & right_known[None, :]
        total += model.encoder.weights[number] * known * (similarity - model.encoder.base[number])
    dots = stalls.vectors.astype(float) @ anchors.vectors.astype(float).T
    np.testing.assert_allclose(dots, total, atol=2e-6)


def test_every_block_is_known_by_some_and_not_by_all(market):
    snapshot, model, *_ = market
    for block in BLOCKS:
        _, known = model.encoder.unit_block(block, snapshot.anchors)
        assert 0 < known.sum() < len(known), block.name


def test_encoding_a_changed_party_equals_encoding_everybody(market):
    snapshot, model, stalls, _ = market
    changed = snapshot.stalls.take(slice(4, 6))
    arrays = {**changed.to_arrays(), "moq": np.array([1, 2], dtype=np.float32)}
    changed = Parties.from_arrays(
        {**arrays, "categories": ~changed.categories, "personalised": np.array([True, False])}
    )
    patched = stalls.replace_rows(pipeline.encode(model, changed), model)
    again = pipeline.encode(model, snapshot.stalls.replace_rows(changed))
    assert patched.vectors.tobytes() == again.vectors.tobytes()
    assert patched.vectors.tobytes() != stalls.vectors.tobytes()
    for name in ("hinges", "singles", "completion", "history"):
        assert getattr(patched, name).tobytes() == getattr(again, name).tobytes(), name


def test_a_new_party_takes_its_place_by_id(market):
    _, model, stalls, _ = market
    new = Parties.build(
        Side.STALL, WORDS, [0, int(stalls.parties.ids[-1]) + 1], text=TEXTS[1:3], region=[0, 1]
    )
    patched = stalls.replace_rows(pipeline.encode(model, new), model)
    whole = pipeline.encode(model, stalls.parties.replace_rows(new))
    assert len(patched) == 32
    assert patched.vectors.tobytes() == whole.vectors.tobytes()


def test_the_fitted_state_survives_plain_arrays(market, tmp_path):
    snapshot, model, stalls, _ = market
    np.savez(tmp_path / "model.npz", **model.to_arrays())
    np.savez(tmp_path / "stalls.npz", **stalls.to_arrays())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        again = Model.from_arrays(dict(stored))
    assert again.digest == model.digest and again.config == model.config
    assert pipeline.encode(again, snapshot.stalls).vectors.tobytes() == stalls.vectors.tobytes()
    with np.load(tmp_path / "stalls.npz", allow_pickle=False) as stored:
        loaded = Encoded.from_arrays(dict(stored), again)
    assert loaded.vectors.tobytes() == stalls.vectors.tobytes()
    assert loaded.hinges.tobytes() == stalls.hinges.tobytes()


def test_another_models_rows_are_refused(market):
    snapshot, model, stalls, anchors = market
    other = pipeline.fit(snapshot, seed=99)
    with pytest.raises(EngineError, match="model"):
        pipeline.recommend(other, stalls, anchors, Exclusions(), side=Side.STALL)
    with pytest.raises(EngineError, match="model"):
        Encoded.from_arrays(stalls.to_arrays(), other)
    with pytest.raises(EngineError, match="model"):
        stalls.replace_rows(pipeline.encode(other, snapshot.stalls.take(slice(0, 1))), model)


def test_a_missing_array_of_the_model_is_named(market):
    arrays = market[1].to_arrays()
    del arrays["encoder.idf_style"]
    with pytest.raises(EngineError, match="idf_style"):
        Model.from_arrays(arrays)
    with pytest.raises(EngineError, match="base"):
        Encoder.from_arrays({})


def test_parents_bring_siblings_together():
    tree = tree_matrix(("dress", "coat", "jeans"), ("women", "women", ""))
    assert tree.shape == (3, 4)
    assert (tree @ tree.T).tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 1]]


def similarity(model, name, stall, anchor):
    block = next(block for block in BLOCKS if block.name == name)
    left, _ = model.encoder.unit_block(block, Parties.build(Side.STALL, WORDS, [1], **stall))
    right, _ = model.encoder.unit_block(block, Parties.build(Side.ANCHOR, WORDS, [1], **anchor))
    return float(left[0].astype(float) @ right[0].astype(float))


def test_region_is_the_same_or_has_the_same_parent(market):
    model = market[1]
    guangzhou, shenzhen, hangzhou = ({"region": [n]} for n in range(3))
    assert similarity(model, "region", guangzhou, guangzhou) == pytest.approx(1)
    assert similarity(model, "region", guangzhou, shenzhen) == pytest.approx(0.5)
    assert similarity(model, "region", guangzhou, hangzhou) == 0
    assert similarity(model, "region", {"region": [-1]}, guangzhou) == 0


def test_price_is_the_overlap_of_the_two_distributions(market):
    model = market[1]
    half, other = np.zeros((1, 16)), np.zeros((1, 16))
    half[0, :2], other[0, 1:3] = 0.5, 0.5
    assert similarity(model, "price", {"price_share": half}, {"price_share": half}) == pytest.approx(1)
    assert similarity(model, "price", {"price_share": half}, {"price_share": other}) == pytest.approx(0.5)


def test_like_texts_are_nearer_than_unlike_ones(market):
    model = market[1]
    near = similarity(model, "text", {"text": ["棉麻连衣裙批发"]}, {"text": ["棉麻连衣裙 批发"]})
    far = similarity(model, "text", {"text": ["棉麻连衣裙批发"]}, {"text": ["羽绒服源头"]})
    assert near > far + 0.2
    assert similarity(model, "text", {"text": [""]}, {"text": ["羽绒服源头"]}) == 0


def test_a_region_beyond_the_vocabulary_is_refused(market):
    with pytest.raises(EngineError, match="region"):
        pipeline.encode(market[1], Parties.build(Side.STALL, WORDS, [1], region=[9]))


def test_vocabulary_and_parties_must_fit():
    other = Parties.build(Side.ANCHOR, WORDS, [1])
    words = type(WORDS)(("dress",), ("",), (), (), (), (), ())
    stalls = Parties.build(Side.STALL, words, [1])
    with pytest.raises((EngineError, ValueError)):
        pipeline.fit(Snapshot(WORDS, stalls, other, Exclusions(), ""))


def test_a_market_without_a_word_can_be_fitted():
    stalls, anchors = Parties.build(Side.STALL, WORDS, [1, 2]), Parties.build(Side.ANCHOR, WORDS, [1])
    model = pipeline.fit(Snapshot(WORDS, stalls, anchors, Exclusions(), ""))
    left, right = pipeline.encode(model, stalls), pipeline.encode(model, anchors)
    lists = pipeline.recommend(model, left, right, Exclusions(), side=Side.ANCHOR, k=3)
    assert lists.partner_ids.tolist() == [[1, 2, -1]]
    # Nothing is known but that she comes on site, as everybody does: the base pair.
    assert lists.scores[0, :2] == pytest.approx([lists.base] * 2)


BLOCK_COLUMNS = {column: block.part for block in BLOCKS for column in block.columns if column != "text"}


@given(st.sampled_from(sorted(BLOCK_COLUMNS)), st.sampled_from(list(Side)), st.integers(0, 50))
def test_what_one_side_does_not_say_adds_nothing(column, side, row):
    """A blank block of one party contributes exactly 0, whatever the other side says."""
    snapshot, model, stalls, anchors = MARKET
    parties = snapshot.stalls if side is Side.STALL else snapshot.anchors
    arrays = parties.take(slice(row % len(parties), row % len(parties) + 1)).to_arrays()
    blank = np.full_like(arrays[column], {"f": np.nan, "b": False, "i": -1}[arrays[column].dtype.kind])
    party = pipeline.encode(model, Parties.from_arrays({**arrays, column: blank}))
    left, right = (party, anchors) if side is Side.STALL else (stalls, party)
    rows, columns = np.indices((len(left), len(right))).reshape(2, -1)
    block = next(block for block in BLOCKS if column in block.columns)
    at = model.encoder.slice_of(block.name)
    assert not party.vectors[:, at].any()
    terms = pair_terms(model, left, right, rows, columns)
    assert np.isfinite(terms).all()
    if block.part != "audience":
        assert not terms[:, PART_CODES.index(block.part)].any()


MARKET = encoded_market(12, 10, 20)
