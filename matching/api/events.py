"""Endpoints of a match's events: read the chain, take a note back (layer: faces)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.models import ReasonCode
from matching.access import Standing
from matching.api.base import MatchingView
from matching.api.matches import match_of
from matching.api.render import event_row, is_note_shown, reads_as_staff
from matching.api.serializers import EventShape
from matching.models import MatchEvent, Note
from matching.services.notes import erase_note
from matchmaker.core.errors import NotFound
from matchmaker.core.pagination import CursorPages


class ChainedEventShape(EventShape):
    """One move of the match, linked to the one before (docs/events.md)."""

    reason_name = serializers.CharField(
        allow_blank=True, help_text="The reason in the language of the request."
    )
    prev_hash = serializers.CharField(allow_blank=True, help_text="Of the event before; empty for the first.")
    hash = serializers.CharField(help_text="Over the hash before and this event, without its note.")


class EventPageShape(serializers.Serializer[Any]):
    """One page of events, oldest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = ChainedEventShape(many=True)


class EventPages(CursorPages):
    """Oldest first, as the chain grows."""

    ordering = "seq"


@extend_schema(tags=["matches"])
class MatchEvents(MatchingView, GenericAPIView[MatchEvent]):
    """The events of a match of the asker's parties; staff see those of all."""

    queryset = MatchEvent.objects.none()  # for the schema; `get` asks for those of the match
    pagination_class = EventPages

    @extend_schema(operation_id="matches_events_list", responses=EventPageShape)
    def get(self, request: Request, match_id: UUID) -> Response:
        """List what happened to a match, oldest first, each event with the hash that binds it."""
        user = asker(request)
        match = match_of(user, match_id)
        is_staff = reads_as_staff(match, Standing.of(user))
        page = self.paginate_queryset(match.events.select_related("note")) or []
        names = _names_of_reasons(page)
        return self.get_paginated_response([_chained(event, is_staff, names) for event in page])


@extend_schema(tags=["matches"])
class EventNote(MatchingView):
    """What somebody wrote beside an event."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, match_id: UUID, seq: int) -> Response:
        """Erase a note that you wrote; the event stays. Doing it twice is harmless."""
        user = asker(request)
        match = match_of(user, match_id)
        event = match.events.select_related("note").filter(seq=seq).first()
        is_staff = reads_as_staff(match, Standing.of(user))
        erase_note(actor=user, note=_note_of(event, is_staff))
        return Response(status=204)


def _note_of(event: MatchEvent | None, is_staff: bool) -> Note:
    if event is None or event.note is None or not is_note_shown(event, is_staff=is_staff):
        raise NotFound(_("There is no such note."), code="no_such_note")
    return event.note


def _chained(event: MatchEvent, is_staff: bool, names: Mapping[str, str]) -> dict[str, Any]:
    return event_row(event, is_staff=is_staff) | {
        "reason_name": names.get(event.reason_code, ""),
        "prev_hash": event.prev_hash,
        "hash": event.hash,
    }


def _names_of_reasons(events: Sequence[MatchEvent]) -> dict[str, str]:
    """Return the names of the events' reasons, retired ones too, in the asker's language."""
    codes = {event.reason_code for event in events} - {""}
    if not codes:
        return {}
    return {reason.code: reason.name for reason in ReasonCode.objects.filter(code__in=codes)}
