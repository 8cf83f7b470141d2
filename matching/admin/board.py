"""What waits for staff, on the first page of the admin (layer: faces)."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import VerificationStatus
from accounts.models import Anchor, Merchant, User
from jobs.models import Job, JobState
from matching.access import DECIDE, SETTLE
from matching.admin import wording
from matching.choices import OutcomeStatus
from matching.models import InvariantCheck, Outcome
from matching.queue import waiting_matches
from matchmaker.core.admin import SOON
from matchmaker.core.weeks import town_today


@dataclass(frozen=True)
class Tile:
    """One number, what it counts, and where to deal with it."""

    label: str
    count: int
    url: str
    detail: str = ""
    is_urgent: bool = False


def tiles_for(user: User | AnonymousUser) -> list[Tile]:
    """Return the tiles that this user may act on; one query each."""
    tiles = []
    if user.has_perm(DECIDE):
        tiles.append(_queue())
    if user.has_perm(SETTLE):
        tiles.append(_disputes())
    if user.has_perm("accounts.change_merchant"):
        tiles.append(_parties(Merchant, _("merchants to verify"), "admin:accounts_merchant_changelist"))
    if user.has_perm("accounts.change_anchor"):
        tiles.append(_parties(Anchor, _("anchors to verify"), "admin:accounts_anchor_changelist"))
    if user.has_perm("jobs.view_job"):
        tiles.append(_dead_jobs())
    if user.has_perm("matching.view_invariantcheck"):
        tiles += _last_check()
    return tiles


def _queue() -> Tile:
    waiting = waiting_matches()
    detail = ""
    if waiting.longest is not None:
        detail = _("the oldest for %(time)s") % {"time": wording.duration(waiting.longest)}
    return Tile(
        _("matches waiting for approval"),
        waiting.count,
        reverse("admin:matching_match_changelist"),
        detail,
        is_urgent=waiting.longest is not None and waiting.longest.days >= 1,
    )


def _disputes() -> Tile:
    disputed = Outcome.objects.filter(status=OutcomeStatus.DISPUTED).count()
    url = f"{reverse('admin:matching_outcome_changelist')}?status__exact={OutcomeStatus.DISPUTED}"
    return Tile(_("disputed outcomes"), disputed, url, is_urgent=disputed > 0)


def _parties(model: type[Merchant] | type[Anchor], label: str, view: str) -> Tile:
    today = town_today()
    verified = Q(verification=VerificationStatus.VERIFIED)
    counts = model.objects.filter(archived_at__isnull=True).aggregate(
        pending=Count("pk", filter=Q(verification=VerificationStatus.PENDING)),
        lapsing=Count("pk", filter=verified & Q(verified_until__range=(today, today + SOON))),
    )
    detail = _("%(count)d lapse within 30 days") % {"count": counts["lapsing"]} if counts["lapsing"] else ""
    return Tile(label, counts["pending"], f"{reverse(view)}?verification=pending", detail)


def _dead_jobs() -> Tile:
    dead = Job.objects.filter(state=JobState.DEAD).count()
    return Tile(_("jobs given up"), dead, reverse("admin:jobs_deadletter_changelist"), is_urgent=dead > 0)


def _last_check() -> list[Tile]:
    """The last check of invariants; no tile before the first."""
    check = InvariantCheck.objects.defer("results").order_by("-pk").first()
    if check is None:
        return []
    ago = wording.duration(timezone.now() - check.created_at)
    return [
        Tile(
            _("invariants violated"),
            check.violations,
            reverse("admin:matching_invariantcheck_change", args=[check.pk]),
            _("checked %(time)s ago") % {"time": ago},
            is_urgent=check.violations > 0,
        )
    ]
