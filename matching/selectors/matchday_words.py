"""The report of a match day in words, for its page and its command (layer: selectors)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.engine.allocation import Unmatched
from matching.models import MatchDay
from matching.rules import REASON_TEXTS
from matching.selectors.matchdays import Refusal, told_refusals
from matchmaker.core.money import yuan

WHY: dict[str, Any] = {
    Unmatched.NO_CAPACITY: gettext_lazy("no bookings left in these weeks"),
    Unmatched.NO_CANDIDATE: gettext_lazy("no candidate: every pair is ruled out"),
    Unmatched.ALL_FULL: gettext_lazy("all candidates are full"),
    Unmatched.BEATEN: gettext_lazy("others were worth more, or no hour was left"),
}
METHODS: dict[str, Any] = {
    "programme": gettext_lazy("whole numbers with hours, proved"),
    "flow": gettext_lazy("exact flow, then hours"),
}
SIDES: dict[str, Any] = {Side.STALL: gettext_lazy("stalls"), Side.ANCHOR: gettext_lazy("anchors")}
Line = tuple[str, str]


@dataclass(frozen=True)
class Without:
    """One party that got nothing: its name and why."""

    side: str
    party: str
    why: str


def report_lines(day: MatchDay) -> list[Line]:
    """Return (what, how much) of a solved day; empty before it was solved."""
    report = day.report
    if "value" not in report:
        return []
    floor = report["floor"]
    lines = [
        (_("pairs"), str(report["pairs"])),
        (_("candidate pairs"), str(report["candidates"])),
        (_("value"), f"{report['value']:.6f}"),
        (_("no plan is worth more than"), f"{report['bound']:.6f}"),
        (_("gap"), f"{100 * report['gap']:.4f}%"),
        (_("found by"), str(METHODS.get(report["method"], report["method"]))),
        (_("sessions to expect"), f"{report['likely_sessions']:.1f}"),
        (_("net GMV to expect"), _gmv(report)),
        (_("pairs who would both rather"), str(report["blocking_pairs"])),
        (_("newcomers"), str(floor["newcomers"])),
        (_("bookings that newcomers lack"), str(floor["bookings_short"])),
        (_("what their bookings cost in value"), f"{floor['cost']:.6f}"),
    ]
    if report["pins_without_hours"]:
        lines.append((_("pins without a common hour"), str(len(report["pins_without_hours"]))))
    for side, told in report["sides"].items():
        lines += _side_lines(str(SIDES[side]), told)
    return lines


def _gmv(report: dict[str, Any]) -> str:
    if not report["outcomes"]:
        return _("unknown: no outcome yet")
    return yuan(report["expected_net_gmv_cents"])


def _side_lines(side: str, told: dict[str, Any]) -> list[Line]:
    names = {"booked": told["booked"], "parties": told["parties"], "left": told["bookings_left"]}
    lines = [
        (side, _("%(booked)s of %(parties)s booked; %(left)s bookings were left") % names),
        (_("%(side)s: Gini of bookings") % {"side": side}, f"{told['gini']:.3f}"),
    ]
    for counts, words in ((told["unmatched"], WHY), (told["rules"], REASON_TEXTS)):
        for code, count in counts.items():
            names = {"side": side, "why": words.get(code, code)}
            lines.append((_("%(side)s without: %(why)s") % names, str(count)))
    return lines


def refusal_lines(day: MatchDay) -> list[str]:
    """Return why the day could not be solved, empty when it could."""
    return told_refusals([Refusal.of(row) for row in day.report.get("refused", [])])


def without(day: MatchDay, most: int) -> list[Without]:
    """Return up to `most` parties of each side that got nothing, by name; two queries."""
    found = []
    for side, model in ((Side.STALL, Stall), (Side.ANCHOR, Anchor)):
        rows = day.report.get("sides", {}).get(side, {}).get("named", [])[:most]
        names = _names(model, [row["id"] for row in rows])
        for row in rows:
            texts = [WHY.get(row["why"], row["why"])]
            if row["rule"]:
                texts.append(REASON_TEXTS.get(row["rule"], row["rule"]))
            found.append(Without(str(side.label), names.get(row["id"], "–"), "; ".join(map(str, texts))))
    return found


def _names(model: type[Stall] | type[Anchor], ids: Iterable[int]) -> dict[int, str]:
    return {pk: str(party) for pk, party in model.objects.in_bulk(list(ids)).items()}
