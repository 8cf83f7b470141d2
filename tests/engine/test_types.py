"""Tables of parties: building, cutting, patching, storing."""

import io

import numpy as np
import pytest

from matching.engine.errors import EngineError
from matching.engine.types import COLUMNS, Exclusions, Parties, Rule, Side, Vocabulary, rows_of
from tests.engine.markets import TEXTS, WORDS, random_parties


@pytest.fixture
def parties():
    return random_parties(np.random.default_rng(5), Side.ANCHOR, 40)


def same(one, other):
    assert one.side is other.side and one.text == other.text
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_column_left_out_is_unknown():
    party = Parties.build(Side.STALL, WORDS, [7])
    assert np.isnan(party.commission_rate[0]) and np.isnan(party.price_share).all()
    assert party.region[0] == -1 and party.text == ("",)
    assert party.verified[0] and party.personalised[0] and party.capacity[0] == 1
    assert party.hours.shape == (1, 168) and party.audience_age.shape == (1, 5)


@pytest.mark.parametrize(
    ("columns", "named"),
    [({"colour": [1]}, "colour"), ({"ids": [1]}, "ids")],
)
def test_an_unknown_column_is_named(columns, named):
    with pytest.raises((EngineError, TypeError), match=named):
        Parties.build(Side.STALL, WORDS, [7], **columns)


def test_a_wrong_shape_is_named(parties):
    arrays = {**parties.to_arrays(), "price_share": np.zeros((40, 3), dtype=np.float32)}
    with pytest.raises(EngineError, match="price_share"):
        Parties.from_arrays(arrays)


def test_ids_must_ascend():
    with pytest.raises(EngineError, match="ids"):
        Parties.build(Side.STALL, WORDS, [2, 2])


def test_arrays_survive_a_file_without_pickle(parties):
    file = io.BytesIO()
    np.savez(file, **parties.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        same(Parties.from_arrays(dict(stored)), parties)
    assert set(TEXTS[1:]) & set(parties.text)


def test_a_missing_array_is_named(parties):
    arrays = parties.to_arrays()
    del arrays["moq"]
    with pytest.raises(EngineError, match="moq"):
        Parties.from_arrays(arrays)


def test_take_and_concat_are_inverse(parties):
    odd = np.arange(40) % 2 == 1
    same(parties.take(odd).concat(parties.take(~odd)), parties)


def test_replace_rows_patches_and_inserts(parties):
    patch = Parties.build(Side.ANCHOR, WORDS, [0, int(parties.ids[3])], text=["new", "changed"], moq=[5, 6])
    patched = parties.replace_rows(patch)
    assert len(patched) == 41 and patched.ids[0] == 0
    assert (patched.text[0], patched.text[4]) == ("new", "changed")
    assert patched.moq[[0, 4]].tolist() == [5, 6]
    untouched = np.isin(patched.ids, patch.ids, invert=True)
    same(patched.take(untouched), parties.take(~np.isin(parties.ids, patch.ids)))


def test_sides_do_not_mix(parties):
    with pytest.raises(EngineError, match="side"):
        parties.concat(Parties.build(Side.STALL, WORDS, [1]))


def test_rows_of():
    assert rows_of(np.array([2, 5, 9]), np.array([9, 1, 2, 10])).tolist() == [2, -1, 0, -1]
    assert rows_of(np.empty(0, dtype=np.int64), np.array([1])).tolist() == [-1]


def test_exclusions_of_triples():
    listed = Exclusions.of([(1, 2, Rule.PASSED), (3, 4, Rule.NEVER)])
    assert listed.stall_ids.tolist() == [1, 3] and listed.anchor_ids.tolist() == [2, 4]
    assert listed.codes.tolist() == [Rule.PASSED, Rule.NEVER]
    assert len(Exclusions.of([])) == 0


def test_a_vocabulary_needs_a_parent_for_each_code():
    with pytest.raises(EngineError, match="category_parents"):
        Vocabulary(("a", "b"), ("p",), (), (), (), (), ())
