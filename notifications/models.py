"""What people are told (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matchmaker.core.models import Public


class Notice(Public):
    """One row per user and fact: codes and ids, told in the reader's language when it is read.

    `key` names the fact (such as `match:<public id>:3`); the same fact reaches a user once, however often a
    worker repeats its job.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices", verbose_name=_("to")
    )
    key = models.CharField(_("key"), max_length=96)
    topic = models.CharField(_("topic"), max_length=32, help_text=_("Which texts tell it, such as match."))
    subject_id = models.UUIDField(_("about"), null=True, help_text=_("Public id of what it is about."))
    facts = models.JSONField(_("facts"), default=dict, help_text=_("Codes and ids only."))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    read_at = models.DateTimeField(_("read at"), null=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_newest"),
            models.Index(fields=["user"], condition=Q(read_at__isnull=True), name="notice_unread"),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_notice_per_fact")]

    def __str__(self) -> str:
        return self.key
