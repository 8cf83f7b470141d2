"""Shapes of suggestions in the API: filters, pages, reactions, impressions (layer: faces)."""

import uuid
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.choices import StreamingPermit
from accounts.selectors import reference
from matching.api.fields import BIGINT_MAX, CentsField, CommaField, RateField
from matching.choices import ReactionKind
from matching.engine.rerank import ADJUSTMENTS
from matching.policy import IMPRESSIONS_PER_REQUEST
from matching.tokens import read_suggestion_id
from matchmaker.core.errors import NotFound
from matchmaker.core.serializers import StrictSerializer

PAGE_MAX = 50
SCORE_MAX = 100
RANK_MAX = 32_767
SUGGESTION_ACTIONS = ("like", "pass", "never", "propose")
BY_BAND = "Compared with the band that the partner's card shows."
SOURCES = ("stored", "computed", "pending")


def _count(*, min_value: int = 0, **options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(required=False, min_value=min_value, max_value=BIGINT_MAX, **options)


class CodeField(serializers.CharField):
    """A code of the town's reference data."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        super().__init__(max_length=48, **{"help_text": f"A code of /{kind}/."} | options)

    def to_internal_value(self, data: Any) -> str:
        code: str = super().to_internal_value(data)
        if code not in getattr(reference(), self.kind):
            raise serializers.ValidationError(
                _("There is no such code; see /%(kind)s/.") % {"kind": self.kind}
            )
        return code


class PartnerField(serializers.Field[uuid.UUID, Any, Any, Any]):
    """A partner, named by its own id or by that of any suggestion of it."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        text = str(data)
        try:
            return uuid.UUID(text) if len(text) <= 36 else read_suggestion_id(text).partner_id
        except (ValueError, NotFound) as error:
            raise serializers.ValidationError(
                _("No id of a partner or suggestion: %(id)s") % {"id": text}
            ) from error


class SuggestionQuery(StrictSerializer):
    """What both lists may be narrowed by, and paging."""

    category = CodeField("categories", required=False)
    language = CodeField("languages", required=False)
    price_min_cents = CentsField(required=False, help_text="The partner's prices reach at least this far up.")
    price_max_cents = CentsField(required=False, help_text="The partner's prices begin at most here.")
    commission_min = RateField(required=False, help_text=BY_BAND)
    commission_max = RateField(required=False, help_text=BY_BAND)
    exclude = CommaField(
        child=PartnerField(),
        required=False,
        default=list,
        help_text="Ids of suggestions or partners that are not wanted now, separated by commas.",
    )
    personalised = serializers.BooleanField(
        required=False,
        default=True,
        help_text="false: rank this answer by category, price, hours and region only. "
        "A party that has switched personalisation off is always ranked so.",
    )
    cursor = serializers.CharField(required=False, default="", max_length=2000)
    page_size = serializers.IntegerField(required=False, default=20, min_value=1, max_value=PAGE_MAX)

    ranges: tuple[tuple[str, str], ...] = (
        ("price_min_cents", "price_max_cents"),
        ("commission_min", "commission_max"),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for low, high in self.ranges:
            if low in attrs and high in attrs and attrs[low] > attrs[high]:
                raise serializers.ValidationError({low: [_("Not above %(name)s.") % {"name": high}]})
        return attrs


class StallListQuery(SuggestionQuery):
    """Filters of an anchor's list of stalls."""

    zone = CodeField("zones", required=False)
    floor = serializers.IntegerField(required=False, min_value=-99, max_value=999)
    moq_max = _count(min_value=1)
    restock_days_max = serializers.IntegerField(required=False, min_value=0, max_value=365)
    return_rate_max = RateField(required=False, help_text=BY_BAND)
    streaming_permit = serializers.ChoiceField(StreamingPermit.choices, required=False)


class AnchorListQuery(SuggestionQuery):
    """Filters of a stall's list of anchors."""

    region = CodeField("regions", required=False)
    followers_min = _count(help_text=BY_BAND)
    followers_max = _count(help_text=BY_BAND)

    ranges = (*SuggestionQuery.ranges, ("followers_min", "followers_max"))


class ReactionInput(StrictSerializer):
    """An answer to a suggestion."""

    kind = serializers.ChoiceField(
        ReactionKind.choices, help_text="pass hides the pair for 30 days, never until it is undone."
    )


class ReactionShape(serializers.Serializer[Any]):
    """The answer that stands."""

    suggestion = serializers.CharField()
    kind = serializers.ChoiceField(ReactionKind.choices)
    until = serializers.DateTimeField(allow_null=True, help_text="End of the hiding.")


class ShownInput(StrictSerializer):
    """One suggestion that was on the screen."""

    id = serializers.CharField(max_length=128)
    rank = serializers.IntegerField(min_value=1, max_value=RANK_MAX)
    score = serializers.IntegerField(min_value=0, max_value=SCORE_MAX)


class ImpressionsInput(StrictSerializer):
    """Suggestions of one list that somebody saw."""

    list_id = serializers.UUIDField(
        allow_null=True, help_text="As in the answer that held them; may be null."
    )
    # min_length and max_length are those of the list, which the stubs do not know.
    suggestions = ShownInput(many=True, min_length=1, max_length=IMPRESSIONS_PER_REQUEST)  # type: ignore[call-arg]


class RecordedShape(serializers.Serializer[Any]):
    """What was kept of it."""

    recorded = serializers.IntegerField(help_text="New ones; a repeat counts nothing.")


class PartShape(serializers.Serializer[Any]):
    """One reason and what it adds to the score."""

    code = serializers.CharField()
    points = serializers.IntegerField(help_text="base + all points = score.")
    text = serializers.CharField(help_text="In the language of the request.")
    facts = serializers.DictField()


class AdjustmentShape(serializers.Serializer[Any]):
    """What moved the partner in the list beside its score; score and adjustments never rise along a list."""

    code = serializers.ChoiceField(ADJUSTMENTS)
    points = serializers.FloatField(help_text="In points of the score, two places.")
    text = serializers.CharField(help_text="In the language of the request.")


class SuggestionShape(serializers.Serializer[Any]):
    """One ranked partner."""

    id = serializers.CharField(help_text="Signed; it outlives the list.")
    rank = serializers.IntegerField()
    partner = serializers.DictField(help_text="Card of the partner: bands, no contact data.")
    score = serializers.IntegerField(help_text="Of 100 such pairs, how many come to agreement and session.")
    base = serializers.IntegerField(help_text="The score of the average pair.")
    parts = PartShape(many=True)
    adjustments = AdjustmentShape(many=True)
    confidence = serializers.FloatField(help_text="0: prior only, 1: history only.")
    reaction = serializers.ChoiceField(ReactionKind.choices, allow_null=True)
    allowed_actions = serializers.ListField(child=serializers.ChoiceField(SUGGESTION_ACTIONS))
    computed_at = serializers.DateTimeField()


class ReasonShape(serializers.Serializer[Any]):
    """Why something is not, and how often."""

    code = serializers.CharField()
    text = serializers.CharField()
    count = serializers.IntegerField(required=False)


class SuggestionPageShape(serializers.Serializer[Any]):
    """One page of a list, best first."""

    next = serializers.URLField(allow_null=True)
    list_id = serializers.UUIDField(allow_null=True)
    source = serializers.ChoiceField(  # type: ignore[assignment]
        SOURCES, help_text="pending: the first list is still being computed."
    )
    personalised = serializers.BooleanField(help_text="false: ranked by neutral facts only, without history.")
    how_ranked = serializers.CharField(help_text="The same in words, in the language of the request.")
    computed_at = serializers.DateTimeField(allow_null=True)
    proposals_left = serializers.IntegerField(help_text="This week.")
    cannot_propose = ReasonShape(
        many=True, help_text="Why you cannot propose at the moment; empty if you can."
    )
    why_none = ReasonShape(many=True, help_text="For an empty list: what ruled partners out.")
    results = SuggestionShape(many=True)
