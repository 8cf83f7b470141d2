"""What the checks of invariants found, and a button for another check (layer: faces)."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.models import Job, JobState
from matching.invariants import told
from matching.models import InvariantCheck
from matching.services.invariants import CHECK_KIND, request_check
from matchmaker.core.admin import ReadOnlyAdmin, badge


@admin.register(InvariantCheck)
class InvariantCheckAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "outcome", "failing", "rows", "seconds"]
    ordering = ["-pk"]
    fields = ["created_at", "outcome", "table"]
    readonly_fields = ["created_at"]
    change_list_template = "admin/matching/invariantcheck/change_list.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("check/", view(self.check_view), name="matching_invariantcheck_check"),
            path(
                "check/<uuid:public_id>/", view(self.progress_view), name="matching_invariantcheck_progress"
            ),
        ]
        return [*own, *super().get_urls()]

    # --- columns ---

    @admin.display(description=gettext_lazy("result"), ordering="violations")
    def outcome(self, check: InvariantCheck) -> str:
        if not check.violations:
            return badge("good", _("no violation"))
        return badge("bad", _("violations: %(count)d") % {"count": check.violations})

    @admin.display(description=gettext_lazy("invariants violated"))
    def failing(self, check: InvariantCheck) -> str:
        return ", ".join(str(row["number"]) for row in check.results if row["violations"]) or "–"

    @admin.display(description=gettext_lazy("rows looked at"))
    def rows(self, check: InvariantCheck) -> int:
        return sum(row["examined"] for row in check.results)

    @admin.display(description=gettext_lazy("seconds"))
    def seconds(self, check: InvariantCheck) -> str:
        return f"{sum(row['milliseconds'] for row in check.results) / 1000:.1f}"

    @admin.display(description=gettext_lazy("invariants"))
    def table(self, check: InvariantCheck) -> str:
        return render_to_string("admin/matching/invariantcheck/table.html", {"lines": told(check.results)})

    # --- another check ---

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a check and show how far it is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = request_check(actor=request.user)  # type: ignore[arg-type]
        return HttpResponseRedirect(reverse("admin:matching_invariantcheck_progress", args=[job.public_id]))

    def progress_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """How far the check is; asks for itself again until it leads to what was found."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = get_object_or_404(Job, public_id=public_id, kind=CHECK_KIND)
        check = InvariantCheck.objects.filter(pk=job.result.get("check")).first()
        if job.state == JobState.DONE and check is not None:
            return HttpResponseRedirect(reverse("admin:matching_invariantcheck_change", args=[check.pk]))
        is_over = job.state in {JobState.DONE, JobState.DEAD}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Checking the invariants"),
            "opts": self.opts,
            "is_over": is_over,
            "is_dead": job.state == JobState.DEAD,
            "percent": round(100 * job.progress),
        }
        response = TemplateResponse(request, "admin/job_progress.html", context)
        if not is_over:
            response["Refresh"] = "1"
        return response
