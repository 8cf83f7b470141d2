"""Match days: begun, wished, solved and released on their pages (layer: faces)."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Anchor, Stall
from jobs.models import Job, JobState
from matching.access import PROPOSE
from matching.admin import wording
from matching.choices import MatchDayStatus, Role
from matching.models import MatchDay, MatchDayPair
from matching.selectors.matchday_words import refusal_lines, report_lines, without
from matching.selectors.matchdays import shown_pairs
from matching.services import matchdays
from matching.services.matchdays.moving import Settings, next_week
from matching.states import MATCH_DAY_TRANSITIONS
from matchmaker.core.admin import ReadOnlyAdmin, badge
from matchmaker.core.errors import DomainError
from matchmaker.core.money import yuan
from matchmaker.core.transitions import allowed

PAIRS_A_PAGE = 50
WITHOUT_SHOWN = 50
TONES = {
    MatchDayStatus.DRAFT: "warn",
    MatchDayStatus.SOLVED: "info",
    MatchDayStatus.RELEASING: "info",
    MatchDayStatus.RELEASED: "good",
}
WISHES: dict[str, tuple[Any, Callable[..., object]]] = {
    "pin": (gettext_lazy("Pin"), matchdays.pin_pair),
    "forbid": (gettext_lazy("Forbid"), matchdays.forbid_pair),
    "free": (gettext_lazy("Leave to the engine"), matchdays.free_pair),
}


class SettingsForm(forms.ModelForm):
    """What staff choose before a match day is solved."""

    class Meta:
        model = MatchDay
        fields = [
            "first_week_on", "weeks", "from_hour", "to_hour", "session_hours", "places", "rho",
            "newcomer_floor",
        ]  # fmt: skip

    def _post_clean(self) -> None:
        """Leave the checks of the row to the service, which names the field for every face alike."""


class WishForm(forms.Form):
    """A pair of the town."""

    stall = forms.ModelChoiceField(Stall.objects.filter(archived_at=None), label=gettext_lazy("stall"))
    anchor = forms.ModelChoiceField(Anchor.objects.filter(archived_at=None), label=gettext_lazy("anchor"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("stall", "anchor"):
            field = MatchDayPair._meta.get_field(name)
            self.fields[name].widget = AutocompleteSelect(field, admin.site)  # type: ignore[arg-type]
            self.fields[name].widget.choices = self.fields[name].choices  # type: ignore[attr-defined]


def moves_of(day: MatchDay) -> list[str]:
    """Return what staff, and the worker for them, may do with the day now, in table order."""
    return allowed(MATCH_DAY_TRANSITIONS, status=day.status, roles=[Role.STAFF, Role.SYSTEM])


@admin.register(MatchDay)
class MatchDayAdmin(ReadOnlyAdmin):
    list_display = ["first_week_on", "weeks", "state", "pairs_shown", "gap", "solved_at", "released_at"]
    list_filter = ["status"]
    ordering = ["-pk"]
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PROPOSE)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        names = ("wish", "solve", "release", "cancel")
        own = [
            path(f"<int:pk>/{name}/", view(getattr(self, f"{name}_view")), name=f"matching_matchday_{name}")
            for name in names
        ]
        job = path(
            "<int:pk>/jobs/<uuid:public_id>/", view(self.progress_view), name="matching_matchday_progress"
        )
        return [*own, job, *super().get_urls()]

    # --- columns ---

    @admin.display(description=gettext_lazy("state"))
    def state(self, day: MatchDay) -> str:
        return badge(TONES.get(MatchDayStatus(day.status), "quiet"), day.get_status_display())

    @admin.display(description=gettext_lazy("pairs"))
    def pairs_shown(self, day: MatchDay) -> str:
        return str(day.report.get("pairs", "–"))

    @admin.display(description=gettext_lazy("gap"))
    def gap(self, day: MatchDay) -> str:
        return f"{100 * day.report['gap']:.4f}%" if "gap" in day.report else "–"

    # --- pages ---

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page on which staff begin a match day."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = SettingsForm(request.POST or None, initial={"first_week_on": next_week()})
        if request.method == "POST" and form.is_valid():
            day = self._begun(request, form)
            if day is not None:
                return self._to(day)
        context = self._context(request, _("Begin a match day")) | {"form": form}
        return TemplateResponse(request, "admin/matching/matchday/begin.html", context)

    def _begun(self, request: HttpRequest, form: SettingsForm) -> MatchDay | None:
        try:
            return matchdays.begin_match_day(
                actor=request.user,  # type: ignore[arg-type]
                settings=Settings(**form.cleaned_data),
            )
        except DomainError as error:
            for name, texts in error.fields.items():
                for text in texts:
                    form.add_error(name, text)
            if not error.fields:
                form.add_error(None, str(error.detail))
        return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One match day: its report, its pairs, and what may be done with it."""
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdigit():
            raise Http404
        day = get_object_or_404(MatchDay.objects.select_related("created_by"), pk=object_id)
        form = WishForm()
        page = Paginator(shown_pairs(day), PAIRS_A_PAGE).get_page(request.GET.get("p"))
        context = self._context(request, _("Match day from %(week)s") % {"week": day.first_week_on}) | {
            "day": day,
            "status_badge": self.state(day),
            "moves": moves_of(day) if self.has_add_permission(request) else [],
            "refusals": refusal_lines(day),
            "settings_shown": [(f.label, getattr(day, name)) for name, f in SettingsForm().fields.items()],
            "report": report_lines(day),
            "released": day.report.get("released"),
            "without": without(day, WITHOUT_SHOWN),
            "page": page,
            "rows": [_pair_row(pair) for pair in page],
            "wishes": [(name, label) for name, (label, _service) in WISHES.items()],
            "form": form,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/matching/matchday/page.html", context)

    def progress_view(self, request: HttpRequest, pk: int, public_id: Any) -> HttpResponse:
        """How far the work on the day is; asks for itself again until it leads back to the day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kinds = (matchdays.SOLVE_KIND, matchdays.RELEASE_KIND)
        job = get_object_or_404(Job, public_id=public_id, kind__in=kinds)
        day = get_object_or_404(MatchDay, pk=job.args["day_id"])
        if job.state == JobState.DONE:
            return self._to(day)
        is_over = job.state == JobState.DEAD
        title = _("Solving the match day") if job.kind == matchdays.SOLVE_KIND else _("Proposing the pairs")
        context = self._context(request, title) | {
            "is_over": is_over,
            "is_dead": is_over,
            "percent": round(100 * job.progress),
        }
        response = TemplateResponse(request, "admin/job_progress.html", context)
        if not is_over:
            response["Refresh"] = "1"
        return response

    # --- moves ---

    def wish_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pin, forbid or free a pair."""

        def act(day: MatchDay) -> None:
            form = WishForm(request.POST)
            if not form.is_valid() or request.POST.get("wish") not in WISHES:
                messages.error(request, _("Choose a stall and an anchor."))
                return None
            WISHES[request.POST["wish"]][1](actor=request.user, day=day, **form.cleaned_data)
            messages.success(request, _("Noted. Solve the match day again before it is released."))
            return None

        return self._act(request, pk, act)

    def solve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the day to be solved, or solved again."""
        return self._act(request, pk, lambda day: matchdays.request_solve(actor=request.user, day=day))  # type: ignore[arg-type]

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the proposals, of the solution that was on the page."""

        def act(day: MatchDay) -> Job | None:
            if not request.POST.get("confirmed"):
                messages.error(request, _("Tick that both sides of every pair are to be asked."))
                return None
            seen = request.POST.get("version", "")
            return matchdays.request_release(
                actor=request.user,  # type: ignore[arg-type]
                day=day,
                version=int(seen) if seen.isdecimal() and len(seen) < 19 else None,
            )

        return self._act(request, pk, act)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End a day that was not released."""

        def act(day: MatchDay) -> None:
            matchdays.cancel_match_day(actor=request.user, day=day)  # type: ignore[arg-type]
            return None

        return self._act(request, pk, act)

    def _act(self, request: HttpRequest, pk: int, act: Callable[[MatchDay], Job | None]) -> HttpResponse:
        """Do it, tell what was refused, and lead to the progress of its job or back to the day."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        day = get_object_or_404(MatchDay, pk=pk)
        try:
            job = act(day)
        except DomainError as error:
            messages.error(request, str(error.detail))
            return self._to(day)
        if job is None:
            return self._to(day)
        return HttpResponseRedirect(reverse("admin:matching_matchday_progress", args=[day.pk, job.public_id]))

    def _to(self, day: MatchDay) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:matching_matchday_change", args=[day.pk]))

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}


def _pair_row(pair: MatchDayPair) -> dict[str, Any]:
    """Return what the page shows of one pair."""
    return {
        "pair": pair,
        "wish": pair.get_wish_display() if pair.wish else "",
        "starts_at": wording.town_time(pair.starts_at) if pair.starts_at else "–",
        "likelihood": f"{pair.mutual_millionths / 10_000:.1f}%",
        "net_gmv": yuan(pair.net_gmv_cents) if pair.net_gmv_cents else "–",
        "weight": f"{pair.weight_millionths / 1_000_000:.4f}",
    }
