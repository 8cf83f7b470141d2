"""Endpoints of terms: the versions of a match, and a preview of terms to be sent (layer: faces)."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.models import Anchor, Stall, User
from accounts.selectors import reference
from matching.access import Standing, matches_of
from matching.api.base import MatchingView, checked_body
from matching.api.fields import CentsField, RateField
from matching.api.render import plain_terms
from matching.api.serializers import TermsInput, TermsInWordsShape, draft_of
from matching.choices import Role, Side
from matching.models import Match, Terms
from matching.selectors.norms import TOO_FEW, Norm, norms_of_stall
from matching.services.previews import Caution, preview_terms
from matching.terms_in_words import changes_between, norm_sentence, preview_of
from matchmaker.core.errors import InvalidInput, NotFound
from matchmaker.core.serializers import StrictSerializer


class PreviewInput(StrictSerializer):
    """Terms, the stall that they are for, and the anchor if it is known."""

    stall = serializers.UUIDField()
    anchor = serializers.UUIDField(
        required=False, help_text="With it calendars, floors and hard rules are checked too."
    )
    side = serializers.ChoiceField(
        Side.choices, required=False, help_text="Needed by those who act for the stall and for the anchor."
    )
    terms = TermsInput()


class ChangeShape(serializers.Serializer[Any]):
    """One difference to the version before; of a session that came or went, one side is null."""

    field = serializers.CharField()  # type: ignore[assignment]
    text = serializers.CharField(help_text="In the language of the request.")

    def get_fields(self) -> dict[str, Any]:
        """A field named `from` cannot be written as an attribute."""
        ends = {name: serializers.JSONField(allow_null=True) for name in ("from", "to")}
        return super().get_fields() | ends


class VersionShape(TermsInWordsShape):
    """One version of the terms; no version ever changes."""

    is_current = serializers.BooleanField()
    is_frozen = serializers.BooleanField(help_text="Both agreed to it, so no other can follow.")
    changes = ChangeShape(many=True)


class QuartilesShape(serializers.Serializer[Any]):
    """The middle of the commission rates, and the bounds of their middle half."""

    lower = RateField()
    median = RateField()
    upper = RateField()


class NamedCodeShape(serializers.Serializer[Any]):
    """A code with its name."""

    code = serializers.CharField()
    name = serializers.CharField()


class NormShape(serializers.Serializer[Any]):
    """What matches of one category agreed on in the last 180 days."""

    category = NamedCodeShape()
    matches = serializers.IntegerField(help_text="0 where too few agreed.")
    commission_rate = QuartilesShape(allow_null=True)
    pure_commission_rate = RateField(allow_null=True, help_text="Share of matches without a slot fee.")
    slot_fee_median_cents = CentsField(allow_null=True, help_text="Of the matches with a slot fee.")
    why_none = serializers.ChoiceField(
        [TOO_FEW], allow_null=True, help_text="too_few: a figure would tell somebody's terms."
    )
    text = serializers.CharField(help_text="In the language of the request.")


class MatchTermsShape(serializers.Serializer[Any]):
    """All versions of a match's terms, oldest first, and what is usual in the town."""

    versions = VersionShape(many=True)
    norms = NormShape(many=True)


class CautionShape(serializers.Serializer[Any]):
    """Something to know before proposing."""

    code = serializers.ChoiceField(["commission_below_floor", "commission_unusual", "hours_closed"])
    field = serializers.CharField()  # type: ignore[assignment]
    text = serializers.CharField()
    is_refusal = serializers.BooleanField(help_text="A proposal of these terms would be refused for it.")


class PreviewShape(serializers.Serializer[Any]):
    """What terms would mean."""

    preview = serializers.CharField(help_text="In the language of the request.")
    digest = serializers.CharField(help_text="What the terms will be known by.")
    norms = NormShape(many=True)
    warnings = CautionShape(many=True)


@extend_schema(tags=["matches"])
class MatchTerms(MatchingView):
    """The versions of one match's terms."""

    @extend_schema(responses=MatchTermsShape)
    def get(self, request: Request, match_id: UUID) -> Response:
        """Read every version in words with what it changed, and what is usual in the stall's categories."""
        match = matches_of(asker(request)).select_related("stall").filter(public_id=match_id).first()
        if match is None:
            raise NotFound(_("There is no such match."), code="no_such_match")
        versions = list(match.versions.order_by("number"))
        befores: list[Terms | None] = [None, *versions]
        return Response(
            {
                "versions": [
                    _version(match, before, terms) for before, terms in zip(befores, versions, strict=False)
                ],
                "norms": [_norm(norm) for norm in norms_of_stall(match.stall)],
            }
        )


@extend_schema(tags=["matches"])
class TermsPreviews(MatchingView):
    """What terms would mean; nothing is stored."""

    @extend_schema(request=PreviewInput, responses={200: PreviewShape})
    def post(self, request: Request) -> Response:
        """Read terms in plain words with the town's norms and what would speak against them."""
        values = checked_body(request, PreviewInput)
        stall, anchor = _parties(values)
        role, terms = _role(asker(request), values.get("side", ""), stall, anchor), draft_of(values["terms"])
        found = preview_terms(actor=asker(request), role=role, stall=stall, anchor=anchor, terms=terms)
        return Response(
            {
                "preview": preview_of(terms),
                "digest": terms.digest(),
                "norms": [_norm(norm) for norm in found.norms],
                "warnings": [_caution(caution) for caution in found.cautions],
            }
        )


def _parties(values: dict[str, Any]) -> tuple[Stall, Anchor | None]:
    stall = Stall.objects.select_related("merchant").filter(public_id=values["stall"]).first()
    anchor = Anchor.objects.filter(public_id=values["anchor"]).first() if "anchor" in values else None
    if stall is None or (anchor is None and "anchor" in values):
        raise NotFound(code="no_such_party")
    return stall, anchor


def _role(user: User, side: str, stall: Stall, anchor: Anchor | None) -> str:
    """Return as whom the user asks: for the side they act for, else as staff, which the service checks."""
    if side:
        return side
    standing = Standing.of(user)
    own = [party for party in (stall, anchor) if party is not None and standing.is_member_of(party)]
    if len(own) > 1:
        message = _("You act for both. Say for whom you propose.")
        raise InvalidInput(code="side_ambiguous", fields={"side": [message]})
    if not own:
        return Role.STAFF
    return Role.STALL if own[0] is stall else Role.ANCHOR


def _version(match: Match, before: Terms | None, terms: Terms) -> dict[str, Any]:
    is_current = terms.pk == match.terms_id
    changes = changes_between(before, terms) if before is not None else []
    return plain_terms(terms) | {
        "preview": preview_of(terms),
        "is_current": is_current,
        "is_frozen": is_current and match.agreed_at is not None,
        "changes": [change.as_json() for change in changes],
    }


def _norm(norm: Norm) -> dict[str, Any]:
    item, usual = reference().categories.get(norm.category), norm.commission
    return {
        "category": item.labelled() if item else {"code": norm.category, "name": norm.category},
        "matches": norm.matches,
        "commission_rate": usual and {"lower": usual.lower, "median": usual.median, "upper": usual.upper},
        "pure_commission_rate": norm.pure_commission_rate,
        "slot_fee_median_cents": norm.slot_fee_median_cents,
        "why_none": norm.why_none or None,
        "text": norm_sentence(norm),
    }


def _caution(caution: Caution) -> dict[str, Any]:
    return {
        "code": caution.code,
        "field": caution.field,
        "text": caution.text,
        "is_refusal": caution.is_refusal,
    }
