"""Erasures, what the law keeps after them, consents and opened profiles (layer: models)."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.choices import PartyKind, Purpose
from matchmaker.core.models import TimeStamped


class Erasure(TimeStamped):
    """One row per person who asked to be forgotten: by which name the audit knows them from now on."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="erasure")
    pseudonym = models.CharField(_("pseudonym"), max_length=16, unique=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    # What went with the person, for they were the last owner.
    merchant_ids = models.JSONField(default=list)
    stall_ids = models.JSONField(default=list)
    anchor_ids = models.JSONField(default=list)
    # What is looked for in answers and logs that belong to others; emptied at the end.
    looked_for = models.JSONField(default=list)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")

    def __str__(self) -> str:
        return self.pseudonym


class LegalRecord(TimeStamped):
    """One row per erased party that had contracts, kept apart for three years.

    `identity_digest` is a keyed hash of the credit code, or the one of the ID number: an authority that knows
    the number finds the contracts, nobody else finds a person. Without the row nothing leads from one
    to the other.
    """

    pseudonym = models.CharField(_("pseudonym"), max_length=16, db_index=True)
    kind = models.CharField(_("kind"), max_length=8, choices=PartyKind.choices)
    party_id = models.BigIntegerField()
    identity_digest = models.CharField(max_length=64, blank=True, db_index=True)
    contracts = models.JSONField(_("contracts"), default=list, help_text=_("[{match, terms, agreed_at}]"))
    kept_until = models.DateField(_("kept until"), db_index=True)

    class Meta:
        verbose_name = _("legal record")
        verbose_name_plural = _("legal records")
        constraints = [models.UniqueConstraint(fields=["kind", "party_id"], name="one_legal_record")]

    def __str__(self) -> str:
        return self.pseudonym


class Consent(models.Model):
    """One row per answer to a purpose; append-only, the last one counts."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="consents")
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose.choices)
    is_given = models.BooleanField(_("given"))
    text_version = models.CharField(_("version of the text"), max_length=16)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["user", "purpose", "-id"], name="consent_last")]

    def __str__(self) -> str:
        return f"{self.purpose}: {self.is_given}"


class OpenedProfile(models.Model):
    """One row per full profile that a user opened on a day of the town."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    side = models.CharField(max_length=6)
    party_id = models.BigIntegerField()
    on = models.DateField()

    class Meta:
        verbose_name = _("opened profile")
        verbose_name_plural = _("opened profiles")
        constraints = [
            models.UniqueConstraint(fields=["user", "on", "side", "party_id"], name="profile_opened_once")
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.on}"
