"""Whether a challenger may replace the current weights: both on weeks that neither learned from here.

The gate asks that it ranks better for sure whichever weeks or deciders are drawn again, that its
probabilities hold, and that newcomers lose nothing: neither in the lists of the weeks held out nor in
the first ten places of the market as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from matching.engine import evaluation
from matching.engine.decisions import Decisions, logits_by
from matching.engine.errors import EngineError
from matching.engine.evaluation import Interval, bootstrap_over_groups
from matching.engine.gate import Forecast, GateRules, HeldOut, Refusal
from matching.engine.gate import judge as pass_gate
from matching.engine.model import Encoded, Model
from matching.engine.retrieval import Query, top_k
from matching.engine.scoring import ANCHOR_DECIDES, STALL_DECIDES, sigmoid
from matching.engine.types import BoolArray, FloatArray, IntArray, Parties, Side, Snapshot
from matching.engine.weights import DECISIONS, MOST_LOGITS, Weights

RULES = GateRules()
HELD_SHARE = 0.25
FEWEST_WEEKS = 6
# So many events (acceptances, decisions given and received) make a party known.
KNOWN_AFTER = 3
EXPOSURE_SUBJECTS = 300
TOO_STEEP = "too_steep"
REFUSALS = (*(refusal.value for refusal in Refusal), TOO_STEEP)
# A re-match moves the base pair a little, and what was just within reach must stay so.
_MARGIN = 0.9


def held_out_from(week: IntArray) -> int:
    """The first of the last quarter of weeks, at least as many as the gate asks for.

    Raises EngineError with fewer than six weeks.
    """
    weeks = np.unique(week)
    if len(weeks) < FEWEST_WEEKS:
        raise EngineError(
            f"decisions: of at least {FEWEST_WEEKS} weeks are needed, so that the last can be held out; "
            f"there are {len(weeks)}"
        )
    return int(weeks[-max(RULES.fewest_groups, round(HELD_SHARE * len(weeks)))])


def with_weights(model: Model, weights: Weights, learned: str) -> Model:
    """The same encoding with other weights; two models to be judged against each other differ in no more."""
    return replace(model, weights=weights, learned=learned)


@dataclass(frozen=True)
class Case:
    """What the two are judged on: held-out decisions with features, in the market of `snapshot`."""

    snapshot: Snapshot
    decisions: Decisions
    x: FloatArray
    seed: int


def judge(case: Case, current: Model, challenger: Model) -> dict[str, Any]:
    """Figures of both as plain JSON, and `refused`: the codes of the reasons against the challenger."""
    directed = np.isin(case.decisions.direction, DECISIONS)
    decisions, x = case.decisions.at_rows(directed), case.x[directed]
    if not len(decisions):
        raise EngineError("decisions: nobody decided anything in the weeks held out")
    rng = np.random.default_rng(case.seed)
    tried = {
        name: _Tried.of(decisions, _logits(model, decisions, x))
        for name, model in (("current", current), ("challenger", challenger))
    }
    verdict = pass_gate(
        _held_out(decisions), tried["challenger"].forecast, tried["current"].forecast, rng, RULES
    )
    gain = _gain_by_decider(tried, rng)
    exposure = _exposure(case, current, challenger, rng)
    refused = {refusal.value for refusal in verdict.refusals}
    refused |= _more_refusals(tried, gain, exposure, challenger)
    figures: dict[str, Any] = plain(
        {
            "decisions": len(decisions),
            "lists": len(tried["challenger"].ndcg),
            "ndcg10_gain": {"by_week": verdict.ndcg, "by_decider": gain},
            "log_loss_difference": verdict.log_loss,
            "newcomers": exposure,
            "newcomers_in_lists": verdict.newcomers,
            "weeks": _weeks(decisions, tried),
            **{name: one.figures(decisions) for name, one in tried.items()},
            "refused": [code for code in REFUSALS if code in refused],
        }
    )
    return figures


def _more_refusals(
    tried: dict[str, _Tried], gain: Interval | None, exposure: dict[str, Any], challenger: Model
) -> set[str]:
    """What is asked beside the gate of held-out lists."""
    newcomers: Interval | None = exposure["difference"]
    reach = challenger.weights.furthest(challenger.encoder.weights).max()
    against = {
        Refusal.TOO_LITTLE_EVIDENCE.value: len(tried["challenger"].ndcg) < RULES.fewest_lists,
        Refusal.NOT_BETTER.value: gain is None or not gain.low > 0.0,
        Refusal.NEWCOMERS_LOSE.value: newcomers is not None and newcomers.high < 0.0,
        TOO_STEEP: reach > _MARGIN * MOST_LOGITS,
    }
    return {code for code, holds in against.items() if holds}


def _gain_by_decider(tried: dict[str, _Tried], rng: np.random.Generator) -> Interval | None:
    difference = tried["challenger"].ndcg - tried["current"].ndcg
    if not len(difference):
        return None
    return bootstrap_over_groups(difference, np.arange(len(difference)), rng, RULES.draws)


# --- one model on the weeks held out ------------------------------------------------------------------


@dataclass(frozen=True)
class _Tried:
    """One model's answers, and how its lists that hold both a yes and a no came out."""

    logits: FloatArray  # [decisions]
    ndcg: FloatArray  # [lists] at 10
    precision: FloatArray  # [lists]
    week: IntArray  # [lists] of the list's first decision

    @classmethod
    def of(cls, decisions: Decisions, logits: FloatArray) -> _Tried:
        names, index = np.unique(decisions.deciders, return_inverse=True)
        positives = np.bincount(index, weights=decisions.yes, minlength=len(names))
        mixed = (positives > 0) & (positives < np.bincount(index, minlength=len(names)))
        entry = np.flatnonzero(mixed[index])
        lists = evaluation.rank_lists(decisions.deciders[entry], logits[entry], decisions.yes[entry])
        week = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(week, index, decisions.week)
        return cls(logits, evaluation.ndcg(lists, RULES.k), evaluation.average_precision(lists), week[mixed])

    @property
    def forecast(self) -> Forecast:
        p = sigmoid(self.logits)
        return Forecast(p, p, p)

    def figures(self, decisions: Decisions) -> dict[str, Any]:
        p, yes = sigmoid(self.logits), decisions.yes
        curve = evaluation.reliability(p, yes)
        directions = [decisions.direction == direction for direction in DECISIONS]
        return {
            "ndcg10": _mean(self.ndcg),
            "map": _mean(self.precision),
            "auc": evaluation.auc(p, yes),
            "auc_by_direction": [evaluation.auc(p[own], yes[own]) for own in directions],
            "log_loss": _mean(evaluation.log_loss(p, yes)),
            "ece": curve.ece,
            "reliability": [
                {"said": said, "seen": seen, "n": n}
                for said, seen, n in zip(
                    curve.predicted.tolist(), curve.observed.tolist(), curve.count.tolist(), strict=True
                )
                if n
            ],
        }


