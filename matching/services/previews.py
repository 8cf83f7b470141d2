"""What would become of terms, asked of the very guards of a proposal; nothing is stored (layer: services)."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from accounts.selectors import reference
from matching.access import may_propose_to_both, require_member
from matching.choices import Role
from matching.selectors.norms import Norm, norms_of_stall
from matching.services.matches.guards import OWN_MATCH, require_acceptable, require_fit
from matching.services.matches.moving import open_match_of
from matching.states import SIDES
from matching.terms import TermsDraft, check_terms
from matchmaker.core import clock
from matchmaker.core.errors import InvalidInput, NotFound
from matchmaker.core.money import exact_percent

UNUSUAL = "commission_unusual"
_CODES = {"terms.commission_rate": "commission_below_floor"}
_CLOSED = "hours_closed"


@dataclass(frozen=True)
class Caution:
    """What to know before proposing; `is_refusal`: a proposal of these terms is refused for it."""

    code: str
    field: str
    text: str
    is_refusal: bool


@dataclass(frozen=True)
class TermsPreview:
    """What is usual in the stall's categories, and what speaks against the terms."""

    norms: list[Norm]
    cautions: list[Caution]


def preview_terms(
    *, actor: User, role: str, stall: Stall, anchor: Anchor | None, terms: TermsDraft
) -> TermsPreview:
    """Tell what would speak against `terms`; without an anchor only what the town's norms say.

    Raises InvalidInput for terms that nobody may propose, NotFound when the actor does not act for the side
    `role` (staff: may not propose), Conflict (not_eligible) for a pair that no proposal may bring together.
    """
    _require_role(actor, role, stall, anchor)
    check_terms(terms, now=clock.now())
    refusals = list(_refusals(role, stall, anchor, terms)) if anchor else []
    norms = norms_of_stall(stall)
    return TermsPreview(norms, refusals + list(_unusual(norms, terms)))


def _require_role(actor: User, role: str, stall: Stall, anchor: Anchor | None) -> None:
    if role == Role.STAFF:
        if not may_propose_to_both(actor):
            raise NotFound(code="no_such_party")
        return
    party = stall if role == Role.STALL else anchor
    if party is None:
        raise NotFound(code="no_such_party")
    require_member(actor, party)


def _refusals(role: str, stall: Stall, anchor: Anchor, terms: TermsDraft) -> Iterator[Caution]:
    # Terms of an open match are bargained over by both, whoever may ask whom.
    asks = role if role in SIDES and open_match_of(stall, anchor) is None else ""
    require_fit(stall, anchor, proposed_by=asks, ignore=OWN_MATCH, for_staff=role == Role.STAFF)
    try:
        require_acceptable(terms, role, stall, anchor)
    except InvalidInput as refused:
        for field, messages in refused.fields.items():
            for message in messages:
                yield Caution(_CODES.get(field, _CLOSED), field, message, is_refusal=True)


def _unusual(norms: list[Norm], terms: TermsDraft) -> Iterator[Caution]:
    for norm in norms:
        usual = norm.commission
        if usual is None or usual.lower <= terms.commission_rate <= usual.upper:
            continue
        item = reference().categories.get(norm.category)
        text = _("%(rate)s is not usual for %(category)s: half of the matches agree on %(low)s to %(high)s.")
        words = {
            "rate": exact_percent(terms.commission_rate),
            "category": item.name if item else norm.category,
            "low": exact_percent(usual.lower),
            "high": exact_percent(usual.upper),
        }
        yield Caution(UNUSUAL, "terms.commission_rate", text % words, is_refusal=False)
