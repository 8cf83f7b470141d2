"""Endpoints of matches: propose, read, and one for every move that people make (layer: faces)."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.models import Anchor, Stall, User
from jobs.idempotency import Idempotent
from matching.access import Standing, matches_of, may_propose_to_both, roles_for
from matching.api.base import MatchingView, checked_body, checked_query
from matching.api.render import match_detail, match_summary
from matching.api.serializers import (
    AcceptInput,
    CounterInput,
    MatchDetailShape,
    MatchPageShape,
    MatchQuery,
    MoveInput,
    ProposalInput,
    ReasonedInput,
    draft_of,
)
from matching.choices import Role, Side
from matching.models import Match
from matching.services.matches import (
    accept_match,
    approve_match,
    cancel_match,
    complete_match,
    counter_match,
    decline_match,
    fail_match,
    propose_match,
    propose_to_both,
    reject_match,
    withdraw_match,
)
from matching.tokens import read_suggestion_id
from matchmaker.core.errors import InvalidInput, NotFound
from matchmaker.core.http import check_if_match, with_etag
from matchmaker.core.serializers import StrictSerializer


@extend_schema(tags=["matches"])
class Matches(Idempotent, MatchingView, GenericAPIView[Match]):
    """The matches of the asker's parties; staff see all."""

    queryset = Match.objects.none()  # for the schema; `get` asks the selector
    query_names = frozenset(MatchQuery().fields)

    @extend_schema(operation_id="matches_list", parameters=[MatchQuery], responses=MatchPageShape)
    def get(self, request: Request) -> Response:
        """List matches, newest first, as either side."""
        user = asker(request)
        standing = Standing.of(user)
        rows = _narrowed(_loaded(matches_of(user)), standing, checked_query(request, MatchQuery))
        page = self.paginate_queryset(rows)
        return self.get_paginated_response([match_summary(match, standing) for match in page or ()])

    @extend_schema(request=ProposalInput, responses={201: MatchDetailShape})
    def post(self, request: Request) -> Response:
        """Propose a match; one that crosses a proposal of the other side accepts or counters it.

        Town staff who belong to neither side propose to both, and both then have to accept.
        """
        values = checked_body(request, ProposalInput)
        role, stall, anchor = _pair_of(asker(request), values)
        terms, note = draft_of(values["terms"]), values["note"]
        given: dict[str, Any] = {"stall": stall, "anchor": anchor, "terms": terms, "note": note}
        if role == Role.STAFF:
            match = propose_to_both(actor=asker(request), **given)
        else:
            match = propose_match(actor=asker(request), side=role, **given)
        response = _shown(asker(request), match.public_id, status=201)
        response["Location"] = reverse("match", args=[match.public_id])
        return response


@extend_schema(tags=["matches"])
class OneMatch(MatchingView):
    """One match of the asker's parties."""

    @extend_schema(responses=MatchDetailShape)
    def get(self, request: Request, match_id: UUID) -> Response:
        """Read a match with its terms, events and bookings."""
        return _shown(asker(request), match_id)