def _logits(model: Model, decisions: Decisions, x: FloatArray) -> FloatArray:
    out = np.empty(len(decisions))
    for direction in DECISIONS:
        own = decisions.direction == direction
        out[own] = logits_by(model, model.weights, x[own], direction)
    return out


def _held_out(decisions: Decisions) -> HeldOut:
    """The decisions as the gate reads them: each tells one direction's answer."""
    stall = decisions.direction == STALL_DECIDES
    partner = np.where(stall, _events(decisions.anchor_past), _events(decisions.stall_past))
    return HeldOut(
        group=decisions.week,
        subject=decisions.deciders,
        stall_says=np.where(stall, decisions.yes, np.nan),
        anchor_says=np.where(decisions.direction == ANCHOR_DECIDES, decisions.yes, np.nan),
        match=decisions.yes,
        newcomer=partner < KNOWN_AFTER,
    )


def _events(past: Any) -> FloatArray:
    return np.asarray(past["accepted"] + past["decisions_given"] + past["received"], dtype=np.float64)


def _weeks(decisions: Decisions, tried: dict[str, _Tried]) -> list[dict[str, Any]]:
    """By week of each list's first decision: how many, and the mean of both."""
    return [
        {
            "week": date.fromordinal(int(week)).isoformat(),
            "decisions": int((decisions.week == week).sum()),
            "lists": int((tried["challenger"].week == week).sum()),
            **{f"{name}_ndcg10": _mean(one.ndcg[one.week == week]) for name, one in tried.items()},
        }
        for week in np.unique(decisions.week)
    ]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


