"""Lists as CSV files that a spreadsheet cannot take for formulas (layer: faces)."""

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from import_export.admin import ExportMixin
from import_export.formats.base_formats import CSV
from import_export.resources import Resource

from matchmaker.core.text import quote_cell


class SafeResource(Resource):
    """The columns of an export, every cell quoted where needed."""

    def export_resource(self, instance: Any, selected_fields: Any = None, **kwargs: Any) -> list[Any]:
        cells = super().export_resource(instance, selected_fields, **kwargs)
        return [quote_cell(cell) for cell in cells]


class CsvExport(ExportMixin):
    """An "Export" button on a list: the rows of the current filter as one CSV file."""

    formats = [CSV]
    skip_export_form = True
    # Excel reads UTF-8 only with the mark at its beginning.
    to_encoding = "utf-8-sig"

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet, **kwargs: Any
    ) -> Any:
        data = super().get_export_data(file_format, request, queryset, **kwargs)
        # Lists hold personal data: who took one away, and when, is on record.
        LogEntry.objects.create(
            user=request.user,  # type: ignore[misc]
            content_type=ContentType.objects.get_for_model(self.model),  # type: ignore[attr-defined]
            object_repr=str(self.opts.verbose_name_plural)[:200],  # type: ignore[attr-defined]
            action_flag=CHANGE,
            change_message=_("Rows exported: %(count)d.") % {"count": queryset.count()},
        )
        return data

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)  # type: ignore[attr-defined]
