"""Reference data: names may be corrected and rows retired, codes and rows stay (layer: faces)."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Category, Language, ReasonCode, Region, Style, Zone
from accounts.selectors import forget_reference


class ReferenceAdmin(admin.ModelAdmin):
    """A list of codes with names; nothing is deleted, since parties and history name the codes."""

    list_display = ["code", "name_zh", "name_en", "position", "is_retired"]
    list_display_links = ["code", "name_zh"]
    list_filter = ["is_retired"]
    search_fields = ["code", "name_zh", "name_en"]
    list_per_page = 100
    actions = ["retire", "restore"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code"] if obj else []

    @admin.action(description=gettext_lazy("Retire: no longer offered"), permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_retired(request, queryset, retired=True)

    @admin.action(description=gettext_lazy("Restore: offered again"), permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._set_retired(request, queryset, retired=False)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_reference()

    def _set_retired(self, request: HttpRequest, queryset: QuerySet, *, retired: bool) -> None:
        rows = list(queryset.exclude(is_retired=retired))
        for row in rows:
            row.is_retired = retired
            row.save(update_fields=["is_retired"])
            self.log_change(request, row, _("Retired.") if retired else _("Restored."))
        forget_reference()
        self.message_user(request, _("%(count)d changed.") % {"count": len(rows)})


@admin.register(Category)
class CategoryAdmin(ReferenceAdmin):
    list_display = [*ReferenceAdmin.list_display, "department"]
    list_filter = ["is_retired", "department"]


@admin.register(Region)
class RegionAdmin(ReferenceAdmin):
    list_display = [*ReferenceAdmin.list_display, "area"]
    list_filter = ["is_retired", "area"]


@admin.register(ReasonCode)
class ReasonCodeAdmin(ReferenceAdmin):
    list_display = [*ReferenceAdmin.list_display, "purpose"]
    list_filter = ["is_retired", "purpose"]


admin.site.register([Style, Zone, Language], ReferenceAdmin)
