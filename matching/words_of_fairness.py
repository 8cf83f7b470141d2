"""Names of sides and groups in figures of fairness, for command and page (layer: selectors)."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.cards import TIERS, tier
from accounts.selectors import reference

SIDES: dict[str, Any] = {"stall": _("stalls"), "anchor": _("anchors")}
KINDS: dict[str, Any] = {"zone": _("by zone"), "tier": _("by tier"), "category": _("by category")}
_REFERENCE = {"zone": "zones", "category": "categories"}
_LEAST = {code: least for least, code in TIERS}


def group_name(kind: str, code: str) -> str:
    """Return the name of a group in the active language, its code where it has none."""
    if kind == "tier":
        return tier(_LEAST[code])["name"] if code in _LEAST else code
    names = getattr(reference(), _REFERENCE[kind])
    return names[code].name if code in names else code
