"""What a training found, in words: what there is too little of, why the gate refused, figures by name.

Layer: selectors.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

REFUSALS: dict[str, Any] = {
    "too_little_evidence": gettext_lazy("too few lists or weeks to tell"),
    "not_better": gettext_lazy("not better for sure than what counts now"),
    "worse_probabilities": gettext_lazy("its probabilities are worse for sure"),
    "miscalibrated": gettext_lazy("its probabilities do not hold (calibration error above 0.03)"),
    "newcomers_lose": gettext_lazy("newcomers would be shown less"),
    "too_steep": gettext_lazy("its weights are too steep to be scored safely"),
}
METRICS: dict[str, Any] = {
    "ndcg10": gettext_lazy("NDCG@10"),
    "map": gettext_lazy("MAP"),
    "auc": gettext_lazy("AUC"),
    "log_loss": gettext_lazy("log loss"),
    "ece": gettext_lazy("calibration error (ECE)"),
}


def lacking_in_words(lacking: Mapping[str, Any]) -> str:
    """Return what there is too little of to learn from, and how much would be enough."""
    if lacking["code"] == "too_few_weeks":
        text = _("Needs decisions of at least %(needed)d weeks; there are %(weeks)d.")
    else:
        text = _(
            "Needs at least %(needed)d decisions of both kinds (yes and no) by stalls or by anchors before "
            "the weeks held out; stalls said yes %(stall_yes)d and no %(stall_no)d times, anchors yes "
            "%(anchor_yes)d and no %(anchor_no)d times."
        )
    return text % lacking


def refusals_in_words(codes: list[str]) -> list[str]:
    """Return why the gate refused, a phrase for each reason."""
    return [str(REFUSALS.get(code, code)) for code in codes]


def figure_lines(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (metric, what counted then, the challenger), numbers as shown."""
    return [
        (str(label), _shown(figures["current"].get(name)), _shown(figures["challenger"].get(name)))
        for name, label in METRICS.items()
    ] + [(str(_("newcomers among the first ten")), *_newcomers(figures["newcomers"]))]


def _newcomers(found: Mapping[str, Any]) -> tuple[str, str]:
    return _shown(found["current"]), _shown(found["challenger"])


def difference_lines(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, mean of the difference, its 95 % interval) of the challenger against what counted."""
    gain = figures["ndcg10_gain"]
    told = [
        (_("NDCG@10, weeks drawn again"), gain["by_week"]),
        (_("NDCG@10, deciders drawn again"), gain["by_decider"]),
        (_("log loss (less is better)"), figures["log_loss_difference"]),
        (_("newcomers in the lists held out"), figures["newcomers_in_lists"]),
        (_("newcomers among the first ten"), figures["newcomers"]["difference"]),
    ]
    return [
        (label, f"{found['mean']:+.4f}", "{:+.4f} … {:+.4f}".format(*found["interval"]))
        for label, found in told
        if found is not None
    ]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
