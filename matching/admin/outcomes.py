"""What sessions brought: the list, disputes first, a page for each, settling, and files (layer: faces)."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.decisions import Decision, ask_and_decide
from accounts.admin.exports import CsvExport
from matching.access import SETTLE
from matching.admin.outcome_page import (
    STATUS_TONES,
    OutcomeResource,
    events_of,
    figure_rows,
    metric_rows,
    session_line,
)
from matching.choices import OutcomeStatus
from matching.models import Booking, Outcome
from matching.outcomes import FIGURES, Figures, limits_of, metrics_of
from matching.selectors.outcomes import fulfilment_of
from matching.services.outcome_imports import import_outcomes
from matching.services.outcomes import outcome_of, settle_outcome
from matching.states import OUTCOME_TRANSITIONS
from matchmaker.core.admin import ReadOnlyAdmin, badge
from matchmaker.core.errors import DomainError
from matchmaker.core.money import percent, yuan
from matchmaker.core.parsers import read_limited

SETTLED_FROM = next(row.sources for row in OUTCOME_TRANSITIONS if row.action == "settle")


def _field(name: str) -> forms.Field:
    """Return the field in which people type a figure: yuan, hours and minutes, or a whole number."""
    column: Any = Outcome._meta.get_field(name)
    least, most = limits_of(name)
    if name.endswith("_cents"):
        return forms.DecimalField(
            label=column.verbose_name,
            help_text=gettext_lazy("Yuan."),
            min_value=Decimal(least) / 100,
            max_value=Decimal(most) / 100,
            decimal_places=2,
        )
    if name.endswith("_seconds"):
        hint = gettext_lazy("Hours, minutes and seconds, such as 2:00:00.")
        return forms.DurationField(label=column.verbose_name, help_text=hint)
    return forms.IntegerField(label=column.verbose_name, min_value=least, max_value=most)


def _shown(name: str, value: int) -> Any:
    if name.endswith("_cents"):
        return (Decimal(value) / 100).quantize(Decimal("0.01"))
    return timedelta(seconds=value) if name.endswith("_seconds") else value


def _stored(name: str, value: Any) -> int:
    if name.endswith("_cents"):
        return int(value * 100)
    return int(value.total_seconds()) if name.endswith("_seconds") else int(value)


class FiguresForm(forms.Form):
    """The figures of one session as people write them, and a note."""

    def __init__(self, data: Any = None, *, outcome: Outcome | None = None) -> None:
        first: dict[str, Any] = {}
        if outcome is not None:
            first = {name: _shown(name, getattr(outcome, name)) for name in FIGURES}
            first["version"] = outcome.version
        super().__init__(data, initial=first)
        self.fields |= {name: _field(name) for name in FIGURES}
        self.fields["note"] = forms.CharField(
            label=gettext_lazy("note"), required=False, max_length=2000, widget=forms.Textarea({"rows": 3})
        )
        # What the page was made from: settling something else than was read is refused.
        self.fields["version"] = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def figures(self) -> dict[str, int]:
        """Return the figures of a valid form as the service takes them."""
        return {name: _stored(name, self.cleaned_data[name]) for name in FIGURES}

    def refuse(self, error: DomainError) -> None:
        """Show a refusal where it belongs."""
        for name, texts in error.fields.items():
            self.add_error(name if name in self.fields else None, [str(text) for text in texts])
        if not error.fields:
            self.add_error(None, str(error.detail))


class FileForm(forms.Form):
    """One CSV file."""

    file = forms.FileField(label=gettext_lazy("CSV file"))


@admin.register(Outcome)
class OutcomeAdmin(CsvExport, ReadOnlyAdmin):
    resource_classes = [OutcomeResource]
    import_export_change_list_template = "admin/matching/outcome/change_list.html"
    list_display = ["session", "state", "gmv", "net_gmv", "orders", "viewers", "conversion", "returns"]
    list_display_links = None
    list_filter = ["status", "recorded_as", "booking__stall__zone"]
    list_select_related = ["booking__session", "booking__match__stall", "booking__match__anchor"]
    search_fields = ["booking__stall__name", "booking__match__anchor__display_name", "booking__public_id"]
    # Disputes first, then what waits for the other side.
    ordering = [
        Case(
            When(status=OutcomeStatus.DISPUTED, then=Value(0)),
            When(status=OutcomeStatus.RECORDED, then=Value(1)),
            default=Value(2),
        ),
        "-booking__session__starts_at",
        "-pk",
    ]
    sortable_by = ()
    actions = ["settle"]

    def has_settle_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(SETTLE)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("booking/<int:booking_id>/", wrap(self.settle_view), name="matching_outcome_settle"),
            path("import/", wrap(self.import_view), name="matching_outcome_import"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        more = {"may_settle": self.has_settle_permission(request)} | (extra_context or {})
        return super().changelist_view(request, more)

    # --- columns ---

    @admin.display(description=gettext_lazy("session"))
    def session(self, row: Outcome) -> str:
        url = reverse("admin:matching_outcome_change", args=[row.pk])
        line = session_line(row.booking)
        return format_html('<a href="{}">{}</a><div class="quiet">{}</div>', url, row.booking.match, line)

    @admin.display(description=gettext_lazy("state"))
    def state(self, row: Outcome) -> str:
        return badge(STATUS_TONES[OutcomeStatus(row.status)], row.get_status_display())

    @admin.display(description=gettext_lazy("GMV"))
    def gmv(self, row: Outcome) -> str:
        return yuan(row.gmv_cents)

    @admin.display(description=gettext_lazy("net GMV"))
    def net_gmv(self, row: Outcome) -> str:
        return yuan(metrics_of(Figures.of(row)).net_gmv_cents)

    @admin.display(description=gettext_lazy("conversion rate"))
    def conversion(self, row: Outcome) -> str:
        rate = metrics_of(Figures.of(row)).conversion_rate
        return "–" if rate is None else percent(rate)

    @admin.display(description=gettext_lazy("return rate"))
    def returns(self, row: Outcome) -> str:
        rate = metrics_of(Figures.of(row)).return_rate
        return "–" if rate is None else percent(rate)

    # --- settling ---

    @admin.action(description=gettext_lazy("Settle as recorded …"), permissions=["settle"])
    def settle(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        decision = Decision(
            action="settle",
            title=_("Settle these outcomes as they were recorded"),
            button=_("Settle"),
            decide=partial(self._settle, request),
            describe=lambda rows: [[f"{name}: {value}" for name, value in figure_rows(row)] for row in rows],
            hint=_("The figures hold from then on. To settle others, open the outcome."),
        )
        return ask_and_decide(self, request, queryset.select_related(*self.list_select_related), decision)

    @staticmethod
    def _settle(request: HttpRequest, row: Outcome, reason_code: str, note: str) -> None:
        settle_outcome(actor=request.user, booking=row.booking, note=note)  # type: ignore[arg-type]

    def settle_view(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """Fix the figures of one booking: those that were recorded, others, or the first there are."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        booking = self._booking(booking_id)
        form = FiguresForm(request.POST or None, outcome=outcome_of(booking))
        if request.method == "POST" and form.is_valid():
            try:
                done = settle_outcome(
                    actor=request.user,  # type: ignore[arg-type]
                    booking=booking,
                    figures=form.figures(),
                    version=form.cleaned_data["version"],
                    note=form.cleaned_data["note"],
                )
            except DomainError as error:
                form.refuse(error)
            else:
                self.message_user(request, _("The outcome is settled."))
                return HttpResponseRedirect(reverse("admin:matching_outcome_change", args=[done.pk]))
        title = _("Settle the outcome of %(match)s") % {"match": booking.match}
        return self._page(request, "form", title=title, form=form, lines=[session_line(booking)])

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Settle outcomes by a CSV file: all of its rows, or none and what is wrong with them."""
        if not self.has_settle_permission(request):
            raise PermissionDenied
        form = FileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            answer = self._take_file(request, form)
            if answer is not None:
                return answer
        lines = [_("The file for it, with the sessions that are due, is at /api/v1/outcomes/template/.")]
        return self._page(request, "form", title=_("Outcomes from a CSV file"), form=form, lines=lines)

    def _take_file(self, request: HttpRequest, form: FileForm) -> HttpResponse | None:
        try:
            content = read_limited(form.cleaned_data["file"], settings.IMPORT_MAX_BYTES)
            report = import_outcomes(actor=request.user, content=content)  # type: ignore[arg-type]
        except DomainError as error:
            form.add_error("file", [str(error.detail), *_told(error)])
            return None
        counts = report["counts"]
        told = _("%(created)d recorded, %(updated)d settled anew, %(unchanged)d left as they were.") % counts
        self.message_user(request, told, level=messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:matching_outcome_changelist"))

    # --- pages ---

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one outcome: nothing on it can be saved, it leads to settling."""
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdigit():
            raise Http404
        rows = self.get_queryset(request).select_related(*self.list_select_related, "recorded_by")
        outcome = get_object_or_404(rows, pk=object_id)
        return self._page(
            request,
            "page",
            title=str(outcome.booking.match),
            outcome=outcome,
            state=self.state(outcome),
            lines=[session_line(outcome.booking)],
            figures=figure_rows(outcome),
            metrics=metric_rows(outcome, fulfilment_of(outcome.booking.match)),
            events=events_of(outcome),
            may_settle=self.has_settle_permission(request) and outcome.status in SETTLED_FROM,
        )

    def _page(self, request: HttpRequest, name: str, **more: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **more}
        return TemplateResponse(request, f"admin/matching/outcome/{name}.html", context)

    @staticmethod
    def _booking(booking_id: int) -> Booking:
        rows = Booking.objects.select_related("session", "outcome", "match__stall", "match__anchor")
        return get_object_or_404(rows, pk=booking_id)


def _told(error: DomainError) -> list[str]:
    return [f"{name}: {text}" for name, texts in error.fields.items() for text in texts]