@extend_schema(tags=["matches"])
class AcceptMatch(Idempotent, MatchingView):
    """The yes of an awaited side."""

    may_match_methods = ("POST",)

    @extend_schema(request=AcceptInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Accept the terms; once both sides have, hours and capacity are reserved."""
        match = _match_for("accept", asker(request), match_id)
        values = checked_body(request, AcceptInput)
        accept_match(actor=asker(request), match=match, version=_seen(request, match), **values)
        return _shown(asker(request), match_id)


@extend_schema(tags=["matches"])
class CounterMatch(Idempotent, MatchingView):
    """Other terms of an awaited side."""

    may_match_methods = ("POST",)

    @extend_schema(request=CounterInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Answer with other terms, which the other side then has to answer."""
        match = _match_for("counter", asker(request), match_id)
        values = checked_body(request, CounterInput)
        values["terms"] = draft_of(values["terms"])
        counter_match(actor=asker(request), match=match, version=_seen(request, match), **values)
        return _shown(asker(request), match_id)


class Move(Idempotent, MatchingView):
    """A move that takes a reason and a note and nothing else."""

    may_match_methods = ("POST",)
    action = ""
    input: type[StrictSerializer] = MoveInput

    def move(self, *, actor: User, match: Match, reason_code: str, note: str, version: int | None) -> Match:
        """Call the service of this move."""
        raise NotImplementedError

    def answer(self, request: Request, match_id: UUID) -> Response:
        """Make the move and show the match as it then is."""
        match = _match_for(self.action, asker(request), match_id)
        values = checked_body(request, self.input)
        self.move(actor=asker(request), match=match, version=_seen(request, match), **values)
        return _shown(asker(request), match_id)


@extend_schema(tags=["matches"])
class DeclineMatch(Move):
    """The no of an awaited side."""

    action = "decline"
    input = MoveInput
    move = staticmethod(decline_match)

    @extend_schema(request=MoveInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Decline the proposal; the pair is not suggested for 30 days."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class WithdrawMatch(Move):
    """The end of a proposal or an agreement by either side."""

    action = "withdraw"
    input = MoveInput
    move = staticmethod(withdraw_match)

    @extend_schema(request=MoveInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Withdraw; hours and capacity that were reserved are free again."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class CancelMatch(Move):
    """The end of an approved match."""

    action = "cancel"
    input = ReasonedInput
    move = staticmethod(cancel_match)

    @extend_schema(request=ReasonedInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Cancel an approved match, as a side until its first session begins."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class ApproveMatch(Move):
    """The town's yes."""

    action = "approve"
    input = MoveInput
    move = staticmethod(approve_match)

    @extend_schema(request=MoveInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Approve an agreed match as town staff; every hard rule is checked again."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class RejectMatch(Move):
    """The town's no."""

    action = "reject"
    input = ReasonedInput
    move = staticmethod(reject_match)

    @extend_schema(request=ReasonedInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Reject an agreed match as town staff; what was reserved is free again."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class CompleteMatch(Move):
    """The good end, noted by town staff."""

    action = "complete"
    input = MoveInput
    move = staticmethod(complete_match)

    @extend_schema(request=MoveInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Note that all sessions took place; outcomes that are recorded do it by themselves."""
        return self.answer(request, match_id)


@extend_schema(tags=["matches"])
class FailMatch(Move):
    """The bad end, noted by town staff."""

    action = "fail"
    input = ReasonedInput
    move = staticmethod(fail_match)

    @extend_schema(request=ReasonedInput, responses=MatchDetailShape)
    def post(self, request: Request, match_id: UUID) -> Response:
        """Note that a session did not take place; what was reserved is free again."""
        return self.answer(request, match_id)


def _loaded(rows: QuerySet[Match]) -> QuerySet[Match]:
    return rows.select_related("stall__merchant", "anchor", "terms")


def _narrowed(rows: QuerySet[Match], standing: Standing, query: dict[str, Any]) -> QuerySet[Match]:
    if query.get("status"):
        rows = rows.filter(status__in=query["status"])
    if query.get("side") == Side.STALL:
        rows = rows.filter(stall__merchant_id__in=standing.merchant_ids)
    if query.get("side") == Side.ANCHOR:
        rows = rows.filter(anchor_id__in=standing.anchor_ids)
    for name in {"stall", "anchor"} & set(query):
        rows = rows.filter(**{f"{name}__public_id": query[name]})
    return rows


def _match_for(action: str, user: User, match_id: UUID) -> Match:
    """Return the match; who may not make the move is told so before what is wrong with the request."""
    match = match_of(user, match_id)
    roles_for(action, user, match)
    return match


def _seen(request: Request, match: Match) -> int | None:
    """Return the version that If-Match names, None without that header; PreconditionFailed for another."""
    return check_if_match(request, match) if "If-Match" in request.headers else None


def match_of(user: User, match_id: UUID) -> Match:
    """Return the match with what its pages show; NotFound for one that is not the user's to see."""
    match = _loaded(matches_of(user)).filter(public_id=match_id).first()
    if match is None:
        raise NotFound(_("There is no such match."), code="no_such_match")
    return match


def _shown(user: User, match_id: UUID, *, status: int = 200) -> Response:
    match = match_of(user, match_id)
    events = match.events.select_related("note").order_by("seq")
    bookings = match.bookings.select_related("session", "outcome").order_by("session__starts_at", "pk")
    detail = match_detail(match, Standing.of(user), list(events), list(bookings))
    return with_etag(Response(detail, status=status), match)


def _pair_of(user: User, values: dict[str, Any]) -> tuple[str, Stall, Anchor]:
    """Return as whom the user proposes, and the pair; NotFound for ids that name nobody."""
    if "suggestion" in values:
        ref = read_suggestion_id(values["suggestion"])
        stall_id, anchor_id, side = ref.stall_id, ref.anchor_id, str(ref.side)
    else:
        stall_id, anchor_id, side = values["stall"], values["anchor"], values.get("side", "")
    stall = Stall.objects.select_related("merchant").filter(public_id=stall_id).first()
    anchor = Anchor.objects.filter(public_id=anchor_id).first()
    if stall is None or anchor is None:
        raise NotFound(code="no_such_party")
    return side or _side_of(user, stall, anchor), stall, anchor


def _side_of(user: User, stall: Stall, anchor: Anchor) -> str:
    standing = Standing.of(user)
    sides = [side for side in Side.values if standing.is_of(side, stall=stall, anchor=anchor)]
    if not sides and may_propose_to_both(user):
        return Role.STAFF
    if not sides:
        raise NotFound(code="no_such_party")
    if len(sides) > 1:
        message = _("You act for both. Say for whom you propose.")
        raise InvalidInput(code="side_ambiguous", fields={"side": [message]})
    return sides[0]
