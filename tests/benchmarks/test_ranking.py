"""The ranking benchmark on small folders: every split, nothing learned from what is tested, errors told."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import ranking
from benchmarks.csv_table import FolderError
from benchmarks.directed import _cold, _warm, out_of_fold
from benchmarks.market_folder import HALVES, load_market
from benchmarks.pair_features import pair_table
from benchmarks.positives import Split, find, make_task, positives_of, tiles
from tests.benchmarks.folders import evenings, jobs, write_schema

FIGURES = {"ndcg5", "ndcg10", "map", "recall5", "auc_match", "ece"}


def run(capsys, folder, split):
    ranking.main([str(folder), "--split", split])
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["methods"]) == {"engine", "cosine", "popularity", "random"}
    for figures in printed["methods"].values():
        assert set(figures) == FIGURES
        assert all(value is None or 0.0 <= value <= 1.0 for value in figures.values())
    assert printed["seconds"] >= 0.0
    low, high = printed["engine_minus_cosine_ndcg5"]
    assert low <= high
    return printed


@pytest.mark.parametrize("split", ["cold", "warm"])
def test_the_engine_finds_what_both_sides_like(tmp_path, capsys, split):
    printed = run(capsys, evenings(tmp_path, groups=10), split)
    methods = printed["methods"]
    assert methods["engine"]["auc_match"] > 0.65 > methods["random"]["auc_match"]
    assert methods["engine"]["ndcg5"] > methods["cosine"]["ndcg5"] + 0.05
    assert printed["engine_minus_cosine_ndcg5"][0] > 0.0


@pytest.mark.parametrize("split", ["new-rows", "new-columns", "known"])
def test_the_engine_learns_from_positives_of_one_side(tmp_path, capsys, split):
    printed = run(capsys, jobs(tmp_path), split)
    methods = printed["methods"]
    assert methods["engine"]["ndcg10"] > max(methods["cosine"]["ndcg10"], methods["random"]["ndcg10"]) + 0.1
    assert methods["engine"]["ece"] < 0.1
    assert printed["engine_minus_cosine_ndcg5"][0] > 0.0


def test_a_split_that_does_not_fit_the_folder_is_told(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, split, told in (
        (jobs(tmp_path / "a"), "cold", "lists positives of one side only"),
        (evenings(tmp_path / "b"), "known", 'needs "candidates": "all"'),
    ):
        with pytest.raises(SystemExit) as stopped:
            ranking.main([str(folder), "--split", split])
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err


def test_warm_needs_halves_and_cold_two_groups(tmp_path):
    folder = evenings(tmp_path, groups=1, each=6)
    with pytest.raises(FolderError, match="one only"):
        out_of_fold(load_market(folder), "cold")
    schema = json.loads((folder / "schema.json").read_text())
    decisions = {name: value for name, value in schema["decisions"].items() if name != "half"}
    (tmp_path / "two").mkdir()
    evenings(tmp_path / "two", groups=2, each=4)
    write_schema(tmp_path / "two", decisions=decisions)
    with pytest.raises(FolderError, match="half"):
        out_of_fold(load_market(tmp_path / "two"), "warm")


def with_answers(market, changed, flip):
    decisions = market.decisions
    says = [np.where(changed & flip, 1.0 - one, one) for one in (decisions.row_says, decisions.column_says)]
    return dataclasses.replace(
        market, decisions=dataclasses.replace(decisions, row_says=says[0], column_says=says[1])
    )


@pytest.mark.parametrize("split", ["cold", "warm"])
def test_what_is_predicted_does_not_depend_on_the_answers_tested(tmp_path, split):
    market = load_market(evenings(tmp_path, groups=4, each=6))
    held = market.decisions.group == 2
    unseen = held if split == "cold" else held & (market.decisions.half != HALVES["history"])
    other = with_answers(market, unseen, np.random.default_rng(1).random(len(held)) < 0.5)
    predict = _cold if split == "cold" else _warm
    assert predict(market, held).tobytes() == predict(other, held).tobytes()
    known = held & (market.decisions.half == HALVES["history"])
    changed = predict(with_answers(market, known, np.ones(len(held), dtype=bool)), held)
    assert (changed.tobytes() == predict(market, held).tobytes()) == (split == "cold")


def test_predictions_are_the_same_bytes_twice(tmp_path):
    market = load_market(evenings(tmp_path, groups=3, each=6))
    first, second = out_of_fold(market, "warm"), out_of_fold(market, "warm")
    assert first.row.tobytes() == second.row.tobytes()
    assert first.column.tobytes() == second.column.tobytes()


def test_both_directions_have_the_same_features_with_the_roles_exchanged(tmp_path):
    market = load_market(evenings(tmp_path))
    decisions = market.decisions
    table = pair_table(market, decisions.row, decisions.column, np.ones(len(decisions), dtype=bool))
    at = {name: number for number, name in enumerate(table.names)}
    first, second = table.x
    for name in ("age", "town=t0", "style=w3"):
        np.testing.assert_array_equal(first[:, at[f"own:{name}"]], second[:, at[f"partner:{name}"]])
    for name in ("apart:age", "same:town", "alike:style", "profile_distance"):
        np.testing.assert_allclose(first[:, at[name]], second[:, at[name]])
    # The columns' own feature is the partner's where a row decides, and nobody's own there.
    assert np.isnan(first[:, at["own:reach"]]).all()
    assert np.isfinite(first[:, at["partner:reach"]]).all()


def test_what_one_wants_times_what_the_other_has(tmp_path):
    market = load_market(evenings(tmp_path))
    decisions = market.decisions
    table = pair_table(market, decisions.row, decisions.column, np.ones(len(decisions), dtype=bool))
    wish = market.rows.features.numbers["wish"][decisions.row]
    charm = market.columns.features.numbers["charm"][decisions.column]
    np.testing.assert_allclose(table.x[0][:, table.names.index("wants:charm")], wish * charm)
    np.testing.assert_allclose(table.x[0][:, table.names.index("wants_share")], charm + 0.0 * wish)


@pytest.mark.parametrize("split", list(Split))
def test_nothing_hidden_can_be_learned_from(tmp_path, split):
    positives = positives_of(load_market(jobs(tmp_path)))
    task = make_task(positives, split, np.random.default_rng(1))
    assert not task.known.multiply(task.hidden).nnz
    assert (task.known + task.hidden != positives).nnz == 0
    if split is Split.NEW_ROWS:
        assert not task.known[task.rows].nnz
        assert (~task.learn_rows).sum() == 22  # 15 % of 150
    elif split is Split.NEW_COLUMNS:
        assert not task.known[:, task.candidates].nnz
        assert len(task.candidates) == 14  # 15 % of 90
    else:
        assert (np.diff(task.hidden.indptr)[task.rows] == 1).all()
        assert (np.diff(positives.indptr)[task.rows] >= 4).all()


def test_ranks_of_hidden_positives_by_hand(tmp_path):
    positives = positives_of(load_market(jobs(tmp_path)))
    task = make_task(positives, Split.KNOWN, np.random.default_rng(1))

    def all_alike(rows):
        return np.zeros((len(rows), positives.shape[1]))

    found = find(task, all_alike)
    for number, row in enumerate(task.rows[:20]):
        hidden = task.hidden[row].indices[0]
        known_before = (task.known[row].indices < hidden).sum()
        assert found.lists.rank[number] == 1 + hidden - known_before
    for rows, scores in tiles(task, all_alike, task.rows[:5]):
        assert (np.isinf(scores) == (task.known[rows].toarray() > 0)).all()
