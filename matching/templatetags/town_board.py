"""The board of waiting work, for the first page of the admin (layer: faces)."""

from typing import Any

from django import template

from matching.admin.board import tiles_for

register = template.Library()


@register.inclusion_tag("admin/matching/board.html", takes_context=True)
def town_board(context: dict[str, Any]) -> dict[str, Any]:
    """Show the tiles that the user of the page may act on."""
    return {"tiles": tiles_for(context["request"].user)}
