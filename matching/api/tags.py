"""Endpoints of the tags held about a party: to read, to understand and to delete (layer: faces)."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_anchor, asker
from accounts.api.base import PartyView
from accounts.models import Anchor, Stall
from accounts.selectors import own_stall
from matching.selectors.suggestions import wants_personal
from matching.selectors.tags import HeldTag, tags_of
from matching.services.tags import erase_tag


class TagShape(serializers.Serializer[Any]):
    """One thing that is held about a party."""

    code = serializers.CharField()
    name = serializers.CharField(help_text="In the language of the request.")
    value = serializers.JSONField(
        allow_null=True, help_text="As it is kept; null where nothing is, [yes, of all] for what is counted."
    )
    text = serializers.CharField(help_text="The value in words; empty where there is none.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        ("declared", "counted"), help_text="declared: you said so; counted: from answers, matches, bookings."
    )
    since = serializers.DateTimeField(help_text="Since when it has this value, or is counted.")
    is_used_for_ranking = serializers.BooleanField()
    is_used_for_rules = serializers.BooleanField(help_text="Whether it decides who can be matched at all.")
    is_erasable = serializers.BooleanField()
    why_kept = serializers.CharField(help_text="Why it cannot be deleted; empty if it can.")


class TagListShape(serializers.Serializer[Any]):
    """Everything that is held about a party."""

    is_personalised = serializers.BooleanField(help_text="false: the party has switched it off.")
    tags = TagShape(many=True)


@extend_schema(tags=["tags"])
class StallTags(PartyView):
    """What the engine holds about one stall."""

    @extend_schema(responses=TagListShape)
    def get(self, request: Request, stall_id: UUID) -> Response:
        """List everything that is held about one of your stalls, and what each is used for."""
        return _answer(own_stall(asker(request), stall_id))


@extend_schema(tags=["tags"])
class OneStallTag(PartyView):
    """One tag of a stall."""

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, stall_id: UUID, code: str) -> Response:
        """Delete a tag: what you said is emptied, what was counted starts from nothing; lists follow."""
        erase_tag(actor=asker(request), party=own_stall(asker(request), stall_id), code=code)
        return Response(status=204)


@extend_schema(tags=["tags"])
class MyTags(PartyView):
    """What the engine holds about the asker's anchor."""

    @extend_schema(responses=TagListShape)
    def get(self, request: Request) -> Response:
        """List everything that is held about your anchor, and what each is used for."""
        return _answer(acting_anchor(request))


@extend_schema(tags=["tags"])
class MyTag(PartyView):
    """One tag of the asker's anchor."""

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, code: str) -> Response:
        """Delete a tag: what you said is emptied, what was counted starts from nothing; lists follow."""
        erase_tag(actor=asker(request), party=acting_anchor(request), code=code)
        return Response(status=204)


def _answer(party: Stall | Anchor) -> Response:
    tags = [_shown(held) for held in tags_of(party)]
    return Response({"is_personalised": wants_personal(party), "tags": tags})


def _shown(held: HeldTag) -> dict[str, Any]:
    tag = held.tag
    return {
        "code": tag.code,
        "name": str(tag.name),
        "value": held.value,
        "text": held.text,
        "source": "declared" if tag.is_declared else "counted",
        "since": held.since,
        "is_used_for_ranking": held.is_used_for_ranking,
        "is_used_for_rules": tag.is_rule,
        "is_erasable": tag.is_erasable,
        "why_kept": str(tag.why_kept),
    }
