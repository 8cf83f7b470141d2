"""The queue of agreed matches: list, page with everything, approval and rejection (layer: faces)."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.fields import Field

from accounts.admin.decisions import Decision, ask_and_decide
from accounts.admin.exports import CsvExport, SafeResource
from accounts.admin.verifying import verification_tone
from jobs.models import Job, JobState
from matching.access import DECIDE, PROPOSE
from matching.admin import wording
from matching.admin.decisions import STAFF_MOVES, WORDINGS, moves_from
from matching.admin.page import match_context
from matching.admin.proposing import ProposalForm, SessionRows, propose_from
from matching.choices import MatchStatus
from matching.models import Match
from matching.moves import transition_of
from matching.queue import briefs_of
from matching.services.decisions import JOB_KIND, request_decisions
from matching.services.matches import OWN_BOOKINGS
from matching.terms_in_words import session_lines, terms_lines
from matchmaker.core.admin import ReadOnlyAdmin, badge
from matchmaker.core.money import exact_percent

# Up to so many are decided while staff wait for the page; more become a job with a progress bar.
DECIDED_AT_ONCE = 20


class QueueFilter(admin.SimpleListFilter):
    """The matches that wait for staff, until another state is asked for."""

    title = gettext_lazy("state")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        others = [choice for choice in MatchStatus.choices if choice[0] != MatchStatus.AGREED]
        return [*others, ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        shown = list(super().choices(changelist))
        shown[0]["display"] = _("waiting for approval")
        return shown

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return queryset.filter(status=self.value() or MatchStatus.AGREED)


class BriefedChangeList(ChangeList):
    """A list whose every row carries its brief, read for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_briefs(self.result_list)


def with_briefs(matches: Any) -> list[Match]:
    """Return the matches with what the engine and the rules say about each as `brief`."""
    rows = list(matches)
    briefs = briefs_of(rows, ignore=OWN_BOOKINGS)
    for row in rows:
        row.brief = briefs[row.pk]
    return rows


class MatchResource(SafeResource):
    public_id = Field("public_id", gettext_lazy("public id"))
    status = Field("get_status_display", gettext_lazy("state"))
    stall = Field("stall__name", gettext_lazy("stall"))
    merchant = Field("stall__merchant__name", gettext_lazy("merchant"))
    anchor = Field("anchor__display_name", gettext_lazy("anchor"))
    commission = Field(column_name=gettext_lazy("commission rate"))
    slot_fee = Field(column_name=gettext_lazy("slot fee"))
    sessions = Field(column_name=gettext_lazy("sessions"))
    agreed_at = Field(column_name=gettext_lazy("agreed at"))
    score = Field(column_name=gettext_lazy("score when proposed"))

    def dehydrate_commission(self, match: Match) -> str:
        return exact_percent(match.terms.commission_rate) if match.terms else ""

    def dehydrate_slot_fee(self, match: Match) -> str:
        return f"{match.terms.slot_fee_cents / 100:.2f}" if match.terms else ""

    def dehydrate_sessions(self, match: Match) -> str:
        return "; ".join(session_lines(match.terms))

    def dehydrate_agreed_at(self, match: Match) -> str:
        return wording.town_time(match.agreed_at) if match.agreed_at else ""

    def dehydrate_score(self, match: Match) -> str:
        return "" if match.list_score_hundredths is None else f"{match.list_score_hundredths / 100:.2f}"


def decision_action(name: str) -> Any:
    """Return the action of the list that takes that decision."""

    @admin.action(description=WORDINGS[name].label, permissions=["decide"])
    def act(page: Any, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        return page.decide(request, queryset, name)

    act.__name__ = name
    return act


def lines(texts: list[str]) -> str:
    """Return texts one under the other."""
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts))


