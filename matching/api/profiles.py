"""The full profile of a suggested partner, fifty different ones a day (layer: faces)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.cards import anchor_card, stall_card
from accounts.models import Anchor, Stall
from accounts.privacy.masking import PROFILE, Seen, without_contacts
from accounts.services.profiles import open_profile
from matching.api.base import MatchingView
from matching.api.render import CONTACT_STATUSES
from matching.api.suggestions import pair_of
from matching.choices import Side
from matching.engine.types import Rule
from matching.models import Match
from matching.rules import check_pair
from matching.tokens import read_suggestion_id
from matchmaker.core.errors import NotFound

# A pair that has a match already is past looking; who passed may look once more.
SEEN_ANYWAY = frozenset({Rule.OPEN_MATCH, Rule.PASSED, Rule.DECLINED, Rule.CAPACITY_FULL})


class Profile(serializers.Serializer[Any]):
    card = serializers.DictField(help_text="As in the list of suggestions: bands, no contact.")
    about = serializers.CharField(help_text="What the partner writes.")
    availability = serializers.CharField(help_text="168 characters 0 or 1, Monday 00:00 first.")
    weekly_capacity = serializers.IntegerField(help_text="Bookings per week.")


@extend_schema(tags=["suggestions"])
class SuggestedProfile(MatchingView):
    """The partner of a suggestion."""

    @extend_schema(responses=Profile)
    def get(self, request: Request, suggestion_id: str) -> Response:
        """Open the full profile of a partner; at most 50 different ones a day. Contacts come with a match."""
        user = asker(request)
        side, stall, anchor = pair_of(user, read_suggestion_id(suggestion_id))
        partner, partner_side = (anchor, "anchor") if side == Side.STALL else (stall, "stall")
        # Who may not be suggested may not be looked at either, and does not exist for the asker.
        if check_pair(stall, anchor, ignore=SEEN_ANYWAY):
            raise NotFound(code="no_such_suggestion")
        # Partners with an agreement have each other's contacts: they do not count.
        is_counterpart = Match.objects.filter(
            stall=stall, anchor=anchor, status__in=CONTACT_STATUSES
        ).exists()
        if not is_counterpart:
            open_profile(actor=user, side=partner_side, party_id=partner.pk)
        return Response(
            _profile(partner, is_counterpart=is_counterpart), headers={"Cache-Control": "no-store"}
        )


def _profile(partner: Stall | Anchor, *, is_counterpart: bool) -> dict[str, Any]:
    seen = Seen(partner, PROFILE)
    if isinstance(partner, Stall):
        card, about = stall_card(partner), seen.description
    else:
        card, about = anchor_card(partner), seen.bio
    return {
        "card": card,
        "about": about if is_counterpart else without_contacts(about),
        "availability": seen.availability,
        "weekly_capacity": seen.weekly_capacity,
    }
