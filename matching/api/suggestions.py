"""Endpoints of suggestions: lists, reactions, impressions (layer: faces)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.acting import acting_anchor, asker
from accounts.cards import anchor_card, stall_card
from accounts.models import Anchor, Stall, User
from accounts.selectors import own_stall
from jobs.idempotency import Idempotent
from matching.access import Standing
from matching.api.base import MatchingView, checked_body, checked_query
from matching.api.suggestions_shapes import (
    AnchorListQuery,
    ImpressionsInput,
    ReactionInput,
    ReactionShape,
    RecordedShape,
    StallListQuery,
    SuggestionPageShape,
)
from matching.choices import ReactionKind, Side
from matching.filters import Filters
from matching.models import Reaction
from matching.reasons import HOW_RANKED
from matching.rules import REASON_TEXTS, can_be_asked, own_reasons, shown_to_sides
from matching.selectors import Suggestion, SuggestionPage, suggestions_for
from matching.services.impressions import Shown, record_impressions
from matching.services.quota import proposals_left
from matching.services.reactions import react, undo_reaction
from matching.tokens import SuggestionRef, make_suggestion_id, read_suggestion_id
from matchmaker.core.errors import InvalidInput, NotFound
from matchmaker.core.prepared import Prepared

FILTERS = frozenset(spec.name for spec in fields(Filters))


@extend_schema(tags=["suggestions"])
class StallSuggestions(MatchingView):
    """The anchors suggested to one stall."""

    @extend_schema(parameters=[AnchorListQuery], responses=SuggestionPageShape)
    def get(self, request: Request, stall_id: UUID) -> Response:
        """List anchors for one of your stalls, best first, each with its reasons."""
        query = checked_query(request, AnchorListQuery)
        return _listed(request, Side.STALL, own_stall(asker(request), stall_id), query)


@extend_schema(tags=["suggestions"])
class MySuggestions(MatchingView):
    """The stalls suggested to the asker's anchor."""

    @extend_schema(parameters=[StallListQuery], responses=SuggestionPageShape)
    def get(self, request: Request) -> Response:
        """List stalls for your anchor, best first, each with its reasons."""
        query = checked_query(request, StallListQuery)
        return _listed(request, Side.ANCHOR, acting_anchor(request), query)


@extend_schema(tags=["suggestions"])
class SuggestionReaction(MatchingView):
    """The asker's answer to one suggestion."""

    @extend_schema(request=ReactionInput, responses=ReactionShape)
    def put(self, request: Request, suggestion_id: str) -> Response:
        """Like, pass (30 days) or never again; the last answer stands."""
        side, stall, anchor = pair_of(asker(request), read_suggestion_id(suggestion_id))
        kind = checked_body(request, ReactionInput)["kind"]
        held = react(actor=asker(request), side=side, stall=stall, anchor=anchor, kind=kind)
        return Response({"suggestion": suggestion_id, "kind": held.kind, "until": held.until})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, suggestion_id: str) -> Response:
        """Take your answer back; doing it twice is harmless."""
        side, stall, anchor = pair_of(asker(request), read_suggestion_id(suggestion_id))
        undo_reaction(actor=asker(request), side=side, stall=stall, anchor=anchor)
        return Response(status=204)


@extend_schema(tags=["suggestions"])
class Impressions(Idempotent, MatchingView):
    """Which suggestions were seen."""

    @extend_schema(request=ImpressionsInput, responses={200: RecordedShape})
    def post(self, request: Request) -> Response:
        """Report which suggestions of one list somebody saw, at most 50 at once."""
        values = checked_body(request, ImpressionsInput)
        side, subject, shown = _shown(asker(request), values["suggestions"])
        recorded = record_impressions(
            actor=asker(request), side=side, subject=subject, list_id=values["list_id"], shown=shown
        )
        return Response({"recorded": recorded})


# --- lists -----------------------------------------------------------------------------------------


def _listed(request: Request, side: Side, subject: Stall | Anchor, query: dict[str, Any]) -> Response:
    page = suggestions_for(
        side=side,
        subject=subject,
        filters=_filters(query),
        exclude=_ids_of(side, query["exclude"]),
        cursor=query["cursor"],
        page_size=query["page_size"],
        personalised=query["personalised"],
    )
    return Response(_page(request, side, subject, page))


def _filters(query: dict[str, Any]) -> Filters:
    return Filters(**{name: value for name, value in query.items() if name in FILTERS})


def _ids_of(side: Side, public_ids: Sequence[UUID]) -> list[int]:
    if not public_ids:
        return []
    rows = Anchor.objects.all() if side == Side.STALL else Stall.objects.all()
    return list(rows.filter(public_id__in=public_ids).values_list("pk", flat=True))


