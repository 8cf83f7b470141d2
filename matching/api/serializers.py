"""Shapes of matches in the API: what is taken and what is answered (layer: faces)."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.choices import CooperationMode, SessionMode
from matching.api.fields import CentsField, CommaField, RateField
from matching.choices import Awaiting, MatchStatus, Origin, OutcomeStatus, Role, Side
from matching.policy import PLACES_MAX, SESSIONS_PER_MATCH
from matching.states import SYSTEM, TRANSITIONS
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.serializers import MomentField, PlainTextField, StrictSerializer

# What somebody may be offered: a proposal has an endpoint of its own, and nobody makes the system's moves.
ACTIONS = [row.action for row in TRANSITIONS if row.action != "propose" and row.by != SYSTEM]


class WantedSessionInput(StrictSerializer):
    """One live broadcast that the terms ask for."""

    starts_at = MomentField(help_text="A whole hour; without an offset it is the town's time.")
    ends_at = MomentField(help_text="A whole hour, 1 to 12 hours later.")
    mode = serializers.ChoiceField(SessionMode.choices, default=SessionMode.EXCLUSIVE)
    places = serializers.IntegerField(
        default=1, min_value=1, max_value=PLACES_MAX, help_text="1 if exclusive, 2 to 20 if mixed."
    )


class TermsInput(StrictSerializer):
    """What one side offers the other."""

    commission_rate = RateField()
    slot_fee_cents = CentsField(default=0)
    cooperation_mode = serializers.ChoiceField(CooperationMode.choices)
    # min_length and max_length are those of the list, which the stubs do not know.
    sessions = WantedSessionInput(many=True, min_length=1, max_length=SESSIONS_PER_MATCH)  # type: ignore[call-arg]


class ProposalInput(StrictSerializer):
    """A proposal: the id of a suggestion, or a stall and an anchor, with the terms."""

    suggestion = serializers.CharField(required=False, max_length=128, help_text="Id of a suggestion.")
    stall = serializers.UUIDField(required=False)
    anchor = serializers.UUIDField(required=False)
    side = serializers.ChoiceField(
        Side.choices, required=False, help_text="Needed by those who act for the stall and for the anchor."
    )
    terms = TermsInput()
    note = PlainTextField(lines=True, required=False, max_length=2000, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        pair = {"stall", "anchor"} & set(attrs)
        if ("suggestion" in attrs) == bool(pair) or len(pair) == 1:
            message = _("Give either the id of a suggestion, or a stall and an anchor.")
            raise serializers.ValidationError({"suggestion": [message]})
        return attrs


def draft_of(values: dict[str, Any]) -> TermsDraft:
    """Return checked terms as the value that services take."""
    sessions = tuple(WantedSession(**session) for session in values["sessions"])
    return TermsDraft(**{**values, "sessions": sessions})


class AcceptInput(StrictSerializer):
    """An acceptance; `terms_digest` makes sure that it is of the terms that were read."""

    terms_digest = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="")
    note = PlainTextField(lines=True, required=False, max_length=2000, allow_blank=True, default="")


class CounterInput(StrictSerializer):
    """Other terms; `terms_digest` makes sure that they answer those that were read."""

    terms = TermsInput()
    terms_digest = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="")
    note = PlainTextField(lines=True, required=False, max_length=2000, allow_blank=True, default="")


class MoveInput(StrictSerializer):
    """A move that needs no more than saying so."""

    reason_code = serializers.SlugField(
        required=False, max_length=48, allow_blank=True, default="", help_text="A code of /reasons/."
    )
    note = PlainTextField(lines=True, required=False, max_length=2000, allow_blank=True, default="")


class ReasonedInput(MoveInput):
    """A move that needs a reason."""

    reason_code = serializers.SlugField(max_length=48, help_text="A code of /reasons/.")


class MatchQuery(StrictSerializer):
    """What the list of matches may be narrowed by."""

    status = CommaField(child=serializers.ChoiceField(MatchStatus.choices), required=False)
    side = serializers.ChoiceField(
        Side.choices, required=False, help_text="Only matches that you see from it."
    )
    stall = serializers.UUIDField(required=False)
    anchor = serializers.UUIDField(required=False)
    cursor = serializers.CharField(required=False)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class WantedSessionShape(serializers.Serializer[Any]):
    """A session that the terms ask for."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    mode = serializers.ChoiceField(SessionMode.choices)
    places = serializers.IntegerField()


class TermsShape(serializers.Serializer[Any]):
    """The terms that the match stands on now."""

    version = serializers.IntegerField()
    commission_rate = RateField()
    slot_fee_cents = CentsField()
    cooperation_mode = serializers.ChoiceField(CooperationMode.choices)
    sessions = WantedSessionShape(many=True)
    digest = serializers.CharField()
    proposed_by = serializers.ChoiceField(Role.choices)
    created_at = serializers.DateTimeField()


class TermsInWordsShape(TermsShape):
    """The same, and in sentences."""

    preview = serializers.CharField(help_text="In the language of the request.")


class MatchShape(serializers.Serializer[Any]):
    """A match in a list; cards show bands, in the language of the request."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(MatchStatus.choices)
    awaiting = serializers.ChoiceField(Awaiting.choices, help_text="Who has to answer.")
    side = serializers.ChoiceField(Side.choices, allow_null=True, help_text="Yours; null for staff.")
    proposed_by = serializers.ChoiceField(Role.choices)
    score = serializers.FloatField(allow_null=True, help_text="What the proposer's list showed, in points.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    origin = serializers.ChoiceField(Origin.choices)
    deadline_at = serializers.DateTimeField(
        allow_null=True, help_text="When it expires: unanswered while proposed, unapproved while agreed."
    )
    agreed_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    stall = serializers.DictField(help_text="Card of the stall.")
    anchor = serializers.DictField(help_text="Card of the anchor.")
    terms = TermsShape()
    allowed_actions = serializers.ListField(child=serializers.ChoiceField(ACTIONS))


class ContactShape(serializers.Serializer[Any]):
    """How to reach the partner."""

    name = serializers.CharField()
    phone = serializers.CharField()


class EventShape(serializers.Serializer[Any]):
    """One move of the match."""

    seq = serializers.IntegerField()
    action = serializers.CharField()
    from_status = serializers.CharField(allow_blank=True)
    to_status = serializers.ChoiceField(MatchStatus.choices)
    awaiting = serializers.ChoiceField(Awaiting.choices)
    actor_role = serializers.ChoiceField(Role.choices)
    reason_code = serializers.CharField(allow_blank=True)
    terms_digest = serializers.CharField()
    note = serializers.CharField(allow_blank=True, help_text="Notes of staff are for staff.")
    note_erased_at = serializers.DateTimeField(allow_null=True, help_text="When the note was taken back.")
    at = serializers.DateTimeField()


class BookingShape(serializers.Serializer[Any]):
    """One place of the match in one session."""

    id = serializers.UUIDField()
    session = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    mode = serializers.ChoiceField(SessionMode.choices)
    week_on = serializers.DateField(help_text="Monday of the town's week that it counts in.")
    released_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(
        OutcomeStatus.choices, allow_null=True, help_text="What is said of its outcome; null: none recorded."
    )


class MatchDetailShape(MatchShape):
    """A match with its events and bookings; the partner's contact only after both agreed."""

    terms = TermsInWordsShape()
    contact = ContactShape(allow_null=True)
    events = EventShape(many=True)
    bookings = BookingShape(many=True)


class MatchPageShape(serializers.Serializer[Any]):
    """One page of matches, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = MatchShape(many=True)
