"""Fixed words of matching, stored as their codes (layer: choices)."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Side(models.TextChoices):
    STALL = "stall", _("stall")
    ANCHOR = "anchor", _("anchor")


class Awaiting(models.TextChoices):
    """Who has to answer a proposal."""

    NOBODY = "", _("nobody")
    STALL = "stall", _("stall")
    ANCHOR = "anchor", _("anchor")
    BOTH = "both", _("both")


class MatchStatus(models.TextChoices):
    PROPOSED = "proposed", _("proposed")
    AGREED = "agreed", _("agreed")
    APPROVED = "approved", _("approved")
    DECLINED = "declined", _("declined")
    WITHDRAWN = "withdrawn", _("withdrawn")
    REJECTED = "rejected", _("rejected")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")


OPEN_STATUSES = (MatchStatus.PROPOSED, MatchStatus.AGREED, MatchStatus.APPROVED)
ACTIVE_STATUSES = (MatchStatus.AGREED, MatchStatus.APPROVED)


class Role(models.TextChoices):
    """As whom somebody acts on a match."""

    STALL = "stall", _("stall")
    ANCHOR = "anchor", _("anchor")
    STAFF = "staff", _("town staff")
    SYSTEM = "system", _("system")


class ReactionKind(models.TextChoices):
    LIKE = "like", _("like")
    PASS = "pass", _("pass")
    NEVER = "never", _("never again")


class PairRuleKind(models.TextChoices):
    BLOCK = "block", _("blocked by a side")
    FORBID = "forbid", _("forbidden by staff")
    FORCE = "force", _("proposed by staff")
