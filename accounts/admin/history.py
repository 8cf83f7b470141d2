"""Former versions of a profile, to look at: going back is an edit, and services edit (layer: faces)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from simple_history.admin import SimpleHistoryAdmin


class HistoryAdmin(SimpleHistoryAdmin):
    """Shows former versions; restores none."""

    # The package's own list has styles inside, which the policy of our pages refuses.
    object_history_list_template = "admin/accounts/history_list.html"
    history_list_per_page = 50

    def get_history_queryset(self, *args: Any) -> Any:
        return super().get_history_queryset(*args).select_related("history_user")

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # The button is only hidden by `revert_disabled`; without this a POST would still save.
        if request.method != "GET":
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)
