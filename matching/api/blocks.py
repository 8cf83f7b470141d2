"""Endpoints of blocks: a party that is never to be met again, with all its stalls (layer: faces)."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_anchor, acting_merchant, asker
from accounts.models import Anchor, Merchant, Stall
from jobs.idempotency import Idempotent
from matching.api.base import MatchingView, checked_body
from matching.choices import Side
from matching.models import Block
from matching.selectors.blocks import blocks_of
from matching.services.blocks import block_party, unblock_party
from matchmaker.core.errors import NotFound
from matchmaker.core.serializers import StrictSerializer


class BlockInput(StrictSerializer):
    """Whom to block: an anchor names a stall, a merchant an anchor."""

    stall = serializers.UUIDField(
        required=False, help_text="For anchors; blocks all stalls of its merchant, those to come too."
    )
    anchor = serializers.UUIDField(required=False, help_text="For merchants: for all their stalls.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            message = _("Give either a stall or an anchor.")
            raise serializers.ValidationError({"stall": [message]})
        return attrs


class NamedShape(serializers.Serializer[Any]):
    """Something with an id and a name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class BlockShape(serializers.Serializer[Any]):
    """One block that a party of the asker holds."""

    id = serializers.UUIDField()
    side = serializers.ChoiceField(Side.choices, help_text="Yours: whose block it is.")
    merchant = NamedShape()
    stalls = NamedShape(many=True, help_text="All that the block covers today.")
    anchor = NamedShape()
    created_at = serializers.DateTimeField()


class BlockPageShape(serializers.Serializer[Any]):
    """One page of blocks, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = BlockShape(many=True)


@extend_schema(tags=["blocks"])
class Blocks(Idempotent, MatchingView, GenericAPIView[Block]):
    """The blocks of the asker's parties; those of others against them are nobody else's to see."""

    queryset = Block.objects.none()  # for the schema; `get` asks the selector

    @extend_schema(operation_id="blocks_list", responses=BlockPageShape)
    def get(self, request: Request) -> Response:
        """List whom your parties have blocked, newest first."""
        page = self.paginate_queryset(blocks_of(asker(request)))
        return self.get_paginated_response([_shown(block) for block in page or ()])

    @extend_schema(request=BlockInput, responses={201: BlockShape, 200: BlockShape})
    def post(self, request: Request) -> Response:
        """Block a party: the two are hidden from each other at once, and the other is not told."""
        side, merchant, anchor = _pair_of(request, checked_body(request, BlockInput))
        block, is_new = block_party(actor=asker(request), side=side, merchant=merchant, anchor=anchor)
        shown = blocks_of(asker(request)).get(pk=block.pk)
        return Response(_shown(shown), status=201 if is_new else 200)


@extend_schema(tags=["blocks"])
class OneBlock(MatchingView):
    """One block of the asker's parties."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, block_id: UUID) -> Response:
        """Take a block back; where the other side holds one too, that stays."""
        block = blocks_of(asker(request)).filter(public_id=block_id).first()
        if block is None:
            raise NotFound(_("There is no such block."), code="no_such_block")
        unblock_party(actor=asker(request), block=block)
        return Response(status=204)


def _pair_of(request: Request, values: dict[str, Any]) -> tuple[Side, Merchant, Anchor]:
    """Return who blocks (the side) and the pair; NotFound for an id that names nobody."""
    if "stall" in values:
        own_anchor = acting_anchor(request)
        stall = Stall.objects.select_related("merchant").filter(public_id=values["stall"]).first()
        if stall is None:
            raise NotFound(_("There is no such stall."), code="no_such_party")
        return Side.ANCHOR, stall.merchant, own_anchor
    own_merchant = acting_merchant(request)
    anchor = Anchor.objects.filter(public_id=values["anchor"]).first()
    if anchor is None:
        raise NotFound(_("There is no such anchor."), code="no_such_party")
    return Side.STALL, own_merchant, anchor


def _shown(block: Block) -> dict[str, Any]:
    return {
        "id": block.public_id,
        "side": block.side,
        "merchant": _named(block.merchant, block.merchant.name),
        "stalls": [_named(stall, stall.name) for stall in block.merchant.stalls.all()],
        "anchor": _named(block.anchor, block.anchor.display_name),
        "created_at": block.created_at,
    }


def _named(row: Merchant | Stall | Anchor, name: str) -> dict[str, Any]:
    return {"id": row.public_id, "name": name}
