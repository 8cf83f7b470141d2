"""The admin pages of matching, and the name on every page (layer: faces)."""

from django.conf import settings
from django.contrib import admin
from django.utils.functional import lazystr
from django.utils.text import format_lazy
from django.utils.translation import get_language, gettext_lazy

from matching.admin import invariants, learned, lists, matchdays, matches, outcomes, rules

__all__ = ["invariants", "learned", "lists", "matchdays", "matches", "outcomes", "rules"]


def town_name() -> str:
    """Return the town's name in the language of the request."""
    return settings.TOWN_NAME_ZH if (get_language() or "zh").startswith("zh") else settings.TOWN_NAME_EN


class _TownName:
    def __str__(self) -> str:
        return town_name()


admin.site.site_header = format_lazy("{} · {}", lazystr(_TownName()), gettext_lazy("Matchmaker"))
admin.site.site_title = gettext_lazy("Matchmaker")
# The queue needs the width; the first page and the breadcrumbs lead everywhere.
admin.site.enable_nav_sidebar = False
admin.site.site_url = None
admin.site.index_title = gettext_lazy("What waits for you")
