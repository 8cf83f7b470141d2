"""The jobs of the town to look at, and the retry of those given up (layer: faces)."""

import json

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import services
from jobs.models import DeadLetter, Job, JobState
from matchmaker.core.admin import ReadOnlyAdmin, badge
from matchmaker.core.errors import DomainError

TONES = {JobState.QUEUED: "warn", JobState.RUNNING: "info", JobState.DONE: "good", JobState.DEAD: "bad"}


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = [
        "kind",
        "dedupe_key",
        "state_badge",
        "progress_bar",
        "attempts",
        "created_at",
        "finished_at",
    ]
    list_filter = ["state", "kind", "queue"]
    search_fields = ["dedupe_key", "kind"]
    ordering = ["-pk"]
    actions = ["try_again"]
    fields = [
        "kind", "dedupe_key", "queue", "state_badge", "progress_bar", "requests", "attempts", "requested_by",
        "created_at", "not_before", "started_at", "lease_until", "finished_at", "arguments", "outcome",
        "error_text",
    ]  # fmt: skip
    readonly_fields = ["created_at"]
    list_select_related = ["requested_by"]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_job")

    @admin.action(description=gettext_lazy("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet) -> None:
        revived = 0
        for job in queryset:
            try:
                services.retry(job, actor=request.user)
            except DomainError as error:
                self.message_user(request, f"{job}: {error.detail}", level=messages.ERROR)
            else:
                revived += 1
        if revived:
            self.message_user(request, _("%(count)d jobs are queued again.") % {"count": revived})

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, job: Job) -> str:
        return badge(TONES[JobState(job.state)], job.get_state_display())

    @admin.display(description=gettext_lazy("progress"))
    def progress_bar(self, job: Job) -> str:
        share = round(100 * job.progress)
        return format_html('<progress max="100" value="{}"></progress> {}%', share, share)

    @admin.display(description=gettext_lazy("arguments"))
    def arguments(self, job: Job) -> str:
        return format_html("<pre>{}</pre>", json.dumps(job.args, ensure_ascii=False, indent=2))

    @admin.display(description=gettext_lazy("result"))
    def outcome(self, job: Job) -> str:
        return format_html("<pre>{}</pre>", json.dumps(job.result, ensure_ascii=False, indent=2))

    @admin.display(description=gettext_lazy("error"))
    def error_text(self, job: Job) -> str:
        return format_html("<pre>{}</pre>", job.error) if job.error else "–"


@admin.register(DeadLetter)
class DeadLetterAdmin(JobAdmin):
    """What was given up, with why, and the way back into the queue."""

    list_display = ["kind", "dedupe_key", "why", "attempts", "created_at", "finished_at", "requested_by"]
    list_filter = ["kind", "queue"]
    search_fields = ["dedupe_key", "kind", "error"]
    ordering = ["-finished_at", "-pk"]

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return request.user.has_perm("jobs.view_job")

    @admin.display(description=gettext_lazy("why"))
    def why(self, job: Job) -> str:
        return job.reason or "–"
