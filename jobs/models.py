"""The outbox: one row per piece of work, and the rows that make POSTs safe to repeat (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matchmaker.core.models import Public, TimeStamped


class JobState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    DEAD = "dead", _("given up")


class Job(Public, TimeStamped):
    """One row per piece of work; the row is the job, a broker message only wakes a worker.

    At most one queued row per `dedupe_key`: edits that arrive while one is queued share it. `holder` names
    the process that has the lease (jobs/holders.py).
    """

    kind = models.CharField(_("kind"), max_length=64)
    dedupe_key = models.CharField(_("key"), max_length=160)
    queue = models.CharField(_("queue"), max_length=16, default="default")
    args = models.JSONField(_("arguments"), default=dict, help_text=_("Ids and codes only."))
    state = models.CharField(_("state"), max_length=8, choices=JobState.choices, default=JobState.QUEUED)
    requests = models.PositiveIntegerField(
        _("requests"), default=1, help_text=_("How many edits share this row.")
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"))
    lease_until = models.DateTimeField(_("lease until"), null=True)
    lease_token = models.UUIDField(null=True)
    holder = models.CharField(max_length=80, blank=True, default="", db_default="")
    done_units = models.PositiveBigIntegerField(_("done"), default=0)
    total_units = models.PositiveBigIntegerField(_("of"), default=0)
    result = models.JSONField(_("result"), default=dict)
    error = models.TextField(_("error"), blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("requested by")
    )
    sent_at = models.DateTimeField(
        _("sent again at"), null=True, help_text=_("When the sweep last sent its message.")
    )
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        indexes = [
            models.Index(fields=["state", "not_before"], name="job_due"),
            models.Index(fields=["kind", "created_at"], name="job_kind_age"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"], condition=Q(state=JobState.QUEUED), name="one_queued_job_per_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.dedupe_key}"

    @property
    def progress(self) -> float:
        """The share done, in [0, 1]."""
        if self.state == JobState.DONE:
            return 1.0
        return min(self.done_units / self.total_units, 1.0) if self.total_units else 0.0

    @property
    def reason(self) -> str:
        """The last line of what went wrong, which says it; empty when nothing did."""
        lines = self.error.strip().splitlines()
        return lines[-1][:300] if lines else ""


class DeadLetters(models.Manager["DeadLetter"]):
    """The jobs that were given up."""

    def get_queryset(self) -> models.QuerySet["DeadLetter"]:
        return super().get_queryset().filter(state=JobState.DEAD)


class DeadLetter(Job):
    """The jobs that were given up, as a page of their own; no table, and the permissions of jobs."""

    objects = DeadLetters()  # type: ignore[misc]

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")


class Canary(models.Model):
    """One row per queue: when the last message that tries the way through it arrived, and at which worker."""

    queue = models.CharField(_("queue"), max_length=16, unique=True)
    arrived_at = models.DateTimeField(_("arrived at"))
    worker = models.CharField(_("worker"), max_length=160, blank=True)

    class Meta:
        verbose_name = _("canary")
        verbose_name_plural = _("canaries")

    def __str__(self) -> str:
        return self.queue


class IdempotencyKey(TimeStamped):
    """One row per key of a user: the answer that its one request got."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    digest = models.CharField(max_length=64, help_text=_("Of method, path and body."))
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key


class Throttle(models.Model):
    """One row per thing counted and window; raised by one conditional update, so that a limit is exact."""

    key = models.CharField(max_length=160)
    window_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "window_at"], name="one_count_per_window")]
        indexes = [models.Index(fields=["window_at"], name="throttle_window")]

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"
