"""Everything that the engine holds about a party, by name: what it says of itself, what is counted of it.

The one list of tags, from which the API shows, explains and deletes them; a test asks that every column the
engine reads is in it (layer: selectors).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.choices import Platform, StreamingPermit
from accounts.models import Anchor, Stall
from accounts.selectors import reference
from matching.choices import Side
from matching.engine.neutral import NEUTRAL_PARTS
from matching.reasons import GROUP_NAMES
from matchmaker.core.money import exact_percent, yuan

Party = Stall | Anchor
BOTH, STALL, ANCHOR = frozenset(Side), frozenset({Side.STALL}), frozenset({Side.ANCHOR})
_NEEDED = _("A match cannot do without it; change it in your profile.")
_SHOWN = _("Counted so that newcomers get their place; no score reads it.")
_BOOKED = _("It counts bookings that stand; it goes down as they end.")


@dataclass(frozen=True)
class Tag:
    """One thing that is held: where it comes from, what it is used for, and whether it can be deleted.

    `parts` are the parts of the score that read it, none: it serves rules only. `blank` are the fields of the
    profile that a deletion empties; None for what is counted.
    """

    code: str
    name: Any
    columns: tuple[str, ...]  # of the engine's `Parties`
    parts: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # of the row
    sides: frozenset[Side] = BOTH
    is_rule: bool = False
    blank: Mapping[str, Any] | None = None
    why_kept: Any = ""
    in_words: Callable[[Any], str] = str

    @property
    def is_declared(self) -> bool:
        return bool(self.fields)

    @property
    def is_erasable(self) -> bool:
        return not self.why_kept

    def is_used(self, *, is_personalised: bool) -> bool:
        """Whether it ranks lists, given the party's choice."""
        return any(is_personalised or part in NEUTRAL_PARTS for part in self.parts)


# --- values in words ------------------------------------------------------------------------------------


def _listed(names: list[str]) -> str:
    return ("、" if (get_language() or "zh").startswith("zh") else ", ").join(names)


def _named(kind: str) -> Callable[[Any], str]:
    def words(codes: Any) -> str:
        names = getattr(reference(), kind)
        return _listed([names[code].name if code in names else str(code) for code in codes])

    return words


def _region(region_id: Any) -> str:
    region = reference().regions.by_id.get(region_id)
    return region.name if region else ""


def _platforms(held: Any) -> str:
    codes = [item["platform"] if isinstance(item, dict) else item for item in held]
    return _listed([str(Platform(code).label) for code in codes])


def _shares(held: Any) -> str:
    return _listed(
        [f"{GROUP_NAMES.get(key, key)} {float(share):.0%}" for key, share in held.items() if share]
    )


def _bins(held: Any) -> str:
    return str(_("shares of %(bins)s price bins")) % {"bins": sum(share > 0 for share in held)}


def _hours(held: Any) -> str:
    return str(_("%(hours)s hours a week")) % {"hours": str(held).count("1")}


def _prices(held: Any) -> str:
    return f"{yuan(held[0])} – {yuan(held[1])}"


def _rate(held: Any) -> str:
    return exact_percent(held)


def _yes_no(held: Any) -> str:
    return str(_("yes") if held else _("no"))


def _of(held: Any) -> str:
    return str(_("%(yes)s of %(all)s")) % {"yes": held[0], "all": held[1]}


def _reply(held: Any) -> str:
    return str(_("%(hours)s hours")) % {"hours": f"{held:.1f}"}


# --- the tags ----------------------------------------------------------------------------------------------


def _declared(code: str, name: Any, *columns: str, at: tuple[str, ...] = (), **about: Any) -> Tag:
    """A tag that a party says of itself; without a blank the profile needs it."""
    kept = {} if about.get("blank") is not None else {"why_kept": _NEEDED}
    return Tag(code, name, columns, fields=at or (code,), **{**kept, **about})


def _audience(code: str, name: Any) -> Tag:
    return _declared(code, name, code, parts=("audience",), blank={code: {}}, in_words=_shares)


def _limit(code: str, name: Any, column: str, part: str, in_words: Callable[[Any], str] = str) -> Tag:
    """A limit that an anchor sets, or does not."""
    return _declared(
        code, name, column, parts=(part,), sides=ANCHOR, is_rule=True, blank={code: None}, in_words=in_words
    )


