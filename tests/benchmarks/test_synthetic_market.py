"""The synthetic market benchmark: the published generator, and its figures in a small market."""

import json
import sys

import numpy as np
import pytest

from benchmarks import synthetic_market
from benchmarks.synthetic_market import relevances


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["synthetic_market", *map(str, arguments)])
    synthetic_market.main()
    return json.loads(capsys.readouterr().out)


def test_the_generator_draws_in_the_published_order():
    random = np.random.RandomState(621)
    of_columns, of_rows = random.uniform(size=(150, 100)), random.uniform(size=(100, 150))
    rows, columns = relevances(100, 150, 0.0, "random", 621)
    np.testing.assert_array_equal(rows, of_rows)
    np.testing.assert_array_equal(columns, of_columns.T)
    mixed, _ = relevances(100, 150, 0.5, "random", 621)
    np.testing.assert_allclose(mixed[:, 0], of_rows[:, 0] / 2 + 0.5)
    np.testing.assert_allclose(mixed[:, -1], of_rows[:, -1] / 2 + 0.005)


@pytest.mark.parametrize(("environment", "sign"), [("similar", 1), ("reverse", -1)])
def test_tastes_are_like_or_unlike(environment, sign):
    rows, columns = relevances(40, 60, 0.0, environment, 3)
    assert sign * np.corrcoef(rows.ravel(), columns.ravel())[0, 1] > 0.7
    assert rows.min() >= 0 and rows.max() <= 1


@pytest.mark.parametrize("environment", synthetic_market.ENVIRONMENTS)
def test_the_engine_is_above_every_other_method(environment, monkeypatch, capsys):
    size = ("--rows", 12, "--columns", 18, "--runs", 800, "--starts", 2)
    told = run(monkeypatch, capsys, *size, "--environment", environment, "--examination", "exp")
    welfare, played = told["welfare"], told["monte_carlo"]
    assert welfare["engine"] > max(welfare["naive"], welfare["reciprocal"], welfare["tu"])
    assert (np.diff(told["sweeps"]) >= 0).all()
    assert told["sweeps"][-1] == welfare["engine"]
    assert abs(played["mean"] - welfare["engine"]) < 3 * played["se"]


@pytest.mark.parametrize("wrong", [("--lambda", "1.5"), ("--rows", "0"), ("--environment", "other")])
def test_wrong_arguments_are_refused(wrong, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, *wrong)
    assert wrong[0] in capsys.readouterr().err
