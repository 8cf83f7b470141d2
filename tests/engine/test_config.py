"""Every number of the engine is named, bounded and hashed."""

import dataclasses

import pytest

from matching.engine.config import Config, config_from
from matching.engine.errors import EngineError

FIELDS = dataclasses.fields(Config)


def test_the_defaults_are_valid():
    Config().validate()


@pytest.mark.parametrize("spec", FIELDS, ids=lambda spec: spec.name)
def test_every_setting_tells_its_meaning_unit_range_and_source(spec):
    about = spec.metadata
    assert about["meaning"] and about["unit"] and about["source"]
    assert about["low"] <= spec.default <= about["high"]


@pytest.mark.parametrize("spec", FIELDS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("bad", ["below", "above", float("nan"), "text", True, None])
def test_a_bad_value_is_refused_by_name(spec, bad):
    value = {"below": spec.metadata["low"] - 1, "above": spec.metadata["high"] + 1}.get(bad, bad)
    with pytest.raises(EngineError, match=f"^{spec.name}:"):
        config_from({spec.name: value})


def test_a_whole_number_stays_whole():
    with pytest.raises(EngineError, match="session_hours"):
        config_from({"session_hours": 2.5})


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(EngineError, match="weight_colour"):
        config_from({"weight_colour": 0.1})


def test_no_shared_weight_at_all_is_refused():
    zero = {spec.name: 0.0 for spec in FIELDS if spec.name.startswith("weight_")}
    with pytest.raises(EngineError, match="weight_category"):
        config_from(zero)


def test_the_digest_follows_the_values():
    assert Config().digest() == Config().digest()
    assert Config().digest() != config_from({"slope": 3.9}).digest()


def test_the_listed_weights_keep_the_designs_proportions():
    config = Config()
    listed = {
        "category": 24,
        "price": 18,
        "audience": 18,
        "style": 12,
        "commission": 10,
        "reliability": 7,
        "hours": 6,
        "region": 5,
    }
    for name, share in listed.items():
        assert getattr(config, f"weight_{name}") / config.weight_category == pytest.approx(share / 24)