def _page(request: Request, side: Side, subject: Stall | Anchor, page: SuggestionPage) -> dict[str, Any]:
    reasons = own_reasons(subject) if page.own_reasons is None else page.own_reasons
    left = proposals_left(side, subject.pk)
    may_propose = not reasons and left > 0
    reactions = _reactions(side, subject, page.items)
    return {
        "next": _next(request, page),
        "list_id": page.list_id,
        "source": page.source,
        "personalised": page.is_personalised,
        "how_ranked": str(HOW_RANKED[page.is_personalised]),
        "computed_at": page.computed_at,
        "proposals_left": left,
        "cannot_propose": [_reason(code) for code in reasons],
        "why_none": [_reason(code) | {"count": count} for code, count in _as_shown(page.why_none)],
        "results": [
            _suggestion(item, side, subject, page, reactions.get(item.partner.pk), may_propose)
            for item in page.items
        ],
    }


def _as_shown(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the counts by code as a side may read them: that a partner has blocked it is not among them."""
    shown: Counter[str] = Counter()
    for code, count in counts.items():
        shown[shown_to_sides([code])[0]] += count
    return list(shown.items())


def _next(request: Request, page: SuggestionPage) -> str | None:
    if page.next_cursor is None:
        return None
    return str(replace_query_param(request.build_absolute_uri(), "cursor", page.next_cursor))


def _suggestion(
    item: Suggestion,
    side: Side,
    subject: Stall | Anchor,
    page: SuggestionPage,
    reaction: str | None,
    may_propose: bool,
) -> dict[str, Any]:
    partner = item.partner
    actions = [kind for kind in ReactionKind.values if kind != reaction]
    if may_propose and can_be_asked(side, partner):
        actions.append("propose")
    return {
        "id": make_suggestion_id(side, subject.public_id, partner.public_id),
        "rank": item.rank,
        "partner": stall_card(partner) if isinstance(partner, Stall) else anchor_card(partner),
        "score": item.score,
        "base": item.base,
        "parts": item.parts,
        "adjustments": item.adjustments,
        "confidence": item.confidence,
        "reaction": reaction,
        "allowed_actions": actions,
        "computed_at": page.computed_at,
    }


def _reactions(side: Side, subject: Stall | Anchor, items: Sequence[Suggestion]) -> dict[int, str]:
    """Return the subject's own standing answers by partner id; only likes can still be in a list."""
    if not items:
        return {}
    return dict(_LIKES[side].rows([subject.pk], [item.partner.pk for item in items]))


def _likes(side: Side) -> Prepared:
    subject_key, partner_key = ("stall", "anchor") if side == Side.STALL else ("anchor", "stall")

    def of(subjects: Sequence[int], partners: Sequence[int]) -> QuerySet[Any, Any]:
        pairs = {f"{subject_key}__in": subjects, f"{partner_key}__in": partners}
        likes = Reaction.objects.filter(side=side.value, kind=ReactionKind.LIKE, **pairs)
        return likes.values_list(f"{partner_key}_id", "kind")

    return Prepared(of)


_LIKES = {side: _likes(side) for side in Side}


def _reason(code: str) -> dict[str, Any]:
    return {"code": code, "text": str(REASON_TEXTS[code])}


# --- suggestions named by their ids ----------------------------------------------------------------


def pair_of(user: User, ref: SuggestionRef) -> tuple[Side, Stall, Anchor]:
    """Return the pair of a suggestion of one of the user's parties, else NotFound."""
    stall = Stall.objects.filter(public_id=ref.stall_id).first()
    anchor = Anchor.objects.filter(public_id=ref.anchor_id).first()
    if stall is None or anchor is None:
        raise NotFound(code="no_such_suggestion")
    if not Standing.of(user).is_of(ref.side, stall=stall, anchor=anchor):
        raise NotFound(code="no_such_suggestion")
    return ref.side, stall, anchor


def _shown(user: User, rows: Sequence[dict[str, Any]]) -> tuple[Side, Stall | Anchor, list[Shown]]:
    """Return the one subject of these suggestions and what was shown to it."""
    refs = [read_suggestion_id(row["id"]) for row in rows]
    if len({(ref.side, ref.subject_id) for ref in refs}) != 1:
        raise InvalidInput(
            code="several_lists", fields={"suggestions": [_("All of them must be of one list.")]}
        )
    side = refs[0].side
    subjects, partners = (Stall, Anchor) if side == Side.STALL else (Anchor, Stall)
    subject = subjects.objects.filter(public_id=refs[0].subject_id).first()
    if subject is None or not Standing.of(user).is_member_of(subject):
        raise NotFound(code="no_such_suggestion")
    found = partners.objects.filter(public_id__in=[ref.partner_id for ref in refs])
    ids = dict(found.values_list("public_id", "pk"))
    shown = [
        Shown(ids[ref.partner_id], row["rank"], row["score"] * 100)
        for ref, row in zip(refs, rows, strict=True)
        if ref.partner_id in ids
    ]
    return side, subject, shown