# --- newcomers ----------------------------------------------------------------------------------------


def is_newcomer(parties: Parties) -> BoolArray:
    """[n] who has next to no history and may be shown."""
    events = parties.accepted + parties.decisions_given + parties.received
    return np.asarray((events < KNOWN_AFTER) & parties.verified & ~parties.archived)


def _exposure(case: Case, current: Model, challenger: Model, rng: np.random.Generator) -> dict[str, Any]:
    """Share of the first ten places that newcomers hold under both, and the interval of the difference."""
    shares: dict[str, list[FloatArray]] = {"current": [], "challenger": []}
    markets = _markets(case.snapshot, current, challenger)
    for side in Side:
        own, others = _sides(case.snapshot, side)
        newcomers = is_newcomer(others)
        if not len(own) or not newcomers.any() or newcomers.all():
            continue
        some = np.sort(rng.choice(len(own), size=min(len(own), EXPOSURE_SUBJECTS), replace=False))
        query = Query(side, some, RULES.k)
        held = {
            name: _held_by(top_k(*market, case.snapshot.exclusions, query).partner_rows, newcomers)
            for name, market in markets.items()
        }
        kept = ~np.isnan(held["current"])
        for name in shares:
            shares[name].append(held[name][kept])
    if not shares["current"]:
        return {"current": None, "challenger": None, "difference": None}
    flat = {name: np.concatenate(found) for name, found in shares.items()}
    difference = flat["challenger"] - flat["current"]
    interval = None
    if len(difference):
        interval = bootstrap_over_groups(difference, np.arange(len(difference)), rng, RULES.draws)
    return {**{name: _mean(values) for name, values in flat.items()}, "difference": interval}


def _markets(
    snapshot: Snapshot, current: Model, challenger: Model
) -> dict[str, tuple[Model, Encoded, Encoded]]:
    """The market under both; they have one encoder, and encoding costs more than all that follows."""
    left, right = (current.encoder.transform(side) for side in (snapshot.stalls, snapshot.anchors))
    return {
        name: (model, Encoded.of(model, snapshot.stalls, left), Encoded.of(model, snapshot.anchors, right))
        for name, model in (("current", current), ("challenger", challenger))
    }


def _sides(snapshot: Snapshot, side: Side) -> tuple[Parties, Parties]:
    pair = (snapshot.stalls, snapshot.anchors)
    return pair if side is Side.STALL else (pair[1], pair[0])


def _held_by(rows: IntArray, newcomers: BoolArray) -> FloatArray:
    """[lists] share of newcomers in lists of partner rows, -1 padded; NaN for a list without a candidate."""
    shown = rows >= 0
    held = (newcomers[rows] & shown).sum(axis=1)
    share = np.divide(held, shown.sum(axis=1), out=np.full(len(rows), np.nan), where=shown.any(axis=1))
    return np.asarray(share)


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numbers of Python, tuples as lists, NaN as None."""
    if isinstance(value, Interval):
        return plain({"mean": value.mean, "interval": [value.low, value.high]})
    if isinstance(value, dict):
        return {name: plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else round(float(value), 6)
    return int(value) if isinstance(value, np.integer) else value
