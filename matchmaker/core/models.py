"""Abstract rows that every app shares; core owns no table (layer: core)."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class TimeStamped(models.Model):
    """A row that knows when it was made and last changed."""

    created_at = models.DateTimeField(_("created at"), auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True, editable=False)

    class Meta:
        abstract = True


class Public(models.Model):
    """A row that is known outside by a random id, so that no enumerable key leaves the system."""

    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True


class Versioned(models.Model):
    """A row whose every change raises `version`: the ETag of the API and the high-water mark of snapshots.

    Snapshots compare versions instead of clocks, so a late commit or a wrong clock can hide no change.
    """

    version = models.PositiveBigIntegerField(_("version"), default=1, editable=False)

    class Meta:
        abstract = True


class StatusChange(models.Model):
    """One row per change of state; append-only, numbered and hash-chained per subject."""

    seq = models.PositiveIntegerField(_("number"))
    action = models.CharField(_("action"), max_length=32)
    from_status = models.CharField(_("from"), max_length=32, blank=True)
    to_status = models.CharField(_("to"), max_length=32)
    actor_id = models.BigIntegerField(_("actor"), null=True, help_text=_("User id; empty for the system."))
    actor_role = models.CharField(_("acted as"), max_length=16)
    reason_code = models.CharField(_("reason"), max_length=48, blank=True)
    at = models.DateTimeField(_("at"))
    prev_hash = models.CharField(_("previous hash"), max_length=64, blank=True)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        abstract = True