@admin.register(Match)
class MatchAdmin(CsvExport, ReadOnlyAdmin):
    resource_classes = [MatchResource]
    list_display = [
        "pair",
        "waiting",
        "conflicts",
        "score",
        "terms_shown",
        "sessions",
        "verification",
    ]
    list_display_links = None
    list_filter = [QueueFilter, "stall__zone"]
    list_select_related = ["stall__merchant", "stall__zone", "anchor", "terms"]
    search_fields = ["stall__name", "stall__merchant__name", "anchor__display_name", "public_id"]
    ordering = ["agreed_at", "pk"]
    sortable_by = ()
    list_per_page = 25
    actions = [decision_action(name) for name in STAFF_MOVES]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(DECIDE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PROPOSE)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BriefedChangeList

    def get_urls(self) -> list[Any]:
        progress = path(
            "decisions/<uuid:public_id>/",
            self.admin_site.admin_view(self.progress_view),
            name="matching_match_decisions",
        )
        return [progress, *super().get_urls()]

    # --- columns ---

    @admin.display(description=gettext_lazy("match"))
    def pair(self, match: Match) -> str:
        return format_html(
            '<a class="pair" href="{}">{} – {}</a><div class="quiet">{} · {}</div>{}',
            reverse("admin:matching_match_change", args=[match.pk]),
            match.stall.name,
            match.anchor.display_name,
            match.stall.merchant.name,
            match.stall.zone.name,
            badge(wording.STATUS_TONES.get(MatchStatus(match.status), "quiet"), match.get_status_display())
            if match.status != MatchStatus.AGREED
            else "",
        )

    @admin.display(description=gettext_lazy("waiting since"))
    def waiting(self, match: Match) -> str:
        if match.agreed_at is None:
            return "–"
        shown = wording.town_time(match.agreed_at)
        if match.status != MatchStatus.AGREED:
            return shown
        waited = timezone.now() - match.agreed_at
        tone = "bad" if waited.days >= 1 else "info"
        escalated = badge("bad", _("escalated")) if match.escalated_at else ""
        return format_html(
            '{} {}<div class="quiet">{}</div>', badge(tone, wording.duration(waited)), escalated, shown
        )

    @admin.display(description=gettext_lazy("score"))
    def score(self, match: Any) -> str:
        if match.brief.score is None:
            return "–"
        steps = [f"{wording.DIRECTIONS[step.code]} {step.percent:.0f}%" for step in match.brief.directions]
        return format_html('<b>{}</b><div class="quiet">{}</div>', f"{match.brief.score:.1f}", lines(steps))

    @admin.display(description=gettext_lazy("terms"))
    def terms_shown(self, match: Match) -> str:
        return lines(terms_lines(match.terms))

    @admin.display(description=gettext_lazy("sessions"))
    def sessions(self, match: Match) -> str:
        return lines(session_lines(match.terms))

    @admin.display(description=gettext_lazy("conflicts"))
    def conflicts(self, match: Any) -> str:
        if match.status != MatchStatus.AGREED:
            return "–"
        found = wording.conflict_lines(match.brief)
        if not found:
            return badge("good", _("no conflicts"))
        return format_html_join("", '<div class="conflict">{}</div>', ((text,) for text in found))

    @admin.display(description=gettext_lazy("verification"))
    def verification(self, match: Match) -> str:
        sides = ((_("merchant"), match.stall.merchant), (_("anchor"), match.anchor))
        return format_html_join(
            "",
            "<div>{} {}</div>",
            ((label, badge(*verification_tone(party))) for label, party in sides),
        )

    # --- decisions ---

    def get_actions(self, request: HttpRequest) -> Any:
        """Offer what the state table allows in the state that the list shows."""
        asked = request.POST.get("action", "")
        status = request.GET.get(QueueFilter.parameter_name) or MatchStatus.AGREED
        known = status in MatchStatus.values
        offered = {asked, *(moves_from(status) if known else STAFF_MOVES)}
        actions = super().get_actions(request)
        return {name: action for name, action in actions.items() if name in offered or name not in WORDINGS}

    def decide(self, request: HttpRequest, queryset: QuerySet, action: str) -> HttpResponse | None:
        """Ask, or carry out, one of the decisions of staff."""
        wording, row = WORDINGS[action], transition_of(action)
        decision = Decision(
            action=action,
            title=str(wording.title),
            button=str(wording.button),
            decide=partial(self._decide, request, wording.service),
            describe=describe,
            tone=wording.tone,
            purpose=action if row.needs_reason else "",
            needs_reason=row.needs_reason,
            hint=str(wording.hint),
        )
        return self._ask(request, queryset, decision)

    @staticmethod
    def _decide(request: HttpRequest, service: Any, match: Match, reason_code: str, note: str) -> None:
        service(actor=request.user, match=match, reason_code=reason_code, note=note)

    def _ask(self, request: HttpRequest, queryset: QuerySet, decision: Decision) -> HttpResponse | None:
        loaded = queryset.select_related(*self.list_select_related)
        decide_many = partial(self._decide_many, request, decision)
        return ask_and_decide(self, request, loaded, decision, decide_many=decide_many)

    def _decide_many(
        self, request: HttpRequest, decision: Decision, matches: list[Match], reason_code: str, note: str
    ) -> HttpResponse | None:
        """Hand a long selection to a worker, and show its progress."""
        if len(matches) <= DECIDED_AT_ONCE:
            return None
        job = request_decisions(
            actor=request.user,  # type: ignore[arg-type]
            matches=matches,
            action=decision.action,
            reason_code=reason_code,
            note=note,
        )
        return HttpResponseRedirect(reverse("admin:matching_match_decisions", args=[job.public_id]))

    # --- pages ---

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page on which staff propose a match to both sides."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        data = request.POST if request.method == "POST" else None
        form, sessions = ProposalForm(data), SessionRows(data, prefix="sessions")
        if data is not None and form.is_valid() and sessions.is_valid():
            match = propose_from(form, sessions, request.user)  # type: ignore[arg-type]
            if match is not None:
                self.message_user(request, _("Both sides are asked."))
                return HttpResponseRedirect(reverse("admin:matching_match_change", args=[match.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Propose a match to both sides"),
            "opts": self.opts,
            "form": form,
            "sessions": sessions,
            "media": self.media + form.media + sessions.media,
        }
        return TemplateResponse(request, "admin/matching/match/propose.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one match: nothing on it can be saved, it only links to the decisions."""
        if request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        if not object_id.isdigit():
            raise Http404
        rows = self.get_queryset(request).select_related(
            *self.list_select_related, "stall__zone", "anchor__region"
        )
        match = with_briefs([get_object_or_404(rows, pk=object_id)])[0]
        context = {
            **self.admin_site.each_context(request),
            **match_context(match, request.user),  # type: ignore[arg-type]
            "title": str(match),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/matching/match/page.html", context)

    def progress_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """How far a long decision is, and in the end what was refused; asks for itself again until then."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        job = get_object_or_404(Job, public_id=public_id, kind=JOB_KIND)
        refused = job.result.get("refused", [])
        names = Match.objects.select_related("stall", "anchor").in_bulk([row["match"] for row in refused])
        is_over = job.state in {JobState.DONE, JobState.DEAD}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Deciding %(count)d matches") % {"count": len(job.args["match_ids"])},
            "opts": self.opts,
            "job": job,
            "is_over": is_over,
            "is_dead": job.state == JobState.DEAD,
            "percent": round(100 * job.progress),
            "done": job.result.get("done", 0),
            "refused": [{"match": names.get(row["match"]), "detail": row["detail"]} for row in refused],
        }
        response = TemplateResponse(request, "admin/matching/match/decisions.html", context)
        if not is_over:
            response["Refresh"] = "1"
        return response


def describe(matches: list[Match]) -> list[list[str]]:
    """Return for each match the lines that staff should read once more before they decide."""
    return [
        [
            " · ".join(terms_lines(match.terms)),
            *session_lines(match.terms),
            *(f"⚠ {line}" for line in wording.conflict_lines(match.brief)),  # type: ignore[attr-defined]
        ]
        for match in with_briefs(matches)
    ]
