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


# The states in which a match is still to be answered, approved or held.
OPEN_STATUSES = (MatchStatus.PROPOSED, MatchStatus.AGREED, MatchStatus.APPROVED)
ACTIVE_STATUSES = (MatchStatus.AGREED, MatchStatus.APPROVED)


class Role(models.TextChoices):
    """As whom somebody acts on a match."""

    STALL = "stall", _("stall")
    ANCHOR = "anchor", _("anchor")
    STAFF = "staff", _("town staff")
    SYSTEM = "system", _("system")


class Origin(models.TextChoices):
    """Who brought the two together."""

    SIDE = "side", _("proposed by a side")
    FORCE = "force", _("proposed by staff")
    MATCH_DAY = "match_day", _("match day")


class ReactionKind(models.TextChoices):
    LIKE = "like", _("like")
    PASS = "pass", _("pass")
    NEVER = "never", _("never again")


class PairRuleKind(models.TextChoices):
    FORBID = "forbid", _("forbidden by staff")


class ModelStatus(models.TextChoices):
    """Whether learned weights count."""

    CHALLENGER = "challenger", _("challenger")
    PUBLISHED = "published", _("published")
    REFUSED = "refused", _("refused")
    RETIRED = "retired", _("retired")


class OutcomeStatus(models.TextChoices):
    """How far the two sides agree on what a session brought."""

    RECORDED = "recorded", _("waiting for confirmation")
    CONFIRMED = "confirmed", _("confirmed")
    DISPUTED = "disputed", _("disputed")
    SETTLED = "settled", _("settled by staff")


class MatchDayStatus(models.TextChoices):
    """How far a match day is."""

    DRAFT = "draft", _("being prepared")
    SOLVED = "solved", _("solved")
    RELEASING = "releasing", _("being released")
    RELEASED = "released", _("released")
    CANCELLED = "cancelled", _("cancelled")


class PairWish(models.TextChoices):
    """What staff decided about a pair of a match day before it was solved."""

    NONE = "", _("left to the engine")
    PINNED = "pinned", _("pinned")
    FORBIDDEN = "forbidden", _("forbidden")
