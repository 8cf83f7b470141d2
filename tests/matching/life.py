"""Every move of a match by everybody who may make it, and those who may hear of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Anchor, Stall, User
from jobs.models import Job, JobState
from jobs.tasks import run_job
from matching.choices import Role
from matching.models import Match, Session
from matching.services import matches as services
from matching.states import TRANSITIONS
from tests.matching.market import (
    make_anchor,
    make_staff,
    make_stall,
    make_user,
    proposed,
    session,
    terms,
)

# action, state before, as whom: all that the table knows.
MOVES = [
    (row.action, source, str(role))
    for row in TRANSITIONS
    for source in row.sources
    for role in sorted(row.by)
]


@dataclass
class Town:
    """A pair, two who act for each side, staff who may decide, and those whom nothing concerns."""

    stall: Stall = field(default_factory=make_stall)
    anchor: Anchor = field(default_factory=make_anchor)

    def __post_init__(self) -> None:
        self.people: dict[str, User] = {
            "stall": self.stall.merchant.memberships.get().user,
            "stall's other": make_user(),
            "stall's former": make_user(is_active=False),
            "stall's, in staff": make_staff(),
            "anchor": self.anchor.memberships.get().user,
            "anchor's other": make_user(),
            "staff": make_staff(),
            "staff's other": make_staff("decide_match"),
            "staff, to look": make_staff("view_match"),
            "staff, gone": make_staff("decide_match"),
            "no staff": make_user(),
            "stranger": make_user(),
        }
        for name in ("stall's other", "stall's former", "stall's, in staff"):
            self.people[name].memberships.create(merchant=self.stall.merchant)
        self.people["anchor's other"].memberships.create(anchor=self.anchor)
        self.people["no staff"].user_permissions.set(self.people["staff"].user_permissions.all())
        User.objects.filter(pk=self.people["staff, gone"].pk).update(is_active=False)

    def name_of(self, user_id: int) -> str:
        return next(name for name, user in self.people.items() if user.pk == user_id)

    # --- into a state ----------------------------------------------------------------------------

    def bring(self, status: str, action: str, role: str) -> Match | None:
        """A match in that state, in which `role` may take `action`; none before it is proposed."""
        if not status:
            return None
        answers = action in ("counter", "accept", "decline")
        proposer = "anchor" if (role == "stall") == answers else "stall"
        match = proposed(self.stall, self.anchor, side=proposer)
        if status == "proposed":
            return match
        answering = self.people["stall" if proposer == "anchor" else "anchor"]
        match = services.accept_match(actor=answering, match=match)
        if status == "approved":
            match = services.approve_match(actor=self.people["staff"], match=match)
        return match

    # --- a move ----------------------------------------------------------------------------------

    def make(self, action: str, match: Match | None, role: str) -> Match:
        """Let `role` take `action`, at a time when it may."""
        actor = self.people.get(role)
        if match is None:
            given = {"actor": actor, "stall": self.stall, "anchor": self.anchor, "terms": terms()}
            if role == Role.STAFF:
                return services.propose_to_both(**given)
            return services.propose_match(**given, side=role)
        if action in ("complete", "fail"):
            long_ago = timezone.now() - timedelta(days=9)
            Session.objects.update(starts_at=long_ago, ends_at=long_ago + timedelta(hours=2))
        if action == "expire":
            Match.objects.filter(pk=match.pk).update(deadline_at=timezone.now())
            return services.expire_match(match=match)
        if (action, role) == ("complete", Role.SYSTEM):
            with transaction.atomic():
                return services.complete_by_outcomes(actor=self.people["stall"], match=match)
        return _with_what_it_needs(action, {"actor": actor, "match": match})


def _with_what_it_needs(action: str, given: dict[str, Any]) -> Match:
    row = next(row for row in TRANSITIONS if row.action == action)
    if action == "counter":
        given["terms"] = terms(session(3))
    if row.needs_reason:
        given["reason_code"] = f"{action}_other"
    service: Any = getattr(services, f"{action}_match")
    moved: Match = service(**given)
    return moved


def deliver() -> int:
    """Do the jobs that tell of something, as a worker does; return how many they were."""
    jobs = Job.objects.filter(kind__startswith="matching.tell_of_", state=JobState.QUEUED).order_by("pk")
    ids = list(jobs.values_list("pk", flat=True))
    for job_id in ids:
        run_job(job_id)
    assert not Job.objects.filter(pk__in=ids).exclude(state=JobState.DONE).exists()
    return len(ids)
