"""What the admin pages of every app share: pages to look at only, dates with a colour (layer: core)."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

from matchmaker.core.weeks import town_today

SOON = timedelta(days=30)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list and a page to look at: rows come and change through services only."""

    actions_on_top = True
    list_per_page = 50
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        # The page of a former version builds a form even for those who may not change anything.
        named = flatten_fieldsets(self.fieldsets) if self.fieldsets else list(self.fields or [])
        return [*dict.fromkeys([*self.readonly_fields, *named])]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def may_change(self, request: HttpRequest) -> bool:
        """Tell whether the user holds the change permission, which opens the actions and never the form."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class ReadOnlyInline(admin.TabularInline):
    """Rows of a page to look at."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def badge(tone: str, text: object) -> str:
    """Return `text` in a small coloured frame; tones are those of admin.css."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, text)


def expiry(on: date | None, *, empty: str) -> str:
    """Return a date that shows by its colour whether it is over or near."""
    if on is None:
        return empty
    left = on - town_today()
    shown = date_format(on, "Y-m-d")
    if left < timedelta(0):
        return badge("bad", _("%(date)s, expired") % {"date": shown})
    if left <= SOON:
        return badge("warn", _("%(date)s, in %(days)d days") % {"date": shown, "days": left.days})
    return shown
