"""The directional features: what makes a stall accept an anchor, an anchor a stall, and both complete.

Beside the shared blocks (encoding) there are hinges, which compare a value of the stall with one of the
anchor, and singles, which are facts of one party. What they weigh is in `weights`.
mutual = P(stall accepts) * P(anchor accepts) * P(completed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import Config
from matching.engine.encoding import BLOCKS
from matching.engine.types import FloatArray, Parties, Side

STALL_DECIDES, ANCHOR_DECIDES, COMPLETED = 0, 1, 2


@dataclass(frozen=True)
class Hinge:
    """A pair feature min(1, max(0, centre + x of the stall - y of the anchor)).

    `anchor_sign` and `stall_sign` say whether more of it makes that side more (+1) or less (-1)
    willing, or does not matter to it (0). `columns` are the values that a reason may name.
    """

    part: str
    centre: float
    stall_sign: int
    anchor_sign: int
    columns: tuple[str, ...]
    stall_value: Callable[[Parties, Config], FloatArray]
    anchor_value: Callable[[Parties, Config], FloatArray]


@dataclass(frozen=True)
class Single:
    """A feature in [0, 1] of one party; `direction` is the one that the prior lets it move."""

    part: str
    weight: str
    side: Side
    direction: int
    columns: tuple[str, ...]
    value: Callable[[Parties, Config], FloatArray]


def shrunk_rate(hits: NDArray[Any], tries: NDArray[Any], mean: float, worth: float) -> FloatArray:
    """Beta-shrunk rate (hits + worth * mean) / (tries + worth); exactly the mean without a try."""
    return np.where(tries > 0, (hits + worth * mean) / (tries + worth), mean)


def logit(p: FloatArray | float) -> FloatArray:
    return np.asarray(np.log(p) - np.log1p(-np.asarray(p)))


def sigmoid(x: FloatArray | float) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(x))))


# --- hinge features -----------------------------------------------------------------------------------


def _amount(name: str, sign: float, parts: float = 1.0) -> Callable[[Parties, Config], FloatArray]:
    """sign * ln(amount) / (parts * ln(width)); amounts below 1 count as 1."""

    def value(parties: Parties, config: Config) -> FloatArray:
        amounts = np.maximum(getattr(parties, name).astype(np.float64), 1.0)
        return np.asarray(sign * np.log(amounts) / (parts * np.log(config.amount_width)))

    return value


def _commission(parties: Parties, config: Config) -> FloatArray:
    return parties.commission_rate.astype(np.float64) / (2.0 * config.commission_width)


def _slot_fee(parties: Parties, config: Config) -> FloatArray:
    fees = np.log1p(np.maximum(parties.slot_fee_cents, 0.0) / 100.0)
    return np.asarray(fees / (2.0 * np.log(config.slot_fee_width)))


def _return_rate(parties: Parties, config: Config) -> FloatArray:
    return -parties.return_rate.astype(np.float64) / (2.0 * config.return_width)


HINGES: tuple[Hinge, ...] = (
    Hinge("commission", 0.5, -1, 1, ("commission_rate",), _commission, _commission),
    Hinge("slot_fee", 0.5, -1, 1, ("slot_fee_cents",), _slot_fee, _slot_fee),
    Hinge("moq", 0.0, 0, 1, ("moq",), _amount("moq", -1), _amount("moq", -1)),
    Hinge("stock", 0.0, 0, 1, ("stock_depth",), _amount("stock_depth", 1), _amount("stock_depth", 1)),
    Hinge(
        "restock",
        0.5,
        0,
        1,
        ("restock_days",),
        _amount("restock_days", -1, 2),
        _amount("restock_days", -1, 2),
    ),
    Hinge("return_rate", 0.5, 0, 1, ("return_rate",), _return_rate, _return_rate),
    Hinge(
        "followers",
        0.5,
        1,
        0,
        ("followers", "followers_wanted_min"),
        _amount("followers_wanted_min", -1, 2),
        _amount("followers", -1, 2),
    ),
)


# --- features of one party ----------------------------------------------------------------------------


def _fulfilment(parties: Parties, config: Config) -> FloatArray:
    known = np.where(parties.personalised, 1, 0).astype(np.int32)
    return shrunk_rate(
        parties.completed * known, parties.accepted * known, config.mean_fulfilment, config.fulfilment_worth
    )


def _reply(parties: Parties, config: Config) -> FloatArray:
    return np.asarray(1.0 - np.clip(parties.reply_hours / config.reply_limit_hours, 0.0, 1.0), np.float64)


def _free_share(parties: Parties, config: Config) -> FloatArray:
    used = parties.load_used / np.maximum(parties.capacity, 1)
    return np.where(parties.capacity > 0, 1.0 - np.clip(used, 0.0, 1.0), np.nan)


def _reach(parties: Parties, config: Config) -> FloatArray:
    """Viewers on a log scale between two caps: nobody checks them, so they may move little."""
    most = max(config.reach_full_viewers, config.reach_least_viewers)
    viewers = np.clip(parties.average_viewers.astype(np.float64), config.reach_least_viewers, most)
    return np.asarray(np.log1p(viewers) / np.log1p(most))


def _on_site(parties: Parties, config: Config) -> FloatArray:
    return parties.on_site.astype(np.float64)


def _own_mean(parties: Parties, config: Config) -> float:
    return config.mean_stall_accepts if parties.side is Side.STALL else config.mean_anchor_accepts


def _given(parties: Parties, config: Config) -> FloatArray:
    mean = _own_mean(parties, config)
    return _rate_of_yes(parties.decisions_yes, parties.decisions_given, mean, config)


def _received(parties: Parties, config: Config) -> FloatArray:
    mean = config.mean_anchor_accepts if parties.side is Side.STALL else config.mean_stall_accepts
    return _rate_of_yes(parties.received_yes, parties.received, mean, config)


def _rate_of_yes(
    yes: NDArray[np.int32], decisions: NDArray[np.int32], mean: float, config: Config
) -> FloatArray:
    """Shrunk share of yes of at most so many decisions, else a crowd of accounts would outshout the prior."""
    kept = np.minimum(1.0, config.decisions_most / np.maximum(decisions, 1))
    return shrunk_rate(yes * kept, decisions * kept, mean, config.decisions_worth)


def _of_partner(side: Side) -> tuple[Single, ...]:
    """What the other side's decision reads of this side, and this side's own readiness to say yes."""
    other_decides = ANCHOR_DECIDES if side is Side.STALL else STALL_DECIDES
    itself_decides = STALL_DECIDES if side is Side.STALL else ANCHOR_DECIDES
    yes = f"{side}_history"
    return (
        Single(
            f"{side}_reliability", "reliability", side, other_decides, ("completed", "accepted"), _fulfilment
        ),
        Single(f"{side}_reply", "reply", side, other_decides, ("reply_hours",), _reply),
        Single(f"{side}_load", "load", side, other_decides, ("load_used", "capacity"), _free_share),
        Single(yes, "received", side, other_decides, ("received", "received_yes"), _received),
        Single(yes, "given", side, itself_decides, ("decisions_given", "decisions_yes"), _given),
    )


SINGLES: tuple[Single, ...] = (
    *_of_partner(Side.STALL),
    *_of_partner(Side.ANCHOR),
    Single("reach", "reach", Side.ANCHOR, STALL_DECIDES, ("average_viewers",), _reach),
    Single("on_site", "on_site", Side.ANCHOR, STALL_DECIDES, ("on_site",), _on_site),
)


# What a party claims of itself and a crowd of accounts can say of it, without anybody checking: their weights
# are bounded so that lies lift nobody far, and no lesson may raise them.
UNCHECKED = frozenset({"received", "reach", "followers"})


def singles_of(side: Side) -> tuple[Single, ...]:
    return tuple(single for single in SINGLES if single.side is side)


_FEATURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((block.part, block.columns) for block in BLOCKS),
    *((hinge.part, hinge.columns) for hinge in HINGES),
    *((single.part, single.columns) for single in SINGLES),
)
PART_CODES: tuple[str, ...] = tuple(dict.fromkeys(part for part, _ in _FEATURES))
# Which columns of `Parties` a part was computed from, for the facts that a reason names.
PART_COLUMNS: dict[str, tuple[str, ...]] = {
    part: tuple(
        dict.fromkeys(
            column for feature_part, columns in _FEATURES if feature_part == part for column in columns
        )
    )
    for part in PART_CODES
}


# --- what a side brings to its pairs ------------------------------------------------------------------


def hinge_values(parties: Parties, config: Config) -> FloatArray:
    """[hinges, n] x of stalls or y of anchors; NaN unknown, or opted out of personalisation."""
    stall = parties.side is Side.STALL
    values = np.array([(h.stall_value if stall else h.anchor_value)(parties, config) for h in HINGES])
    values[:, ~parties.personalised] = np.nan
    return values


def hinge_features(x: FloatArray, y: FloatArray) -> FloatArray:
    """[hinges, ...] in [0, 1] of pairs with these values; NaN where either is unknown."""
    centre = np.array([h.centre for h in HINGES]).reshape(-1, *[1] * (x.ndim - 1))
    return np.asarray(np.clip(centre + x - y, 0.0, 1.0))


def single_values(parties: Parties, config: Config) -> FloatArray:
    """[singles of the side, n] in [0, 1]; NaN where unknown or opted out."""
    values = np.array([single.value(parties, config) for single in singles_of(parties.side)])
    values[:, ~parties.personalised] = np.nan
    return values


def completion_logit(parties: Parties, config: Config) -> FloatArray:
    """[n] what a party's shrunk fulfilment adds to the logit of P(completed)."""
    return logit(_fulfilment(parties, config)) - logit(config.mean_fulfilment)