TAGS: tuple[Tag, ...] = (
    _declared(
        "categories",
        _("categories"),
        "categories",
        parts=("category",),
        in_words=_named("categories"),
    ),
    _declared(
        "styles", _("styles"), "styles", parts=("style",), blank={"styles": []}, in_words=_named("styles")
    ),
    _declared(
        "prices", _("prices on air"), "price_low_cents", "price_high_cents", "price_share",
        at=("price_min_cents", "price_max_cents"), parts=("price",), sides=STALL, is_rule=True,
        in_words=_prices,
    ),
    _declared(
        "price_shares", _("sold prices"), "price_low_cents", "price_high_cents", "price_share",
        parts=("price",), sides=ANCHOR, is_rule=True, blank={"price_shares": []}, in_words=_bins,
    ),
    _audience("audience_age", _("audience by age")),
    _audience("audience_gender", _("audience by gender")),
    _audience("audience_city_tier", _("audience by city tier")),
    _declared(
        "region", _("region"), "region", at=("region_id",), parts=("region",), sides=ANCHOR,
        blank={"region": None}, in_words=_region,
    ),
    _declared(
        "platforms_wanted", _("platforms wanted"), "platforms", at=("platforms",), parts=("platform",),
        sides=STALL, blank={"platforms": []}, in_words=_platforms,
    ),
    _declared(
        "platforms", _("platforms"), "platforms", parts=("platform",), sides=ANCHOR, in_words=_platforms
    ),
    _declared(
        "languages", _("languages"), "languages", parts=("language",), blank={"languages": []},
        in_words=_named("languages"),
    ),
    _declared(
        "hours", _("free hours"), "hours", at=("availability",), parts=("hours",), is_rule=True,
        in_words=_hours,
    ),
    _declared(
        "description", _("description"), "text", parts=("text",), sides=STALL, blank={"description": ""}
    ),
    _declared("bio", _("about"), "text", parts=("text",), sides=ANCHOR, blank={"bio": ""}),
    _declared(
        "commission_rate", _("commission rate"), "commission_rate", parts=("commission",), is_rule=True,
        in_words=_rate,
    ),
    _declared(
        "is_commission_floor", _("commission is a must"), "commission_is_must", sides=ANCHOR, is_rule=True,
        blank={"is_commission_floor": False}, in_words=_yes_no,
    ),
    _declared("slot_fee_cents", _("slot fee"), "slot_fee_cents", parts=("slot_fee",), in_words=yuan),
    _declared("moq", _("MOQ"), "moq", parts=("moq",), sides=STALL, is_rule=True),
    _limit("moq_max", _("largest MOQ accepted"), "moq", "moq"),
    _declared("stock_depth", _("stock depth"), "stock_depth", parts=("stock",), sides=STALL, is_rule=True),
    _limit("stock_depth_min", _("smallest stock depth accepted"), "stock_depth", "stock"),
    _declared("restock_days", _("restock days"), "restock_days", parts=("restock",), sides=STALL),
    _limit("restock_days_max", _("longest restock accepted"), "restock_days", "restock"),
    _declared(
        "return_rate", _("return rate"), "return_rate", parts=("return_rate",), sides=STALL,
        blank={"return_rate": None}, in_words=_rate,
    ),
    _limit("return_rate_max", _("highest return rate tolerated"), "return_rate", "return_rate", _rate),
    _declared(
        "followers_wanted_min", _("followers wanted, at least"), "followers_wanted_min", parts=("followers",),
        sides=STALL, blank={"followers_wanted_min": None},
    ),
    Tag("followers", _("followers"), ("followers",), ("followers",), ("followers",), ANCHOR),
    Tag("reach", _("average viewers"), ("average_viewers",), ("reach",), ("average_viewers",), ANCHOR),
    _declared(
        "is_on_site", _("comes on site"), "on_site", parts=("on_site",), sides=ANCHOR, in_words=_yes_no
    ),
    _declared(
        "streaming_permit", _("streaming permit"), "streaming_permit", sides=STALL, is_rule=True,
        in_words=lambda code: str(StreamingPermit(code).label),
    ),
    _declared(
        "capacity", _("bookings per week"), "capacity", at=("weekly_capacity",),
        parts=("stall_load", "anchor_load"), is_rule=True,
    ),
    Tag(
        "load", _("bookings of the coming four weeks"), ("load_used",), ("stall_load", "anchor_load"),
        is_rule=True, why_kept=_BOOKED,
    ),
    Tag(
        "exposures", _("how often it was shown in the past four weeks"), ("exposures",),
        is_rule=True, why_kept=_SHOWN,
    ),
    Tag(
        "reliability", _("agreements fulfilled"), ("completed", "accepted"),
        ("stall_reliability", "anchor_reliability"), in_words=_of,
    ),
    Tag("reply", _("reply time"), ("reply_hours",), ("stall_reply", "anchor_reply"), in_words=_reply),
    Tag(
        "accepts_given", _("how often it says yes"), ("decisions_given", "decisions_yes"),
        ("stall_history", "anchor_history"), in_words=_of,
    ),
    Tag(
        "accepts_received", _("how often others say yes to it"), ("received", "received_yes"),
        ("stall_history", "anchor_history"), in_words=_of,
    ),
)  # fmt: skip


def tags_of_side(side: str) -> dict[str, Tag]:
    """Return the tags of stalls or of anchors by code."""
    return {tag.code: tag for tag in TAGS if Side(side) in tag.sides}
