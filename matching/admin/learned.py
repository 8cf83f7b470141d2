"""Learned models with their figures and plots, and the buttons to train and to roll back (layer: faces)."""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from jobs.models import Job, JobState
from matching.admin import wording
from matching.admin.plots import Series, line_plot, unit_plot
from matching.choices import ModelStatus, Role
from matching.learning_in_words import (
    difference_lines,
    figure_lines,
    lacking_in_words,
    refusals_in_words,
)
from matching.models import EngineModel
from matching.services.models import (
    MAY_ROLL_BACK,
    MAY_TRAIN,
    TRAIN_KIND,
    request_training,
    rollback_model,
)
from matchmaker.core.admin import ReadOnlyAdmin, badge
from matchmaker.core.errors import Conflict

TONES = {
    ModelStatus.CHALLENGER: "info",
    ModelStatus.PUBLISHED: "good",
    ModelStatus.REFUSED: "bad",
    ModelStatus.RETIRED: "quiet",
}
ACTIONS: dict[str, Any] = {
    "train": gettext_lazy("trained"),
    "publish": gettext_lazy("published"),
    "refuse": gettext_lazy("refused"),
    "retire": gettext_lazy("retired"),
    "restore": gettext_lazy("restored"),
}


@admin.register(EngineModel)
class EngineModelAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "state", "decisions", "ranking", "calibration", "why"]
    list_filter = ["status"]
    ordering = ["-pk"]
    fields = [
        "created_at", "state", "why", "published_at", "replaced", "decisions", "trained_by", "figures_shown",
        "events_shown", "digest", "seed", "high_water", "details_shown",
    ]  # fmt: skip
    readonly_fields = ["created_at"]
    change_list_template = "admin/matching/enginemodel/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("weights")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("train/", view(self.train_view), name="matching_enginemodel_train"),
            path("train/<uuid:public_id>/", view(self.progress_view), name="matching_enginemodel_progress"),
            path("roll-back/", view(self.roll_back_view), name="matching_enginemodel_roll_back"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may = {"may_train": MAY_TRAIN, "may_roll_back": MAY_ROLL_BACK}
        context = {name: request.user.has_perm(permission) for name, permission in may.items()}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    # --- columns ---

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, model: EngineModel) -> str:
        return badge(TONES[ModelStatus(model.status)], model.get_status_display())

    @admin.display(description=gettext_lazy("NDCG@10 before → challenger"))
    def ranking(self, model: EngineModel) -> str:
        _name, current, challenger = figure_lines(model.figures)[0]
        return f"{current} → {challenger}"

    @admin.display(description=gettext_lazy("calibration error (ECE)"))
    def calibration(self, model: EngineModel) -> str:
        return f"{model.figures['challenger']['ece']:.4f}"

    @admin.display(description=gettext_lazy("refused because"))
    def why(self, model: EngineModel) -> str:
        return "; ".join(refusals_in_words(model.figures["refused"])) or "–"

    @admin.display(description=gettext_lazy("figures"))
    def figures_shown(self, model: EngineModel) -> str:
        return render_to_string("admin/matching/enginemodel/figures.html", figures_context(model.figures))

    @admin.display(description=gettext_lazy("events"))
    def events_shown(self, model: EngineModel) -> str:
        events = list(model.events.order_by("seq"))
        users = User.objects.in_bulk({event.actor_id for event in events if event.actor_id})
        lines = [
            (
                wording.town_time(event.at),
                ACTIONS.get(event.action, event.action),
                users.get(event.actor_id) or Role(event.actor_role).label,
            )
            for event in events
        ]
        return render_to_string("admin/matching/enginemodel/events.html", {"lines": lines})

    @admin.display(description=gettext_lazy("details"))
    def details_shown(self, model: EngineModel) -> str:
        return format_html("<pre>{}</pre>", json.dumps(model.details, ensure_ascii=False, indent=2))

    # --- buttons ---

    def train_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a training and show how far it is."""
        return self._pressed(request, MAY_TRAIN, self._train)

    def _train(self, request: HttpRequest) -> HttpResponse:
        job = request_training(actor=request.user)  # type: ignore[arg-type]
        return HttpResponseRedirect(reverse("admin:matching_enginemodel_progress", args=[job.public_id]))

    def roll_back_view(self, request: HttpRequest) -> HttpResponse:
        """Let what counted before the published model count again."""
        return self._pressed(request, MAY_ROLL_BACK, self._roll_back)

    def _roll_back(self, request: HttpRequest) -> HttpResponse:
        try:
            before = rollback_model(actor=request.user)  # type: ignore[arg-type]
        except Conflict as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            told = _("The prior scores alone again; everybody's lists are asked for.")
            if before is not None:
                text = _("Model %(model)d counts again; everybody's lists are asked for.")
                told = text % {"model": before.pk}
            self.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:matching_enginemodel_changelist"))

    def _pressed(
        self, request: HttpRequest, permission: str, do: Callable[[HttpRequest], HttpResponse]
    ) -> HttpResponse:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return do(request) if request.method == "POST" else HttpResponseNotAllowed(["POST"])

    def progress_view(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """How far the training is; asks for itself again until it leads to the model, or tells what lacks."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = get_object_or_404(Job, public_id=public_id, kind=TRAIN_KIND)
        if job.state == JobState.DONE and job.result.get("model"):
            url = reverse("admin:matching_enginemodel_change", args=[job.result["model"]])
            return HttpResponseRedirect(url)
        is_over = job.state in {JobState.DONE, JobState.DEAD}
        lacking = job.result.get("lacking")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Training"),
            "opts": self.opts,
            "is_over": is_over,
            "is_dead": job.state == JobState.DEAD,
            "percent": round(100 * job.progress),
            "lacking": lacking_in_words(lacking) if lacking else "",
        }
        response = TemplateResponse(request, "admin/matching/enginemodel/progress.html", context)
        if not is_over:
            response["Refresh"] = "1"
        return response


def figures_context(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what the template of figures shows: tables, and a plot beside each."""
    weeks = figures["weeks"]
    names = {"current": (_("before"), "first"), "challenger": (_("challenger"), "second")}
    curves = [
        Series(name, tone, [(row["said"], row["seen"]) for row in figures[key]["reliability"]])
        for key, (name, tone) in names.items()
    ]
    by_week = [
        Series(name, tone, [(float(at), week[f"{key}_ndcg10"]) for at, week in enumerate(weeks)])
        for key, (name, tone) in names.items()
    ]
    return {
        "figures": figures,
        "metrics": figure_lines(figures),
        "differences": difference_lines(figures),
        "weeks": weeks,
        "curves": [(name, figures[key]["reliability"]) for key, (name, _tone) in names.items()],
        "reliability_plot": unit_plot(_("Reliability: said against seen"), curves),
        "weeks_plot": line_plot(_("NDCG@10 by week"), by_week, [week["week"][5:] for week in weeks]),
    }
