"""The market benchmark on a small folder: its figures, its judge, and what it says of unfit folders."""

import json
import sys

import numpy as np
import pytest

from benchmarks import market
from benchmarks.directed import Predictions
from benchmarks.market_folder import load_market
from matching.engine.market.edges import orient
from matching.engine.market.examination import Attention, Examination
from matching.engine.types import Side
from tests.benchmarks.folders import evenings, jobs


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["market", *map(str, arguments)])
    market.main()
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evenings(tmp_path_factory.mktemp("evenings"), groups=5, each=6)


def as_if_known(folder):
    """Predictions that are the truth, shrunk from certainty."""
    decisions = load_market(folder).decisions
    return Predictions(
        np.arange(len(decisions)), 0.05 + 0.9 * decisions.row_says, 0.05 + 0.9 * decisions.column_says
    )


def test_it_prints_every_method_for_both_splits(folder, monkeypatch, capsys):
    monkeypatch.setattr(market, "out_of_fold", lambda *_: as_if_known(folder))
    for split in ("cold", "warm"):
        told = run(monkeypatch, capsys, folder, "--split", split, "--draws", 3)
        assert set(told["methods"]) == {"engine", "product", "popularity", "random", "tu"}
        for name, method in told["methods"].items():
            assert 0 <= method["gini"] < 1
            assert method["matches"] > 0
            if name != "product":
                low, high = method["vs_product"]
                assert low <= high
        matches = {name: method["matches"] for name, method in told["methods"].items()}
        assert matches["engine"] > matches["product"] > matches["random"]


def test_it_learns_from_the_folder(folder, monkeypatch, capsys):
    told = run(monkeypatch, capsys, folder, "--split", "cold", "--draws", 2)
    assert told["pairs"] == 5 * 36
    assert run(monkeypatch, capsys, folder, "--split", "cold", "--draws", 2)["methods"] == told["methods"]


def test_true_decisions_judge_and_predictions_only_order(folder):
    decided = load_market(folder)
    data = market.told(decided, as_if_known(folder))
    orientation = orient(data.edges, Side.STALL)
    attention = Attention(Examination.INVERSE, np.ones(orientation.n_partners))
    # All list in order of id; the judge in plain Python, in one group.
    lengths = np.diff(orientation.starts)
    ranks = np.arange(len(orientation)) - np.repeat(orientation.starts[:-1], lengths) + 1
    judged = market.truly(data, orientation, ranks, attention, 5)
    expected = 0.0
    for column in np.unique(data.edges.columns[data.group == 2]):
        own = np.flatnonzero(data.edges.columns == column)
        own = sorted(own, key=lambda e: (-data.edges.column_accepts[e], e))
        ahead = np.zeros(len(own) + 1)
        ahead[0] = 1.0
        for edge in own:
            applied = data.row_says[edge] / ranks[edge]
            worth = sum(p / (n + 1) for n, p in enumerate(ahead))
            expected += applied * data.column_says[edge] * worth
            ahead = ahead * (1 - applied) + np.concatenate(([0.0], ahead[:-1])) * applied
    assert judged.matches[2] == pytest.approx(expected)
    assert judged.reactive.tolist() == [6.0] * 5


def test_gini_by_hand():
    assert market.gini_of(np.ones(7)) == pytest.approx(0)
    assert market.gini_of(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(0.75)
    assert market.gini_of(np.zeros(3)) == market.gini_of(np.zeros(0)) == 0


def test_an_unfit_folder_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="^market: .*schema.json"):
        run(monkeypatch, capsys, tmp_path)


def test_positives_of_one_side_cannot_be_judged(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="^market: schema.json: .* one side only"):
        run(monkeypatch, capsys, jobs(tmp_path))
