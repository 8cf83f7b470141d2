"""Endpoints of outcomes: what a booking's session brought, and files of them (layer: faces)."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.api.imports import CSV_BODY, DRY_RUN, CSVParser, UploadParser, file_of, is_dry_run
from accounts.api.serializers import ImportSerializer
from accounts.models import User
from jobs.idempotency import Idempotent
from matching.access import VIEW, outcome_roles
from matching.api.base import MatchingView, checked_body
from matching.api.outcome_shapes import (
    DisputeInput,
    DuePageShape,
    FiguresInput,
    NoteInput,
    OutcomeShape,
    SettleInput,
)
from matching.choices import Role
from matching.imports import outcome_table
from matching.models import Booking, Outcome, OutcomeEvent
from matching.outcome_moves import outcome_actions
from matching.outcomes import Figures, metrics_of
from matching.policy import OUTCOMES_PER_FILE
from matching.selectors.outcomes import booking_of, due_bookings, fulfilment_of
from matching.services.outcome_imports import import_outcomes
from matching.services.outcomes import (
    can_be_told,
    confirm_outcome,
    correct_outcome,
    dispute_outcome,
    outcome_of,
    record_outcome,
    require_move,
    settle_outcome,
)
from matching.states import SIDES
from matchmaker.core import clock
from matchmaker.core.http import PreconditionFailed, check_if_match, with_etag
from matchmaker.core.renderers import OneKind
from matchmaker.core.serializers import StrictSerializer


@extend_schema(tags=["outcomes"])
class OneOutcome(Idempotent, MatchingView):
    """What the session of one booking brought."""

    may_match_methods = ("PUT",)

    @extend_schema(responses=OutcomeShape)
    def get(self, request: Request, booking_id: UUID) -> Response:
        """Read the outcome of a booking, with what follows from its figures; nulls while there is none."""
        return _shown(asker(request), booking_id)

    @extend_schema(request=FiguresInput, responses={200: OutcomeShape, 201: OutcomeShape})
    def put(self, request: Request, booking_id: UUID) -> Response:
        """Record what the session brought, or correct what your side recorded (with If-Match)."""
        user, booking = asker(request), booking_of(asker(request), booking_id)
        outcome = outcome_of(booking)
        require_move("correct" if outcome else "record", user, booking)
        if outcome is None and "If-Match" in request.headers:
            raise PreconditionFailed(_("Nothing has been recorded yet: send no If-Match."))
        version = check_if_match(request, outcome) if outcome else None
        values = checked_body(request, FiguresInput)
        given: dict[str, Any] = {"actor": user, "booking": booking, "note": values.pop("note")}
        if version is None:
            record_outcome(**given, figures=values)
            response = _shown(user, booking_id, status=201)
            response["Location"] = reverse("outcome", args=[booking_id])
            return response
        correct_outcome(**given, figures=values, version=version)
        return _shown(user, booking_id)


class OutcomeMove(Idempotent, MatchingView):
    """A move that may say which version of the figures it is about."""

    may_match_methods = ("POST",)
    action = ""
    input: type[StrictSerializer] = NoteInput

    def begin(self, request: Request, booking_id: UUID) -> dict[str, Any]:
        """Return actor, booking, body and the version that was read, as the move's service takes them."""
        user, booking = asker(request), booking_of(asker(request), booking_id)
        require_move(self.action, user, booking)
        outcome = outcome_of(booking)
        has_version = outcome is not None and "If-Match" in request.headers
        version = check_if_match(request, outcome) if outcome and has_version else None
        return {"actor": user, "booking": booking, "version": version} | checked_body(request, self.input)


@extend_schema(tags=["outcomes"])
class ConfirmOutcome(OutcomeMove):
    """The yes of the other side."""

    action = "confirm"

    @extend_schema(request=NoteInput, responses=OutcomeShape)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """Confirm the figures that the other side recorded."""
        confirm_outcome(**self.begin(request, booking_id))
        return _shown(asker(request), booking_id)


@extend_schema(tags=["outcomes"])
class DisputeOutcome(OutcomeMove):
    """The no of the other side."""

    action = "dispute"
    input = DisputeInput

    @extend_schema(request=DisputeInput, responses=OutcomeShape)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """Dispute the figures that the other side recorded: it corrects them, or town staff settle them."""
        dispute_outcome(**self.begin(request, booking_id))
        return _shown(asker(request), booking_id)


