"""On which side of a match a user stands, and which matches are theirs to see (layer: selectors)."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Anchor, Membership, Merchant, Stall, User
from matching.choices import Role, Side
from matching.models import Match
from matching.moves import transition_of
from matchmaker.core.errors import NotAllowed, NotFound

DECIDE = "matching.decide_match"
PROPOSE = "matching.propose_match"
VIEW = "matching.view_match"
SETTLE = "matching.change_outcome"


def may_propose_to_both(user: User) -> bool:
    """Tell whether the user proposes matches as town staff."""
    return user.is_active and user.is_staff and user.has_perm(PROPOSE)


@dataclass(frozen=True)
class Standing:
    """The parties that one user acts for, and whether they decide and see as town staff."""

    merchant_ids: frozenset[int]
    anchor_ids: frozenset[int]
    is_decider: bool
    is_viewer: bool

    @classmethod
    def of(cls, user: User) -> "Standing":
        """Read the memberships of `user`: one query."""
        pairs = list(Membership.objects.filter(user=user).values_list("merchant_id", "anchor_id"))
        decides = user.is_staff and user.has_perm(DECIDE)
        return cls(
            merchant_ids=frozenset(merchant for merchant, _anchor in pairs if merchant),
            anchor_ids=frozenset(anchor for _merchant, anchor in pairs if anchor),
            is_decider=decides,
            is_viewer=decides or may_propose_to_both(user) or (user.is_staff and user.has_perm(VIEW)),
        )

    def is_of(self, side: str, *, stall: Stall, anchor: Anchor) -> bool:
        """Tell whether the user acts for that side of the pair."""
        return self.is_member_of(stall if side == Side.STALL else anchor)

    def is_member_of(self, party: Merchant | Stall | Anchor) -> bool:
        """Tell whether the user acts for the party."""
        if isinstance(party, Merchant):
            return party.pk in self.merchant_ids
        if isinstance(party, Stall):
            return party.merchant_id in self.merchant_ids
        return party.pk in self.anchor_ids

    def roles_in(self, match: Match) -> frozenset[str]:
        """Return as whom the user may act on `match`; needs its stall loaded."""
        sides = {side for side in Side.values if self.is_of(side, stall=match.stall, anchor=match.anchor)}
        roles = {Role(side) for side in sides}
        return frozenset(roles | {Role.STAFF} if self.is_decider else roles)

    def may_see(self, match: Match) -> bool:
        """Tell whether the match exists for the user."""
        return self.is_viewer or bool(self.roles_in(match))


def require_member(user: User, party: Merchant | Stall | Anchor) -> None:
    """Raise NotAllowed for a user who is switched off, NotFound for one who does not act for the party."""
    if not user.is_active:
        raise NotAllowed(code="inactive_user")
    if not Standing.of(user).is_member_of(party):
        raise NotFound(code="no_such_party")


def require_side(user: User, side: str, *, stall: Stall, anchor: Anchor) -> None:
    """Raise like `require_member` for the party on that side of the pair."""
    require_member(user, stall if side == Side.STALL else anchor)


def roles_for(action: str, user: User, match: Match) -> frozenset[str]:
    """Return as whom `user` stands to a match in which the move is theirs in some state.

    Raises NotFound for a match that does not exist for the user, NotAllowed for a move of others.
    """
    standing = Standing.of(user)
    if not user.is_active or not standing.may_see(match):
        raise NotFound(_("There is no such match."), code="no_such_match")
    roles = standing.roles_in(match)
    if not roles & transition_of(action).by:
        raise NotAllowed(_("This move is not yours to make."))
    return roles


def outcome_roles(user: User, match: Match) -> frozenset[str]:
    """Return as whom `user` acts on the outcomes of `match`; NotFound for one that is not theirs to see."""
    standing = Standing.of(user)
    if not user.is_active or not standing.may_see(match):
        raise NotFound(_("There is no such booking."), code="no_such_booking")
    settles = user.is_staff and user.has_perm(SETTLE)
    return standing.roles_in(match) - {Role.STAFF} | ({Role.STAFF} if settles else frozenset())


def matches_of(user: User) -> QuerySet[Match]:
    """Return the matches that `user` may see: those of their parties, all for staff who may view them."""
    standing = Standing.of(user)
    if standing.is_viewer:
        return Match.objects.all()
    return Match.objects.filter(
        Q(stall__merchant_id__in=standing.merchant_ids) | Q(anchor_id__in=standing.anchor_ids)
    )
