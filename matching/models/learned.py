"""What decisions taught, and when it counted (layer: models)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from matching.choices import ModelStatus
from matchmaker.core.models import Public, StatusChange, TimeStamped, Versioned


class EngineModel(Public, TimeStamped, Versioned):
    """One row per training: learned weights, and how they did on weeks that they had not seen.

    At most one is published. Without one the prior scores alone.
    """

    status = models.CharField(
        _("state"), max_length=10, choices=ModelStatus.choices, default=ModelStatus.CHALLENGER, editable=False
    )
    weights = models.BinaryField(help_text=_("Plain arrays, no pickle."), editable=False)
    digest = models.CharField(_("digest"), max_length=64, help_text=_("sha256 over the arrays."))
    figures = models.JSONField(
        _("figures"), default=dict, help_text=_("Against the weights that counted then, on weeks held out.")
    )
    details = models.JSONField(
        _("details"), default=dict, help_text=_("What cross-validation chose, libraries, configuration.")
    )
    high_water = models.JSONField(
        _("evidence until"),
        default=dict,
        help_text=_("The last evidence when it was trained."),
    )
    decisions = models.PositiveIntegerField(
        _("decisions"), default=0, help_text=_("Learned from; those of the weeks held out do not count.")
    )
    seed = models.BigIntegerField(_("seed"), default=0)
    trained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("trained by")
    )
    published_at = models.DateTimeField(_("published at"), null=True)
    replaced = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("replaced"),
        help_text=_("What counted before it, and counts again when it is rolled back; empty for the prior."),
    )

    class Meta:
        verbose_name = _("learned model")
        verbose_name_plural = _("learned models")
        ordering = ["-pk"]
        permissions = [
            ("train_enginemodel", _("Can train a model")),
            ("roll_back_enginemodel", _("Can roll a model back")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status=ModelStatus.PUBLISHED), name="one_published_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.digest[:12]}"


class EngineModelEvent(StatusChange):
    """One row per change of state of learned weights."""

    model = models.ForeignKey(EngineModel, models.PROTECT, related_name="events")

    class Meta:
        verbose_name = _("event of a learned model")
        verbose_name_plural = _("events of learned models")
        ordering = ["model_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["model", "seq"], name="model_event_seq_unique")]

    def __str__(self) -> str:
        return f"{self.model_id}/{self.seq} {self.action}"