@extend_schema(tags=["outcomes"])
class SettleOutcome(OutcomeMove):
    """The last word of town staff."""

    action = "settle"
    input = SettleInput

    @extend_schema(request=SettleInput, responses=OutcomeShape)
    def post(self, request: Request, booking_id: UUID) -> Response:
        """Settle an outcome as town staff: as it stands, or by figures of your own, all of them."""
        given = self.begin(request, booking_id)
        names = ("actor", "booking", "version", "note")
        figures = {name: value for name, value in given.items() if name not in names}
        settle_outcome(**{name: given[name] for name in names}, figures=figures)
        return _shown(asker(request), booking_id)


@extend_schema(tags=["outcomes"])
class DueOutcomes(MatchingView, GenericAPIView[Booking]):
    """Sessions that are over and whose outcome is not known."""

    queryset = Booking.objects.none()  # for the schema; `get` asks the selector

    @extend_schema(responses=DuePageShape)
    def get(self, request: Request) -> Response:
        """List your bookings whose session is over and whose outcome nobody has recorded."""
        page = self.paginate_queryset(due_bookings(asker(request), clock.now()))
        return self.get_paginated_response([_due(booking) for booking in page or ()])


@extend_schema(tags=["outcomes"])
class OutcomeTemplate(MatchingView):
    """The same as a file to fill in."""

    content_negotiation_class = OneKind

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> HttpResponse:
        """Get those bookings as a CSV file to fill in and send to /outcomes/import/; the oldest 500."""
        due = due_bookings(asker(request), clock.now()).order_by("session__ends_at", "pk")
        headers = {"Content-Disposition": 'attachment; filename="outcomes.csv"'}
        table = outcome_table(due[:OUTCOMES_PER_FILE])
        return HttpResponse(table, headers=headers, content_type="text/csv; charset=utf-8")


@extend_schema(tags=["outcomes"], request=CSV_BODY, responses=ImportSerializer, parameters=[DRY_RUN])
class OutcomeImport(Idempotent, MatchingView):
    """Outcomes by a CSV file: UTF-8 or GB18030, Chinese or English headers, all rows or none."""

    parser_classes = [CSVParser, UploadParser]

    def post(self, request: Request) -> Response:
        """Record and correct many outcomes by a CSV file, for your sides; staff settle them."""
        report = import_outcomes(
            actor=asker(request), content=file_of(request), is_dry_run=is_dry_run(request)
        )
        return Response(report)


def _shown(user: User, booking_id: UUID, *, status: int = 200) -> Response:
    """Answer with the outcome as it now is, and its ETag once there is one."""
    booking = booking_of(user, booking_id)
    outcome = outcome_of(booking)
    roles = outcome_roles(user, booking.match)
    body: dict[str, Any] = {
        "booking": booking.public_id,
        "match": booking.match.public_id,
        "starts_at": booking.session.starts_at,
        "ends_at": booking.session.ends_at,
        "status": None,
        "recorded_as": None,
        "recorded_at": None,
        "updated_at": None,
        "figures": None,
        "metrics": None,
        "allowed_actions": _allowed(booking, outcome, roles),
        "events": [],
    }
    if outcome is None:
        return Response(body, status=status)
    reads_all = user.is_staff and user.has_perm(VIEW) and not roles & SIDES
    return with_etag(Response(body | _told(outcome, booking, reads_all), status=status), outcome)


def _told(outcome: Outcome, booking: Booking, reads_all: bool) -> dict[str, Any]:
    figures = Figures.of(outcome)
    events = outcome.events.select_related("note").order_by("seq")
    return {
        "status": outcome.status,
        "recorded_as": outcome.recorded_as,
        "recorded_at": outcome.created_at,
        "updated_at": outcome.updated_at,
        "figures": asdict(figures),
        "metrics": asdict(metrics_of(figures)) | {"fulfilment_rate": fulfilment_of(booking.match)},
        "events": [_event(event, reads_all) for event in events],
    }


def _allowed(booking: Booking, outcome: Outcome | None, roles: frozenset[str]) -> list[str]:
    if not can_be_told(booking, clock.now()):
        return []
    return outcome_actions(outcome.status if outcome else "", outcome.recorded_as if outcome else "", roles)


def _event(event: OutcomeEvent, reads_all: bool) -> dict[str, Any]:
    is_shown = event.note is not None and (reads_all or event.actor_role != Role.STAFF)
    return {
        "seq": event.seq,
        "action": event.action,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "actor_role": event.actor_role,
        "reason_code": event.reason_code,
        "figures": event.figures,
        "note": event.note.text if is_shown and event.note else "",
        "at": event.at,
    }


def _due(booking: Booking) -> dict[str, Any]:
    return {
        "booking": booking.public_id,
        "match": booking.match.public_id,
        "stall": booking.match.stall.name,
        "anchor": booking.match.anchor.display_name,
        "starts_at": booking.session.starts_at,
        "ends_at": booking.session.ends_at,
        "mode": booking.session.mode,
    }
