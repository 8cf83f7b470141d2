"""The page of fairness beside the lists: the last figures, and a button for new ones (layer: faces)."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from jobs.models import Job, JobState
from matching.selectors.fairness import WHY_TEXTS
from matching.services.fairness import FAIRNESS_KIND, request_fairness
from matching.words_of_fairness import KINDS, SIDES, group_name
from matchmaker.core.admin import ReadOnlyAdmin


class FairnessPages(ReadOnlyAdmin):
    """What the admin of lists shows beside them."""

    change_list_template = "admin/matching/recommendationlist/change_list.html"

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, "matching_recommendationlist_fairness"
        own = [
            path("fairness/", view(self.fairness_view), name=name),
            path("fairness/measure/", view(self.measure_view), name=f"{name}_measure"),
            path("fairness/<uuid:public_id>/", view(self.measuring_view), name=f"{name}_progress"),
        ]
        return [*own, *super().get_urls()]

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}

    def fairness_view(self, request: HttpRequest) -> HttpResponse:
        """The figures that were measured last."""
        context = self._context(request, _("Fairness of the lists"))
        job = Job.objects.filter(kind=FAIRNESS_KIND, state=JobState.DONE).order_by("-pk").first()
        if job is not None and job.result:
            sides = [_side(side, told) for side, told in job.result["sides"].items()]
            context |= {"at": parse_datetime(job.result["at"]), "sides": sides}
        return TemplateResponse(request, "admin/matching/recommendationlist/fairness.html", context)

    def measure_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for new figures and show how far they are."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = request_fairness(actor=request.user)  # type: ignore[arg-type]
        url = reverse("admin:matching_recommendationlist_fairness_progress", args=[job.public_id])
        return HttpResponseRedirect(url)

    def measuring_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """How far the figures are; asks for itself again until it leads to them."""
        context = self._context(request, _("Measuring the lists"))
        job = get_object_or_404(Job, public_id=public_id, kind=FAIRNESS_KIND)
        if job.state == JobState.DONE:
            return HttpResponseRedirect(reverse("admin:matching_recommendationlist_fairness"))
        is_dead = job.state == JobState.DEAD
        context |= {"is_over": is_dead, "is_dead": is_dead, "percent": round(100 * job.progress)}
        response = TemplateResponse(request, "admin/job_progress.html", context)
        if not is_dead:
            response["Refresh"] = "1"
        return response


def _side(side: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one side in words, shares in percent."""
    spreads = [(_("expected from lists"), told["exposure"]), (_("shown"), told["impressions"])]
    nothing = [(_("empty lists"), told["empty_lists"]), (_("on no list"), told["on_no_list"])]
    return {
        "name": SIDES[side],
        "parties": told["parties"],
        "spreads": [
            {
                "name": name,
                "gini": f"{spread['gini']:.3f}",
                "newcomers": f"{spread['newcomers_share_of_parties']:.1%}",
                "share": f"{spread['newcomers_share']:.1%}",
            }
            for name, spread in spreads
            if spread
        ],
        "nothing": [
            {
                "name": name,
                "parties": row["parties"],
                "why": [(WHY_TEXTS[code], count) for code, count in row["why"].items()],
            }
            for name, row in nothing
        ],
        "groups": [
            {"name": KINDS[kind], "rows": [_group(kind, row) for row in rows]}
            for kind, rows in told["groups"].items()
        ],
    }


def _group(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    shares = {name: f"{row[name]:.1%}" for name in ("share_of_parties", "share_of_exposure")}
    return row | shares | {"name": group_name(kind, row["code"]), "gini": f"{row['gini']:.3f}"}
